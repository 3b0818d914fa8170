// Package onnx is the backend that executes ONNX models with ONNX Runtime, on the CPU and on the GPUs
// of this machine.
//
// [New] loads the shared library once per process and returns the [Backend]; its Open loads
// a model for a pool of workers. By default all workers share one session, which is as fast
// as one session each and needs less memory.
//
// A session accepts batches of any size. It copies the items of a batch into one reused
// buffer, and splits the outputs by item. Several goroutines may use it concurrently. Its
// Close waits for runs in flight, because ONNX Runtime crashes the process if a session is
// destroyed during a run.
//
// On a GPU a session is one of an execution provider: CUDA, TensorRT or WebGPU. [TryProvider] probes
// which are usable, in a child process, and [Backend.UseGPUs] sets the result. Each session is on one
// GPU; with several GPUs each worker has a session of its own, and they are divided among the GPUs.
//
// [Isolated] probes model files in a child process, because ONNX Runtime ends the process for
// some; the child calls ServeProbe.
//
// With precision fp16, package fp16 converts the model in memory; its inputs and outputs do
// not change.
//
// Only this package and the GPU monitor call C. ONNX Runtime may write to the standard error
// of the process, although it is configured to be silent. Therefore a program with a screen
// runs this package in a child process.
package onnx

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	ort "github.com/yalue/onnxruntime_go"

	"sweetspot/engine"
	"sweetspot/engine/cores"
	"sweetspot/engine/knob"
)

// supportedOptions are the options that this backend supports, gpuOptions those that it supports where a GPU is
// usable.
var (
	supportedOptions = []string{"session", "spin", "pin", "graph", "inter_op", "arena"}
	gpuOptions       = []string{"tf32", "cuda_graphs", "provider", "gpu_memory_mb"}
)

// initMu guards the global state of the wrapper package.
var initMu sync.Mutex

// Backend opens ONNX models. It is safe for concurrent use and exists until the process
// ends.
type Backend struct {
	version string
	cores   int
	log     *slog.Logger
	fp16    fp16Cache
	pins    cores.Pins
	place   placement
}

// New loads the ONNX Runtime library at path and initializes it. cores is the number of the
// container's cores: no model gets more threads, and threads spin only if each has a core. A
// process loads one library: a second New returns another Backend that uses it, or an error
// if path is another release.
func New(path string, cores int, log *slog.Logger) (*Backend, error) {
	version, err := libraryVersion(path)
	if err != nil {
		return nil, err
	}
	if err := checkVersion(path, version); err != nil {
		return nil, err
	}
	initMu.Lock()
	defer initMu.Unlock()
	if ort.IsInitialized() {
		if got := ort.GetVersion(); got != version {
			return nil, fmt.Errorf("%s is ONNX Runtime %s, but this process already runs %s", path, version, got)
		}
	} else {
		singleHeap()
		ort.SetSharedLibraryPath(path)
		if err := ort.InitializeEnvironment(ort.WithLogLevelFatal()); err != nil {
			return nil, fmt.Errorf("start ONNX Runtime from %s: %s", path, oneLine(err))
		}
		log.Info("onnx runtime loaded", "path", path, "version", version)
	}
	return &Backend{version: version, cores: cores, log: log}, nil
}

// Runtime returns the name of the runtime with its usable providers: "onnxruntime 1.27.0 cpu",
// "onnxruntime 1.27.0 cpu cuda".
func (b *Backend) Runtime() string {
	var text strings.Builder
	text.WriteString("onnxruntime " + b.version + " cpu")
	for _, f := range b.place.gpus.Findings {
		if f.Usable {
			text.WriteString(" " + string(f.Provider))
		}
	}
	return text.String()
}

// Spins returns true: spinning is faster if every thread has a core.
func (b *Backend) Spins() bool { return true }

// Check rejects settings whose batches no session could run.
func (b *Backend) Check(m *engine.Model, c knob.Config) error {
	if _, err := newPlan(m, max(1, c.BatchSize)); err != nil {
		return fmt.Errorf("the model cannot be served: %w", err)
	}
	return nil
}

// Open loads m. It refuses settings that this backend does not support, because ignoring
// them would measure something else.
func (b *Backend) Open(ctx context.Context, m *engine.Model, c knob.Config) (engine.Session, error) {
	s, err := b.open(ctx, m, c, "")
	if err != nil {
		return nil, err
	}
	return s, nil
}

// open loads m. If profile is not empty, the runtime writes a profile to a file whose path
// starts with it.
func (b *Backend) open(ctx context.Context, m *engine.Model, c knob.Config, profile string) (*session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := b.checkSettings(c); err != nil {
		return nil, err
	}
	p, err := newPlan(m, max(1, c.BatchSize))
	if err != nil {
		return nil, fmt.Errorf("the model cannot be served: %w", err)
	}
	s := newSession(p, c, b.log)
	s.shared = b.isShared(c)
	if s.gpu, err = b.take(m, c); err != nil {
		return nil, err
	}
	if err := b.pin(s, c); err != nil {
		s.gpu.release()
		return nil, err
	}
	if err := b.loadSession(s, m, c, profile); err != nil {
		s.unpin()
		s.gpu.release()
		return nil, err
	}
	b.log.Debug("onnx session opened", "model", m.Name, "on", s.gpu.text(), "precision", c.Precision, "threads", c.Threads, "session", c.Session, "graph", c.Graph)
	return s, nil
}

// loadSession loads m into s.
func (b *Backend) loadSession(s *session, m *engine.Model, c knob.Config, profile string) error {
	options, err := b.options(c, s.cores())
	if err != nil {
		return fmt.Errorf("session options: %s", oneLine(err))
	}
	defer options.Destroy()
	if err := s.gpu.append(options, c); err != nil {
		return fmt.Errorf("%s: %s", s.gpu.text(), oneLine(err))
	}
	if profile != "" {
		if err := options.EnableProfiling(profile); err != nil {
			return fmt.Errorf("session options: %s", oneLine(err))
		}
	}
	if s.run, s.converted, err = b.load(m, c, s.plan, options); err != nil {
		return fmt.Errorf("the model cannot be loaded: %w", err)
	}
	return nil
}

// checkSettings reports every setting that this backend does not support.
func (b *Backend) checkSettings(c knob.Config) error {
	var errs []error
	supported := supportedOptions
	if b.place.gpus.Why() == "" {
		supported = append(supported[:len(supported):len(supported)], gpuOptions...) // without effect on the CPU
	}
	if err := c.CheckSupported(supported...); err != nil {
		errs = append(errs, err)
	}
	if !isCPU(c.Device) {
		if err := b.checkGPU(c); err != nil {
			errs = append(errs, err)
		}
	}
	if c.Threads < 1 || c.Threads > b.cores {
		errs = append(errs, fmt.Errorf("threads: %d is outside 1-%d, the cores of this machine", c.Threads, b.cores))
	}
	if err := b.checkPin(c); err != nil {
		errs = append(errs, err)
	}
	for _, name := range knob.OptionNames() {
		if err := c.Invalid()[name]; err != nil {
			errs = append(errs, fmt.Errorf("options: %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// options returns the runtime's session options for c; the caller must destroy them. cores are
// those of a pinned session.
func (b *Backend) options(c knob.Config, cores []int) (*ort.SessionOptions, error) {
	o, err := ort.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	spin := "0"
	if b.spins(c) {
		spin = "1"
	}
	err = errors.Join(
		o.SetLogSeverityLevel(ort.LoggingLevelFatal),
		o.SetIntraOpNumThreads(c.Threads),
		o.SetInterOpNumThreads(max(1, c.InterOp)),
		o.SetExecutionMode(executionMode(c)),
		o.SetCpuMemArena(c.Arena != "off"),
		o.SetGraphOptimizationLevel(graphLevel(c.Graph)),
		o.AddSessionConfigEntry("session.intra_op.allow_spinning", spin),
	)
	if text := affinities(cores); text != "" {
		err = errors.Join(err, o.AddSessionConfigEntry("session.intra_op_thread_affinities", text))
	}
	if err != nil {
		o.Destroy()
		return nil, err
	}
	return o, nil
}

// executionMode returns the execution mode: parallel operators only if c has several inter-op
// threads.
func executionMode(c knob.Config) ort.ExecutionMode {
	if c.InterOp > 1 {
		return ort.ExecutionModeParallel
	}
	return ort.ExecutionModeSequential
}

// spins decides whether threads spin while they wait for work. That is faster if every thread
// has a core, and else halves the throughput.
func (b *Backend) spins(c knob.Config) bool {
	if c.Spin != "" {
		return c.Spin == "on"
	}
	return c.Workers*c.Threads <= b.cores
}

func graphLevel(name string) ort.GraphOptimizationLevel {
	switch name {
	case "off":
		return ort.GraphOptimizationLevelDisableAll
	case "basic":
		return ort.GraphOptimizationLevelEnableBasic
	case "extended":
		return ort.GraphOptimizationLevelEnableExtended
	}
	return ort.GraphOptimizationLevelEnableAll
}
