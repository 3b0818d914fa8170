package gpu

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// three whole GPUs.
func three() []Device {
	return []Device{{Index: 0, UUID: "GPU-aa11", Name: "A"}, {Index: 1, UUID: "GPU-aa22", Name: "B"}, {Index: 2, UUID: "GPU-bb33", Name: "C"}}
}

// divided is a whole GPU and one that is divided in two.
func divided() []Device {
	return []Device{
		{Index: 0, UUID: "GPU-aa11", Split: true},
		{Index: 0, UUID: "MIG-1111", Parent: "GPU-aa11"},
		{Index: 0, UUID: "MIG-2222", Parent: "GPU-aa11"},
		{Index: 1, UUID: "GPU-bb22"},
	}
}

func uuids(devices []Device) string {
	var out []string
	for _, d := range devices {
		out = append(out, d.UUID)
	}
	return strings.Join(out, " ")
}

func TestVisible(t *testing.T) {
	set := func(text string) Mask { return Mask{text, true} }
	onlyDivided := divided()[:3]
	for _, c := range []struct {
		name string
		all  []Device
		mask Mask
		want string
	}{
		{"not set", three(), Mask{}, "GPU-aa11 GPU-aa22 GPU-bb33"},
		{"empty", three(), set(""), ""},
		{"minus one", three(), set("-1"), ""},
		{"no device files", three(), set("NoDevFiles"), ""},
		{"another order", three(), set("2,0"), "GPU-bb33 GPU-aa11"},
		{"blanks", three(), set(" 2 , 0 "), "GPU-bb33 GPU-aa11"},
		{"ends at an unknown index", three(), set("1,9,0"), "GPU-aa22"},
		{"ends at minus one", three(), set("1,-1,0"), "GPU-aa22"},
		{"UUIDs", three(), set("GPU-bb33,GPU-aa11"), "GPU-bb33 GPU-aa11"},
		{"start of a UUID", three(), set("GPU-b"), "GPU-bb33"},
		{"two begin so", three(), set("GPU-a"), ""},
		{"unknown text", three(), set("gpu0"), ""},
		{"divided: the whole ones first", divided(), Mask{}, "GPU-bb22"},
		{"all divided: one instance", onlyDivided, Mask{}, "MIG-1111"},
		{"an instance", divided(), set("MIG-2222"), "MIG-2222"},
		{"of two instances CUDA uses the first", divided(), set("MIG-2222,MIG-1111"), "MIG-2222"},
		{"index of a divided GPU", divided(), set("0"), "MIG-1111"},
		{"no devices", nil, set("0"), ""},
	} {
		if got := uuids(Visible(c.all, c.mask)); got != c.want {
			t.Errorf("%s: Visible(%q) = %q, want %q", c.name, c.mask.Text, got, c.want)
		}
	}
}

func TestChoose(t *testing.T) {
	for _, c := range []struct {
		device string
		want   []int
		bad    string
	}{
		{"gpu", []int{0, 1, 2}, ""},
		{"", []int{0, 1, 2}, ""},
		{"gpu:2", []int{2}, ""},
		{"gpu:GPU-aa22", []int{1}, ""},
		{"gpu:gpu-BB", []int{2}, ""},
		{"gpu:3", nil, "usable: gpu:0 (A, GPU-aa11), gpu:1"},
		{"gpu:-1", nil, "there is no gpu:-1"},
		{"gpu:GPU-aa", nil, "several begin so"},
		{"cpu", nil, "want gpu, gpu:N or gpu:UUID"},
	} {
		got, err := Choose(three(), c.device)
		switch {
		case c.bad != "" && (err == nil || !strings.Contains(err.Error(), c.bad)):
			t.Errorf("Choose(%q): error %v, want one with %q", c.device, err, c.bad)
		case c.bad == "" && (err != nil || !slices.Equal(got, c.want)):
			t.Errorf("Choose(%q) = %v, %v; want %v", c.device, got, err, c.want)
		}
	}
	if _, err := Choose(nil, "gpu"); err == nil {
		t.Error("Choose found a GPU where there is none")
	}
}

func TestPlacerOrder(t *testing.T) {
	var p Placer
	var got []int
	for range 6 {
		got = append(got, p.Take([]int{0, 1, 2}))
	}
	if d := cmp.Diff([]int{1, 2, 0, 1, 2, 0}, got); d != "" {
		t.Errorf("order, want TorchServe's (-want +got):\n%s", d)
	}
	p.Release(2)
	p.Release(2)
	if n := p.Take([]int{0, 1, 2}); n != 2 {
		t.Errorf("the GPU without workers is 2, Take chose %d", n)
	}
	if n := p.Take([]int{1}); n != 1 {
		t.Errorf("Take of one device = %d", n)
	}
	if d := cmp.Diff([]int{2, 3, 1}, p.Workers(3)); d != "" {
		t.Errorf("Workers (-want +got):\n%s", d)
	}
	var one Placer
	if a, b := one.Take([]int{0}), one.Take([]int{0}); a != 0 || b != 0 {
		t.Errorf("one GPU: %d, %d", a, b)
	}
}

// TestPlacerEven checks that the workers stay spread over the GPUs, whatever comes and
// goes as in reloads: a second pool is opened, then the first one is closed.
func TestPlacerEven(t *testing.T) {
	var p Placer
	among := []int{0, 1, 2, 3}
	pool := func() (out []int) {
		for range 6 {
			out = append(out, p.Take(among))
		}
		return out
	}
	old := pool()
	for range 20 {
		next := pool()
		for _, n := range old {
			p.Release(n)
		}
		old = next
		counts := p.Workers(4)
		if slices.Max(counts)-slices.Min(counts) > 2 {
			t.Fatalf("workers of the GPUs: %v", counts)
		}
	}
}

func TestStartWorkers(t *testing.T) {
	for _, c := range []struct{ gpus, models, want int }{{4, 1, 4}, {4, 2, 2}, {1, 3, 1}, {0, 1, 1}, {3, 0, 3}} {
		if got := StartWorkers(c.gpus, c.models); got != c.want {
			t.Errorf("StartWorkers(%d, %d) = %d, want %d", c.gpus, c.models, got, c.want)
		}
	}
}

func FuzzVisible(f *testing.F) {
	for _, s := range []string{"", "0", "-1", "MIG-2222", "GPU-aa11,1", "NoDevFiles", ",,"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		out := Visible(divided(), Mask{text, true})
		if len(out) > 1 && slices.ContainsFunc(out, func(d Device) bool { return d.Parent != "" }) {
			t.Errorf("Visible(%q) has several devices with a MIG instance: %v", text, out)
		}
		for i := range out {
			if got, err := Choose(out, "gpu:"+out[i].UUID); err == nil && len(got) != 1 {
				t.Errorf("Choose = %v", got)
			}
		}
	})
}
