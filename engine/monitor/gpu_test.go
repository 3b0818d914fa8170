package monitor

import (
	"strings"
	"testing"
)

func TestChoose(t *testing.T) {
	devices := []Device{{UUID: "GPU-aa11"}, {UUID: "GPU-aa22"}, {UUID: "GPU-bb33"}}
	cases := []struct {
		visible, want string
		index         int
		bad           string
	}{
		{"", "", 0, ""},
		{"", "gpu", 0, ""},
		{"", "gpu:2", 2, ""},
		{"", "gpu:GPU-aa22", 1, ""},
		{"", "gpu:gpu-BB", 2, ""},
		{"2,0", "gpu", 2, ""},
		{"2,0", "gpu:1", 0, ""},
		{"GPU-bb33, GPU-aa11", "gpu:1", 0, ""},
		{"1,9,0", "gpu:1", 0, "there are 1 usable GPUs"}, // CUDA ends at the unknown one
		{"-1", "gpu", 0, "there are 0 usable GPUs"},
		{"MIG-123", "gpu", 0, "MIG"},
		{"", "gpu:3", 0, "there are 3 usable GPUs"},
		{"", "gpu:-1", 0, "there are 3 usable GPUs"},
		{"", "gpu:GPU-aa", 0, "want gpu, gpu:N or gpu:UUID"}, // two begin so
		{"", "cpu", 0, "want gpu, gpu:N or gpu:UUID"},
	}
	for _, c := range cases {
		i, err := chooseDevice(devices, c.visible, c.want)
		if c.bad != "" {
			if err == nil || !strings.Contains(err.Error(), c.bad) {
				t.Errorf("chooseDevice(%q, %q): error %v, want one with %q", c.visible, c.want, err, c.bad)
			}
			continue
		}
		if err != nil || i != c.index {
			t.Errorf("chooseDevice(%q, %q) = %d, %v; want %d", c.visible, c.want, i, err, c.index)
		}
	}
}

func TestNoGPU(t *testing.T) {
	g := NoGPU("switched off")
	s, err := g.Sample(t.Context())
	if err != nil || s.Reason != "switched off" || s.Percent != (Reading{}) || g.Devices() != nil || g.Close() != nil {
		t.Errorf("NoGPU: %+v, %v", s, err)
	}
}
