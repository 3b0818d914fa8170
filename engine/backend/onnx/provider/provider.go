// Package provider has what is known about the execution providers of ONNX Runtime, without
// calling it: how settings become their options, which one a GPU gets, what a failed probe means,
// and what to install.
//
// A provider that the library lists is not usable for that reason: the libraries of CUDA and of
// TensorRT are loaded when a session is opened. So package onnx probes each one, in a child
// process, by running a session; a [Finding] is the result of a probe.
package provider

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Name is an execution provider, as the option provider has it.
type Name string

// The providers. A GPU has no provider of a name in options if that is empty: the best usable one.
const (
	CUDA     Name = "cuda"
	TensorRT Name = "tensorrt"
	WebGPU   Name = "webgpu"
)

// Names returns all providers of GPUs, the preferred ones first. TensorRT is the last one: it builds
// an engine for each shape, which takes minutes, so that it is used only if it is named.
func Names() []Name { return []Name{CUDA, WebGPU, TensorRT} }

// Finding is the result of a probe.
type Finding struct {
	Provider Name   `json:"provider"`
	Usable   bool   `json:"usable"`             // an FP32 session ran, and its answer was that of the CPU
	Half     bool   `json:"half"`               // so did an FP16 session
	Why      string `json:"why,omitempty"`      // why it is not usable
	HalfWhy  string `json:"half_why,omitempty"` // why FP16 does not run
	Fix      string `json:"fix,omitempty"`      // what to do
	// Largest is the largest difference of the FP32 answer from that of the CPU, as a share of the
	// largest number of the CPU's.
	Largest float64 `json:"largest"`
}

// String is the finding in one line: "cuda: not usable: libcudnn.so.9 is missing; install cuDNN 9".
func (f Finding) String() string {
	switch {
	case f.Usable && f.Half:
		return fmt.Sprintf("%s: usable, FP32 and FP16", f.Provider)
	case f.Usable:
		return fmt.Sprintf("%s: usable, FP32 only (%s)", f.Provider, f.HalfWhy)
	}
	return fmt.Sprintf("%s: not usable: %s", f.Provider, f.Reason())
}

// Reason says why the provider is not usable, and what to do.
func (f Finding) Reason() string {
	if f.Fix == "" {
		return f.Why
	}
	return f.Why + "; " + f.Fix
}

// Choose returns the provider for a GPU: the named one, or the first usable one of Names but
// TensorRT. The error says of each why it is not usable.
func Choose(findings []Finding, named Name) (Finding, error) {
	var why []string
	for _, n := range Names() {
		i := slices.IndexFunc(findings, func(f Finding) bool { return f.Provider == n })
		switch {
		case named != "" && n != named, named == "" && n == TensorRT:
			continue
		case i < 0:
			why = append(why, string(n)+": it was not probed")
		case findings[i].Usable:
			return findings[i], nil
		default:
			why = append(why, string(n)+": "+findings[i].Reason())
		}
	}
	return Finding{}, fmt.Errorf("no GPU is usable by ONNX Runtime here. %s", strings.Join(why, ". "))
}

// Settings are what the options of a provider depend on.
type Settings struct {
	Device    int    // number of the GPU, as CUDA counts
	TF32      string // on, off; "" is the runtime's default
	Graphs    bool   // record and replay
	MemoryMB  int    // limit of a session; 0 is none
	EngineDir string // where TensorRT keeps its engines; "" is nowhere
}

// Options returns the options of a provider. It returns an error if the provider lacks one that is asked
// for, because ignoring it would measure something else.
func Options(n Name, s Settings) (map[string]string, error) {
	switch n {
	case CUDA:
		return cuda(s), nil
	case TensorRT:
		return tensorRT(s)
	case WebGPU:
		return webGPU(s)
	}
	return nil, fmt.Errorf("options: provider: %q: want cuda, tensorrt or webgpu", n)
}

// cuda returns CUDA's options. The search for the fastest convolution is heuristic: the default tries all
// of them at the first run of every batch size, which is a pause of seconds under load.
func cuda(s Settings) map[string]string {
	o := map[string]string{"device_id": strconv.Itoa(s.Device), "cudnn_conv_algo_search": "HEURISTIC"}
	if s.TF32 != "" {
		o["use_tf32"] = flag(s.TF32 == "on")
	}
	if s.Graphs {
		o["enable_cuda_graph"] = "1"
	}
	if s.MemoryMB > 0 {
		// The arena otherwise doubles at each growth, and would refuse the last doubling below the limit.
		o["gpu_mem_limit"], o["arena_extend_strategy"] = bytes(s.MemoryMB), "kSameAsRequested"
	}
	return o
}

func tensorRT(s Settings) (map[string]string, error) {
	if s.TF32 != "" {
		return nil, fmt.Errorf("options: tf32: TensorRT has no such option in ONNX Runtime; use provider cuda, or leave it out")
	}
	// The models of FP16 have FP16 types, so that trt_fp16_enable only allows what they ask for.
	o := map[string]string{"device_id": strconv.Itoa(s.Device), "trt_fp16_enable": "1"}
	if s.EngineDir != "" {
		o["trt_engine_cache_enable"], o["trt_engine_cache_path"] = "1", s.EngineDir
	}
	if s.Graphs {
		o["trt_cuda_graph_enable"] = "1"
	}
	if s.MemoryMB > 0 {
		o["trt_max_workspace_size"] = bytes(s.MemoryMB)
	}
	return o, nil
}

// webGPU returns WebGPU's options: it chooses the GPU itself.
func webGPU(s Settings) (map[string]string, error) {
	switch {
	case s.Device != 0:
		return nil, fmt.Errorf("device: WebGPU chooses its GPU itself: use gpu, or hide the others from the Vulkan loader with VK_LOADER_DEVICE_SELECT")
	case s.TF32 != "":
		return nil, fmt.Errorf("options: tf32: WebGPU has no such option; leave it out")
	case s.MemoryMB > 0:
		return nil, fmt.Errorf("options: gpu_memory_mb: WebGPU has no such option; leave it out")
	}
	o := map[string]string{"powerPreference": "high-performance"}
	if s.Graphs {
		o["enableGraphCapture"] = "1"
	}
	return o, nil
}

func flag(on bool) string {
	if on {
		return "1"
	}
	return "0"
}

func bytes(mb int) string { return strconv.FormatInt(int64(mb)*1e6, 10) }
