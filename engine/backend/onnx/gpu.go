package onnx

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	ort "github.com/yalue/onnxruntime_go"

	"sweetspot/engine"
	"sweetspot/engine/backend/onnx/provider"
	"sweetspot/engine/gpu"
	"sweetspot/engine/knob"
)

// GPUs says which GPUs a backend may use, and how. The zero value is none.
type GPUs struct {
	// Findings are the results of the probes, see TryProvider. Reason says why there are none.
	Findings []provider.Finding `json:"findings,omitempty"`
	Reason   string             `json:"reason,omitempty"`
	// Devices are the visible GPUs in CUDA's order; nil if they are not known. Then there is one.
	Devices []gpu.Device `json:"devices,omitempty"`
	// EngineDir is the folder in which TensorRT keeps its engines; "" is none.
	EngineDir string `json:"engine_dir,omitempty"`
}

// Why says why no GPU is usable; "" if one is.
func (g GPUs) Why() string {
	if len(g.Findings) == 0 {
		if g.Reason == "" {
			return "gpu is not available: nothing has looked for a GPU"
		}
		return g.Reason
	}
	if _, err := provider.Choose(g.Findings, ""); err != nil {
		for _, f := range g.Findings {
			if f.Usable {
				return ""
			}
		}
		return err.Error()
	}
	return ""
}

// Places returns where ONNX models can run; nil if only on the CPU.
func (g GPUs) Places() []knob.Place {
	if g.Why() != "" {
		return nil
	}
	out := []knob.Place{{Device: "cpu", Precision: knob.FullPrecision}, {Device: "cpu", Precision: knob.HalfPrecision}, {Device: "gpu", Precision: knob.FullPrecision}}
	for _, f := range g.Findings {
		if f.Usable && f.Half {
			return append(out, knob.Place{Device: "gpu", Precision: knob.HalfPrecision})
		}
	}
	return out
}

// NoPlaces returns why ONNX models run on the GPU in FP32 only; nil if they run in FP16 too, or not at all.
func (g GPUs) NoPlaces() []knob.NoPlace {
	if g.Why() != "" {
		return nil
	}
	var why []string
	for _, f := range g.Findings {
		switch {
		case f.Usable && f.Half:
			return nil
		case f.Usable:
			why = append(why, f.HalfWhy+" ("+string(f.Provider)+")")
		}
	}
	return []knob.NoPlace{{Device: "gpu", Precision: knob.HalfPrecision, Why: strings.Join(why, "; ")}}
}

// Fixed returns the knobs that a backend with these GPUs cannot change, each with the reason.
func (g GPUs) Fixed() map[knob.Name]string {
	if why := g.Why(); why != "" {
		return map[knob.Name]string{knob.Device: why}
	}
	return nil
}

// placement divides the sessions of a backend among its GPUs, and knows their memory.
type placement struct {
	gpus   GPUs
	placer gpu.Placer
	free   func(number int) (bytes int64, ok bool) // free memory of a visible GPU; nil if nothing reports it

	mu    sync.Mutex
	bytes map[int]int64 // estimated, of the open sessions, by GPU
}

// UseGPUs sets the GPUs. It must be called before the first Open.
func (b *Backend) UseGPUs(g GPUs) { b.place.gpus = g }

// UseFreeMemory sets what reads the free memory of a visible GPU in bytes; ok is false where the driver does not report it. It
// must be called before the first Open, and free may be called by several goroutines.
func (b *Backend) UseFreeMemory(free func(number int) (bytes int64, ok bool)) { b.place.free = free }

// GPUs returns the GPUs of UseGPUs.
func (b *Backend) GPUs() GPUs { return b.place.gpus }

// Placed returns how many open sessions each visible GPU has.
func (b *Backend) Placed() []int { return b.place.placer.Workers(max(1, len(b.place.gpus.Devices))) }

// onGPU is where a session runs; nil is the CPU.
type onGPU struct {
	finding provider.Finding
	number  int // of the GPU, as CUDA counts
	bytes   int64
	place   *placement
}

// isCPU reports whether the device is the CPU.
func isCPU(device string) bool { return device == "" || device == "cpu" }

// choose returns the provider for c and the numbers of the GPUs that its device names.
func (p *placement) choose(c knob.Config) (provider.Finding, []int, error) {
	if len(p.gpus.Findings) == 0 {
		return provider.Finding{}, nil, fmt.Errorf("device: %s", p.gpus.Why())
	}
	f, err := provider.Choose(p.gpus.Findings, provider.Name(c.Provider))
	if err != nil {
		return f, nil, fmt.Errorf("device: %w", err)
	}
	if c.Precision == knob.HalfPrecision && !f.Half {
		return f, nil, fmt.Errorf("precision: fp16 does not run with %s on this GPU: %s", f.Provider, f.HalfWhy)
	}
	if f.Provider == provider.WebGPU {
		if _, id, named := strings.Cut(c.Device, ":"); named && id != "0" {
			return f, nil, errors.New("device: WebGPU chooses its GPU itself: use gpu, or hide the others from the Vulkan loader with VK_LOADER_DEVICE_SELECT")
		}
		return f, []int{0}, nil
	}
	devices := p.gpus.Devices
	if devices == nil {
		devices = []gpu.Device{{}}
	}
	among, err := gpu.Choose(devices, c.Device)
	return f, among, err
}

// checkGPU reports what of c the GPUs cannot do.
func (b *Backend) checkGPU(c knob.Config) error {
	f, among, err := b.place.choose(c)
	if err != nil {
		return err
	}
	if len(among) > 1 && c.Session == "shared" {
		return fmt.Errorf("options: session: one session is on one GPU, and %s names %d: leave session out, or choose one with gpu:N", c.Device, len(among))
	}
	if c.CUDAGraphs && f.Provider != provider.TensorRT {
		return errGraphs
	}
	_, err = provider.Options(f.Provider, b.place.settings(c, among[0]))
	return err
}

// errGraphs is why graphs are refused. With them ONNX Runtime replays the operations of the first run
// from then on, with the inputs, the shapes and the outputs of that run, unless they are in memory of
// the GPU at an address that does not change.
var errGraphs = errors.New("options: cuda_graphs: this program gives ONNX Runtime its inputs in the memory of the CPU, and ONNX Runtime would replay the first batch again and again; leave it out, or use provider tensorrt")

// settings returns what the options of a provider depend on.
func (p *placement) settings(c knob.Config, number int) provider.Settings {
	return provider.Settings{Device: number, TF32: c.TF32, Graphs: c.CUDAGraphs, MemoryMB: c.GPUMemoryMB, EngineDir: p.gpus.EngineDir}
}

// take chooses the GPU of a session of m. The caller must release it.
func (b *Backend) take(m *engine.Model, c knob.Config) (*onGPU, error) {
	if isCPU(c.Device) {
		return nil, nil
	}
	f, among, err := b.place.choose(c)
	if err != nil {
		return nil, err
	}
	one := c
	one.Workers = 1
	g := &onGPU{finding: f, number: b.place.placer.Take(among), bytes: b.Estimate(m, one), place: &b.place}
	b.place.add(g.number, g.bytes)
	return g, nil
}

func (p *placement) add(number int, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bytes == nil {
		p.bytes = map[int]int64{}
	}
	p.bytes[number] += bytes
}

// release gives the GPU back.
func (g *onGPU) release() {
	if g != nil {
		g.place.placer.Release(g.number)
		g.place.add(g.number, -g.bytes)
	}
}

// text says where a session is: "gpu:1 (cuda)".
func (g *onGPU) text() string {
	if g == nil {
		return "cpu"
	}
	return fmt.Sprintf("gpu:%d (%s)", g.number, g.finding.Provider)
}

// CheckReload reports whether the sessions of c fit into the memory of the GPUs that is free now: the open sessions
// keep serving and keep theirs until the new ones are warm. Where the driver does not report what is free, all the memory but the estimate
// of the open sessions counts as free. Estimates are lower bounds, so that only what would certainly fail is refused.
func (b *Backend) CheckReload(m *engine.Model, c knob.Config) error {
	if isCPU(c.Device) || c.Workers == 0 {
		return nil
	}
	_, among, err := b.place.choose(c)
	if err != nil {
		return err
	}
	sessions := 1
	if !b.isShared(c) {
		sessions = c.Workers
	}
	one := c
	one.Workers = (c.Workers + sessions - 1) / sessions
	each := b.Estimate(m, one)
	if limit := int64(c.GPUMemoryMB) * 1e6; limit > 0 && each > limit {
		return fmt.Errorf("not enough memory: a session needs at least %d MB, and gpu_memory_mb allows %d MB", each/1e6, c.GPUMemoryMB)
	}
	perGPU := (int64(sessions) + int64(len(among)) - 1) / int64(len(among))
	for _, n := range among {
		if err := b.place.checkMemory(n, perGPU*each); err != nil {
			return fmt.Errorf("not enough memory: %s %w; use fewer workers or smaller batches", c.Settings, err)
		}
	}
	return nil
}

// A process that has just ended, such as the engine of the settings before, gives its memory back a little later. So what does
// not fit is looked at again, freeReads times in all.
const (
	freeReads = 4
	freePause = 250 * time.Millisecond
)

// checkMemory reports whether need bytes fit into the memory of a visible GPU.
func (p *placement) checkMemory(number int, need int64) error {
	if number >= len(p.gpus.Devices) || p.gpus.Devices[number].Memory <= 0 {
		return nil
	}
	d := p.gpus.Devices[number]
	p.mu.Lock()
	open := p.bytes[number]
	p.mu.Unlock()
	const mb = 1e6
	for read := 1; p.free != nil; read++ {
		free, known := p.free(number)
		switch {
		case !known:
		case need <= free:
			return nil
		case read < freeReads:
			time.Sleep(freePause)
			continue
		default:
			return fmt.Errorf("needs at least %.0f MB on gpu:%d (%s), which has %.0f MB free of %.0f MB; its open sessions have at least %.0f MB and keep serving meanwhile",
				float64(need)/mb, number, d.Name, float64(free)/mb, float64(d.Memory)/mb, float64(open)/mb)
		}
		break
	}
	if need+open > d.Memory {
		return fmt.Errorf("needs at least %.0f MB on gpu:%d (%s) beside the %.0f MB of the sessions there, and it has %.0f MB (what is free is not reported)",
			float64(need)/mb, number, d.Name, float64(open)/mb, float64(d.Memory)/mb)
	}
	return nil
}

// isShared reports whether one session serves all workers of c.
func (b *Backend) isShared(c knob.Config) bool {
	if !isShared(c) || isCPU(c.Device) {
		return isShared(c)
	}
	_, among, err := b.place.choose(c)
	return err != nil || len(among) == 1
}

// append adds the provider of a GPU to the options of a session. The CPU's provider follows it by
// itself, for the operators that the GPU's lacks.
func (g *onGPU) append(o *ort.SessionOptions, c knob.Config) error {
	if g == nil {
		return nil
	}
	options, err := provider.Options(g.finding.Provider, g.place.settings(c, g.number))
	if err != nil {
		return err
	}
	return appendProvider(o, g.finding.Provider, options)
}

func appendProvider(o *ort.SessionOptions, n provider.Name, options map[string]string) error {
	switch n {
	case provider.CUDA:
		cuda, err := ort.NewCUDAProviderOptions()
		if err != nil {
			return err
		}
		defer cuda.Destroy()
		if err := cuda.Update(options); err != nil {
			return err
		}
		return o.AppendExecutionProviderCUDA(cuda)
	case provider.TensorRT:
		trt, err := ort.NewTensorRTProviderOptions()
		if err != nil {
			return err
		}
		defer trt.Destroy()
		if err := trt.Update(options); err != nil {
			return err
		}
		return o.AppendExecutionProviderTensorRT(trt)
	}
	return o.AppendExecutionProvider("WebGPU", options)
}
