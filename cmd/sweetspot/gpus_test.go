package main

import (
	"strings"
	"testing"
	"testing/fstest"

	"sweetspot/engine"
	"sweetspot/engine/backend/onnx"
	"sweetspot/engine/backend/onnx/provider"
	"sweetspot/engine/backend/python"
	"sweetspot/engine/backend/simulated"
	"sweetspot/engine/config"
	"sweetspot/engine/gpu"
	"sweetspot/engine/knob"
)

func TestHasGPU(t *testing.T) {
	for _, c := range []struct {
		name string
		dev  fstest.MapFS
		env  map[string]string
		want bool
	}{
		{"none", fstest.MapFS{"null": {}, "nvidiactl": {}, "dri/card0": {}}, nil, false},
		{"NVIDIA", fstest.MapFS{"nvidia0": {}}, nil, true},
		{"second of NVIDIA", fstest.MapFS{"nvidia1": {}}, nil, true},
		{"a driver of the kernel", fstest.MapFS{"dri/renderD128": {}}, nil, true},
		{"Windows below", fstest.MapFS{"dxg": {}}, nil, true},
		{"a named driver of Vulkan", fstest.MapFS{}, map[string]string{"VK_ICD_FILENAMES": "/x.json"}, true},
	} {
		if got := hasGPU(c.dev, func(k string) string { return c.env[k] }); got != c.want {
			t.Errorf("%s: hasGPU = %v", c.name, got)
		}
	}
}

func TestStartWorkers(t *testing.T) {
	four := make([]gpu.Device, 4)
	for _, c := range []struct {
		device  string
		devices []gpu.Device
		models  int
		want    int
	}{
		{"gpu", four, 1, 4},
		{"gpu", four, 2, 2},
		{"gpu:1", four, 1, 3},
		{"cpu", four, 1, 3},
		{"gpu", four[:1], 1, 3},
		{"gpu", nil, 1, 3},
	} {
		cfg := knob.Config{Settings: knob.Default(knob.TorchServe)}
		cfg.Device, cfg.Workers = c.device, 3
		if got := startWorkers(cfg, c.devices, c.models); got != c.want {
			t.Errorf("startWorkers(%s, %d GPUs, %d models) = %d, want %d", c.device, len(c.devices), c.models, got, c.want)
		}
	}
}

// TestDefaultDevice checks where a model runs for which no device is given.
func TestDefaultDevice(t *testing.T) {
	half := provider.Finding{Provider: provider.CUDA, Usable: true, Half: true}
	full := provider.Finding{Provider: provider.WebGPU, Usable: true, HalfWhy: "no shader-f16"}
	for _, c := range []struct {
		name, model string
		gpus        onnx.GPUs
		change      func(*knob.Config)
		want, note  string
	}{
		{"a GPU", "builtin:mlp", onnx.GPUs{Findings: []provider.Finding{half}}, nil, "gpu", "device gpu, because a GPU is usable (cuda: usable, FP32 and FP16); --device cpu uses the CPU"},
		{"none", "builtin:mlp", onnx.GPUs{Reason: "none"}, nil, "cpu", ""},
		{"FP16 on a GPU without", "builtin:mlp", onnx.GPUs{Findings: []provider.Finding{full}}, func(c *knob.Config) { c.Precision = knob.HalfPrecision }, "cpu", "no shader-f16"},
		{"one session for two GPUs", "builtin:mlp", onnx.GPUs{Findings: []provider.Finding{half}, Devices: make([]gpu.Device, 2)}, func(c *knob.Config) { c.Session = "shared" }, "gpu:0", "device gpu:0, because"},
		{"simulated", "sim:animated-drawings", onnx.GPUs{Findings: []provider.Finding{half}}, nil, "cpu", ""},
	} {
		start := knob.Config{Settings: knob.Default(knob.TorchServe)}
		if c.change != nil {
			c.change(&start)
		}
		a := &app{gpus: c.gpus}
		got, note := a.defaultDevice(t.Context(), c.model, start)
		if got != c.want || (note == "") != (c.note == "") || !strings.Contains(note, c.note) {
			t.Errorf("%s: %s, %q; want %s, %q", c.name, got, note, c.want, c.note)
		}
	}
}

// TestServedDevice checks where serve runs a model for which no device is given.
func TestServedDevice(t *testing.T) {
	both := []knob.Place{{Device: "cpu", Precision: knob.FullPrecision}, {Device: "gpu", Precision: knob.FullPrecision}}
	for _, c := range []struct {
		name string
		ms   modelSettings
		m    engine.Model
		text string
		want string
	}{
		{"it can run on a GPU", modelSettings{onGPU: true}, engine.Model{Backend: onnxName, Places: both}, "", "gpu"},
		{"it cannot", modelSettings{onGPU: true}, engine.Model{Backend: python.Name, Places: both[:1]}, "", "cpu"},
		{"its archive says cpu", modelSettings{onGPU: true}, engine.Model{Backend: onnxName, Places: both}, "deviceType: cpu\n", "cpu"},
		{"number_of_gpu=0", modelSettings{onGPU: true, t: config.TorchServe{NumberOfGPU: new(0)}}, engine.Model{Backend: onnxName, Places: both}, "", "cpu"},
		{"simulated", modelSettings{onGPU: true}, engine.Model{Backend: simulated.Name, Places: both}, "", "cpu"},
		{"it is not known", modelSettings{onGPU: true}, engine.Model{Backend: onnxName}, "", "gpu:7"},
	} {
		s := knob.Default(knob.Eager)
		s.Device = "gpu:7" // what the command line and the machine say
		if got := c.ms.device(s, &c.m, []byte(c.text)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestCrashLine(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"SIGSEGV: segmentation violation\nPC=0x1\n\nrax 0x0\nfs 0x0\n", "SIGSEGV: segmentation violation"},
		{"one\ntwo\n", "two"},
		{"", ""},
	} {
		if got := crashLine(c.text); got != c.want {
			t.Errorf("crashLine(%q) = %q, want %q", c.text, got, c.want)
		}
	}
}

// TestGPUEnv: CUDA numbers GPUs as the driver does, unless the user wants another order.
func TestGPUEnv(t *testing.T) {
	a := &app{env: parseEnviron([]string{"A=1"})}
	if got := a.gpuEnv(); len(got) != 2 || got[1] != "CUDA_DEVICE_ORDER=PCI_BUS_ID" {
		t.Errorf("gpuEnv() = %q", got)
	}
	a = &app{env: parseEnviron([]string{"CUDA_DEVICE_ORDER=FASTEST_FIRST"})}
	if got := a.gpuEnv(); len(got) != 1 {
		t.Errorf("gpuEnv() = %q", got)
	}
}
