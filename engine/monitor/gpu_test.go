package monitor

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/gpu"
)

func TestChoose(t *testing.T) {
	all := []gpu.Device{{Index: 0, UUID: "GPU-aa11"}, {Index: 1, UUID: "GPU-aa22"}, {Index: 2, UUID: "GPU-bb33"}}
	for _, c := range []struct {
		visible gpu.Mask
		device  string
		want    string
		bad     string
	}{
		{gpu.Mask{}, "", "GPU-aa11 GPU-aa22 GPU-bb33", ""},
		{gpu.Mask{}, "gpu:1", "GPU-aa22", ""},
		{gpu.Mask{Text: "2,0", Set: true}, "gpu:1", "GPU-aa11", ""},
		{gpu.Mask{Text: "2,0", Set: true}, "gpu", "GPU-bb33 GPU-aa11", ""},
		{gpu.Mask{Set: true}, "gpu", "", `CUDA_VISIBLE_DEVICES="" hides all GPUs`},
		{gpu.Mask{Text: "NoDevFiles", Set: true}, "gpu", "", "hides all GPUs"},
		{gpu.Mask{}, "gpu:7", "", "there is no gpu:7"},
	} {
		got, err := choose(all, GPUOptions{Device: c.device, Visible: c.visible})
		var uuids []string
		for _, d := range got {
			uuids = append(uuids, d.UUID)
		}
		text := ""
		if err != nil {
			text = err.Error()
		}
		if strings.Join(uuids, " ") != c.want || (err != nil) != (c.bad != "") || !strings.Contains(text, c.bad) {
			t.Errorf("choose(%+v, %q) = %q, %v; want %q, %q", c.visible, c.device, uuids, err, c.want, c.bad)
		}
	}
}

// TestTogether checks how the samples of several GPUs are joined.
func TestTogether(t *testing.T) {
	a := GPUSample{UUID: "GPU-1", Percent: Of(10), MemoryBytes: Of(5), PowerW: Of(100), EnergyJ: Of(1000), SMMHz: Of(1800), Throttled: new(false)}
	b := GPUSample{
		UUID: "GPU-2", Percent: Of(90), MemoryBytes: Of(3), PowerW: Of(50), SMMHz: Of(1500), TemperatureC: Of(70),
		Throttled: new(true), Throttle: []string{"heat"},
	}
	want := GPUSample{
		UUID: "GPU-1", Percent: Of(90), MemoryBytes: Of(5), PowerW: Of(150), SMMHz: Of(1500), TemperatureC: Of(70),
		Throttled: new(true), Throttle: []string{"heat"}, Each: []GPUSample{a, b},
	}
	if d := cmp.Diff(want, together([]GPUSample{a, b}), exactly()); d != "" {
		t.Errorf("together (-want +got):\n%s", d)
	}
	if d := cmp.Diff(a, together([]GPUSample{a}), exactly()); d != "" {
		t.Errorf("one (-want +got):\n%s", d)
	}
}

func TestNoGPU(t *testing.T) {
	g := NoGPU("switched off")
	s, err := g.Sample(t.Context())
	if err != nil || s.Reason != "switched off" || s.Percent != (Reading{}) || g.Devices() != nil || g.Close() != nil {
		t.Errorf("NoGPU: %+v, %v", s, err)
	}
}
