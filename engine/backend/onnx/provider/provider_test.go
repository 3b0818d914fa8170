package provider_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/backend/onnx/provider"
)

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		name     string
		provider provider.Name
		settings provider.Settings
		want     map[string]string
		bad      string
	}{
		{"cuda", provider.CUDA, provider.Settings{}, map[string]string{"device_id": "0", "cudnn_conv_algo_search": "HEURISTIC"}, ""},
		{"cuda, all", provider.CUDA, provider.Settings{Device: 3, TF32: "off", Graphs: true, MemoryMB: 8000}, map[string]string{
			"device_id": "3", "cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0", "enable_cuda_graph": "1",
			"gpu_mem_limit": "8000000000", "arena_extend_strategy": "kSameAsRequested",
		}, ""},
		{"cuda with TF32", provider.CUDA, provider.Settings{TF32: "on"}, map[string]string{"device_id": "0", "cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "1"}, ""},
		{"tensorrt", provider.TensorRT, provider.Settings{Device: 1, Graphs: true, MemoryMB: 1000, EngineDir: "/e"}, map[string]string{
			"device_id": "1", "trt_fp16_enable": "1", "trt_cuda_graph_enable": "1", "trt_max_workspace_size": "1000000000",
			"trt_engine_cache_enable": "1", "trt_engine_cache_path": "/e",
		}, ""},
		{"tensorrt without a folder", provider.TensorRT, provider.Settings{}, map[string]string{"device_id": "0", "trt_fp16_enable": "1"}, ""},
		{"tensorrt with TF32", provider.TensorRT, provider.Settings{TF32: "on"}, nil, "options: tf32: TensorRT has no such option"},
		{"webgpu", provider.WebGPU, provider.Settings{}, map[string]string{"powerPreference": "high-performance"}, ""},
		{"webgpu, second GPU", provider.WebGPU, provider.Settings{Device: 1}, nil, "device: WebGPU chooses its GPU itself"},
		{"webgpu, TF32", provider.WebGPU, provider.Settings{TF32: "off"}, nil, "options: tf32: WebGPU has no such option"},
		{"webgpu, memory", provider.WebGPU, provider.Settings{MemoryMB: 1}, nil, "options: gpu_memory_mb: WebGPU has no such option"},
		{"unknown", "rocm", provider.Settings{}, nil, `provider: "rocm": want cuda, tensorrt or webgpu`},
	} {
		got, err := provider.Options(c.provider, c.settings)
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
		if (err != nil) != (c.bad != "") || err != nil && !strings.Contains(err.Error(), c.bad) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.bad)
		}
	}
}

func TestChoose(t *testing.T) {
	usable := func(n provider.Name) provider.Finding { return provider.Finding{Provider: n, Usable: true} }
	not := func(n provider.Name, why string) provider.Finding {
		return provider.Finding{Provider: n, Why: why, Fix: "install it"}
	}
	for _, c := range []struct {
		name     string
		findings []provider.Finding
		named    provider.Name
		want     provider.Name
		bad      string
	}{
		{"CUDA first", []provider.Finding{usable(provider.WebGPU), usable(provider.CUDA)}, "", provider.CUDA, ""},
		{"else WebGPU", []provider.Finding{not(provider.CUDA, "no cuDNN"), usable(provider.WebGPU)}, "", provider.WebGPU, ""},
		{"TensorRT only if named", []provider.Finding{usable(provider.TensorRT)}, "", "", "cuda: it was not probed. webgpu: it was not probed"},
		{"TensorRT by name", []provider.Finding{usable(provider.CUDA), usable(provider.TensorRT)}, provider.TensorRT, provider.TensorRT, ""},
		{"the named one only", []provider.Finding{not(provider.CUDA, "no cuDNN"), usable(provider.WebGPU)}, provider.CUDA, "", "no GPU is usable by ONNX Runtime here. cuda: no cuDNN; install it"},
	} {
		got, err := provider.Choose(c.findings, c.named)
		if err == nil && got.Provider != c.want || (err != nil) != (c.bad != "") || err != nil && !strings.Contains(err.Error(), c.bad) {
			t.Errorf("%s: %v, %v; want %q, %q", c.name, got, err, c.want, c.bad)
		}
	}
}

func TestFindingText(t *testing.T) {
	for _, c := range []struct {
		finding provider.Finding
		want    string
	}{
		{provider.Finding{Provider: provider.CUDA, Usable: true, Half: true}, "cuda: usable, FP32 and FP16"},
		{provider.Finding{Provider: provider.WebGPU, Usable: true, HalfWhy: "no shader-f16"}, "webgpu: usable, FP32 only (no shader-f16)"},
		{provider.Finding{Provider: provider.CUDA, Why: "no cuDNN", Fix: "install cuDNN"}, "cuda: not usable: no cuDNN; install cuDNN"},
	} {
		if got := c.finding.String(); got != c.want {
			t.Errorf("String() = %q, want %q", got, c.want)
		}
	}
}

// TestDiagnose reads the errors of testdata/errors.txt, which ONNX Runtime and the dynamic linker have given.
func TestDiagnose(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "errors.txt"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for block := range strings.SplitSeq(string(text), "\n\n") {
		var name, message, why, fix string
		for line := range strings.Lines(strings.TrimSpace(block)) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
			switch key {
			case "provider":
				name = value
			case "error":
				message = value
			case "why":
				why = value
			case "fix":
				fix = value
			}
		}
		if name == "" {
			continue
		}
		n++
		gotWhy, gotFix := provider.Diagnose(provider.Name(name), message, nil)
		if gotWhy != why || !strings.HasPrefix(gotFix, fix) || (fix == "") != (gotFix == "") {
			t.Errorf("Diagnose(%s, %q)\n= %q, %q\nwant %q, %q", name, message, gotWhy, gotFix, why, fix)
		}
	}
	if n < 5 {
		t.Errorf("%d errors in the file", n)
	}
}

// TestDiagnoseAllMissing: the linker names one missing library, the list of the needed ones all.
func TestDiagnoseAllMissing(t *testing.T) {
	why, fix := provider.Diagnose(provider.CUDA, "libcublasLt.so.13: cannot open shared object file: No such file or directory",
		[]string{"libcublasLt.so.13", "libcudart.so.13", "libcudnn.so.9", "libcuda.so.1"})
	if why != "libcublasLt.so.13, libcudart.so.13, libcudnn.so.9, libcuda.so.1 are missing" ||
		fix != "install the CUDA toolkit 13, cuDNN 9, the NVIDIA driver" {
		t.Errorf("Diagnose = %q, %q", why, fix)
	}
}

func TestNeeded(t *testing.T) {
	library := filepath.Join(t.TempDir(), "libonnxruntime.so.1.27.0")
	_, missing, err := provider.Needed(provider.CUDA, library)
	if err != nil || len(missing) != 2 || filepath.Base(missing[1]) != "libonnxruntime_providers_cuda.so" {
		t.Errorf("Needed of an empty folder: %q, %v", missing, err)
	}
	why, fix := provider.Diagnose(provider.CUDA, "", missing)
	if !strings.Contains(why, "libonnxruntime_providers_cuda.so are missing") || !strings.Contains(fix, "onnxruntime-gpu") {
		t.Errorf("Diagnose = %q, %q", why, fix)
	}
	if needed, missing, err := provider.Needed(provider.WebGPU, library); len(needed)+len(missing) > 0 || err != nil {
		t.Errorf("WebGPU needs %q, lacks %q, %v", needed, missing, err)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(library), "libonnxruntime_providers_cuda.so"), []byte("no library"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := provider.Needed(provider.CUDA, library); err == nil {
		t.Error("a file that is no library was read")
	}
}

func FuzzDiagnose(f *testing.F) {
	f.Add("cuda", "libcudnn.so.9: cannot open shared object file", "")
	f.Add("webgpu", "No supported adapters", "libvulkan.so.1")
	f.Fuzz(func(t *testing.T, name, text, missing string) {
		var list []string
		if missing != "" {
			list = []string{missing}
		}
		why, _ := provider.Diagnose(provider.Name(name), text, list)
		if why == "" && text != "" {
			t.Errorf("Diagnose(%q, %q, %q) says nothing", name, text, missing)
		}
	})
}
