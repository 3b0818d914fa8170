package main

import (
	"testing"
	"testing/fstest"

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
