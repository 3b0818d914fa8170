package onnx

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/backend/onnx/provider"
	"sweetspot/engine/gpu"
	"sweetspot/engine/knob"
)

// twoGPUs is a machine with two GPUs that CUDA can use, and WebGPU in FP32 only.
func twoGPUs() GPUs {
	return GPUs{
		Findings: []provider.Finding{
			{Provider: provider.CUDA, Usable: true, Half: true},
			{Provider: provider.WebGPU, Usable: true, HalfWhy: "no shader-f16"},
			{Provider: provider.TensorRT, Why: "libnvinfer.so.10 is missing", Fix: "install TensorRT 10"},
		},
		Devices: []gpu.Device{{Index: 0, UUID: "GPU-aa", Name: "A", Memory: 10e9}, {Index: 1, UUID: "GPU-bb", Name: "B", Memory: 1e6}},
	}
}

func onGPUs(g GPUs) *Backend {
	b := &Backend{version: "1.27.0", cores: 8}
	b.UseGPUs(g)
	return b
}

func TestCheckGPU(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*knob.Config)
		want   string // part of the error; "" is none
	}{
		{"all GPUs", func(*knob.Config) {}, ""},
		{"by number", func(c *knob.Config) { c.Device = "gpu:1" }, ""},
		{"by UUID", func(c *knob.Config) { c.Device = "gpu:GPU-bb" }, ""},
		{"no such number", func(c *knob.Config) { c.Device = "gpu:2" }, "there is no gpu:2; usable: gpu:0 (A, GPU-aa), gpu:1 (B, GPU-bb)"},
		{"fp16", func(c *knob.Config) { c.Precision = knob.HalfPrecision }, ""},
		{"fp16 without the operations", func(c *knob.Config) { c.Precision, c.Provider = knob.HalfPrecision, "webgpu" }, "precision: fp16 does not run with webgpu on this GPU: no shader-f16"},
		{"options of CUDA", func(c *knob.Config) { c.TF32, c.GPUMemoryMB = "off", 4000 }, ""},
		{"an option that WebGPU lacks", func(c *knob.Config) { c.TF32, c.Provider = "off", "webgpu" }, "options: tf32: WebGPU has no such option"},
		{"another GPU for WebGPU", func(c *knob.Config) { c.Device, c.Provider = "gpu:1", "webgpu" }, "device: WebGPU chooses its GPU itself"},
		{"graphs", func(c *knob.Config) { c.CUDAGraphs = true }, "would replay the first batch again and again"},
		{"TensorRT", func(c *knob.Config) { c.Provider = "tensorrt" }, "tensorrt: libnvinfer.so.10 is missing; install TensorRT 10"},
		{"one session on two GPUs", func(c *knob.Config) { c.Session = "shared" }, "one session is on one GPU, and gpu names 2"},
		{"one session on one GPU", func(c *knob.Config) { c.Session, c.Device = "shared", "gpu:0" }, ""},
		{"on the CPU the options have no effect", func(c *knob.Config) { c.Device, c.TF32 = "cpu", "on" }, ""},
	} {
		cfg := config(1)
		cfg.Device = "gpu"
		c.change(&cfg)
		err := onGPUs(twoGPUs()).checkSettings(cfg)
		if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// TestPlacement checks on which GPU each session of two pools is, and their memory.
func TestPlacement(t *testing.T) {
	b, m := onGPUs(twoGPUs()), layers(t, 1, 8, 8)
	m.Size = 500_000
	cfg := config(1)
	cfg.Device, cfg.Workers = "gpu", 3
	var places []string
	var taken []*onGPU
	for range 3 {
		g, err := b.take(m, cfg)
		if err != nil {
			t.Fatal(err)
		}
		taken = append(taken, g)
		places = append(places, g.text())
	}
	if d := cmp.Diff([]string{"gpu:1 (cuda)", "gpu:0 (cuda)", "gpu:1 (cuda)"}, places); d != "" {
		t.Errorf("places, want TorchServe's order (-want +got):\n%s", d)
	}
	if b.isShared(cfg) {
		t.Error("workers on two GPUs share a session")
	}
	one := cfg
	one.Device = "gpu:0"
	if !b.isShared(one) {
		t.Error("workers on one GPU have a session each")
	}
	// GPU 1 has 1 MB, of which two sessions hold one: no other pair fits beside them.
	if err := b.CheckReload(m, cfg); err == nil || !strings.Contains(err.Error(), "not enough memory: ") || !strings.Contains(err.Error(), "on gpu:1 (B) beside the 1 MB") {
		t.Errorf("CheckReload = %v", err)
	}
	if err := b.CheckReload(m, one); err != nil {
		t.Errorf("GPU 0 has room: %v", err)
	}
	for _, g := range taken {
		g.release()
	}
	if d := cmp.Diff([]int{0, 0}, b.Placed()); d != "" {
		t.Errorf("sessions after the end (-want +got):\n%s", d)
	}
	cfg.Workers = 2
	if err := b.CheckReload(m, cfg); err != nil {
		t.Errorf("two empty GPUs have room for a session each: %v", err)
	}
	one.GPUMemoryMB, m.Size = 1, 5e6
	if err := b.CheckReload(m, one); err == nil || !strings.Contains(err.Error(), "gpu_memory_mb allows 1 MB") {
		t.Errorf("CheckReload with a limit = %v", err)
	}
}

// TestFreeMemory checks that the sessions must fit into what is free beside the open ones, and that a figure is read again,
// because a process that has ended gives its memory back later.
func TestFreeMemory(t *testing.T) {
	const mb = 1_000_000
	for _, c := range []struct {
		name string
		free []int64 // what each read returns, the last one for ever; -1 is not reported, nil is no driver
		want string  // part of the error; "" is none
	}{
		{"enough is free", []int64{5 * mb}, ""},
		{"another program has the rest", []int64{mb}, "needs at least 4 MB on gpu:0 (A), which has 1 MB free of 10000 MB; its open sessions have at least 4 MB and keep serving meanwhile; use fewer workers"},
		{"the memory of a process that has ended comes back", []int64{mb, mb, 6 * mb}, ""},
		{"not reported", []int64{-1}, ""},
		{"not reported any more", []int64{mb, -1}, ""},
		{"no driver", nil, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			b, m := onGPUs(twoGPUs()), layers(t, 1, 8, 8)
			m.Size = 4 * mb
			reads := 0
			if c.free != nil {
				b.UseFreeMemory(func(number int) (int64, bool) {
					if number != 0 {
						t.Errorf("the memory of gpu:%d was read", number)
					}
					v := c.free[min(reads, len(c.free)-1)]
					reads++
					return v, v >= 0
				})
			}
			cfg := config(1)
			cfg.Device = "gpu:0"
			g, err := b.take(m, cfg) // the session in force
			if err != nil {
				t.Fatal(err)
			}
			defer g.release()
			err = b.CheckReload(m, cfg)
			if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want %q", c.name, err, c.want)
			}
		})
	}
}

// TestNoPlaces checks the reason for which a GPU runs FP32 only.
func TestNoPlaces(t *testing.T) {
	g := twoGPUs()
	if got := g.NoPlaces(); got != nil {
		t.Errorf("with FP16 on CUDA: %v", got)
	}
	g.Findings = g.Findings[1:]
	want := []knob.NoPlace{{Device: "gpu", Precision: knob.HalfPrecision, Why: "no shader-f16 (webgpu)"}}
	if d := cmp.Diff(want, g.NoPlaces()); d != "" {
		t.Errorf("without FP16 (-want +got):\n%s", d)
	}
	if got := (GPUs{}).NoPlaces(); got != nil {
		t.Errorf("without a GPU: %v", got)
	}
}

func TestPlaces(t *testing.T) {
	g := twoGPUs()
	want := []knob.Place{
		{Device: "cpu", Precision: knob.FullPrecision},
		{Device: "cpu", Precision: knob.HalfPrecision},
		{Device: "gpu", Precision: knob.FullPrecision},
		{Device: "gpu", Precision: knob.HalfPrecision},
	}
	if d := cmp.Diff(want, g.Places()); d != "" || g.Fixed() != nil {
		t.Errorf("fixed %v, places (-want +got):\n%s", g.Fixed(), d)
	}
	if got := onGPUs(g).Runtime(); got != "onnxruntime 1.27.0 cpu cuda webgpu" {
		t.Errorf("Runtime() = %q", got)
	}
	none := GPUs{Reason: "gpu is not available: this machine has no GPU"}
	if none.Places() != nil || none.Fixed()[knob.Device] != none.Reason {
		t.Errorf("without a GPU: places %v, fixed %v", none.Places(), none.Fixed())
	}
	if (GPUs{}).Why() == "" {
		t.Error("no reason for no GPUs")
	}
}
