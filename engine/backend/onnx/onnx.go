// Package onnx is the backend that executes ONNX models on this machine's CPU
// with ONNX Runtime.
//
// [New] loads the shared library, once per process, and gives the [Backend];
// its Open loads a model for a pool of workers. One session serves them all
// unless the options ask for one each: it costs the same time and less memory.
//
// A session takes batches of any size, lays the items behind each other in a
// buffer that it keeps, and takes the outputs apart again. It may be used by
// several goroutines at once, and its Close waits for runs in flight: ONNX
// Runtime takes the whole process down when a session dies under a run.
//
// With precision fp16 a session runs the model's twin, which package fp16 makes in
// memory; inputs and outputs stay what they are.
//
// The package is the only one that calls C beside the GPU monitor. ONNX Runtime
// writes to the process's standard error by itself; it is told to be silent, but
// a program with a screen runs this package in a child process.
package onnx

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"

	ort "github.com/yalue/onnxruntime_go"

	"sweetspot/engine"
	"sweetspot/engine/knob"
	"sweetspot/engine/tensor"
)

// What this backend cannot do, in the words that people see.
const ReasonGPU = "gpu is not available on this engine yet: it runs ONNX models on the CPU"

// has are the options that this backend honours.
var has = []string{"session", "spin", "graph", "inter_op", "arena"}

// loading guards the wrapper's own state, of which a process has one.
var loading sync.Mutex

// Backend opens ONNX models. It is safe for concurrent use and lives as long as
// the process.
type Backend struct {
	version string
	cores   int
	log     *slog.Logger
	twins   twins
}

// New loads the ONNX Runtime library at path and starts it. cores is how many the
// container gives: no model gets more threads, and threads spin only where each
// has its core. A process holds one library: a second New gives another Backend on
// it, and an error if path is another release.
func New(path string, cores int, log *slog.Logger) (*Backend, error) {
	version, err := libraryVersion(path)
	if err != nil {
		return nil, err
	}
	if err := checkVersion(path, version); err != nil {
		return nil, err
	}
	loading.Lock()
	defer loading.Unlock()
	if ort.IsInitialized() {
		if got := ort.GetVersion(); got != version {
			return nil, fmt.Errorf("%s is ONNX Runtime %s, but this process already runs %s", path, version, got)
		}
	} else {
		oneHeap()
		ort.SetSharedLibraryPath(path)
		if err := ort.InitializeEnvironment(ort.WithLogLevelFatal()); err != nil {
			return nil, fmt.Errorf("start ONNX Runtime from %s: %s", path, oneLine(err))
		}
		log.Info("onnx runtime loaded", "path", path, "version", version)
	}
	return &Backend{version: version, cores: cores, log: log}, nil
}

// Runtime names what executes the models: "onnxruntime 1.27.0 cpu".
func (b *Backend) Runtime() string { return "onnxruntime " + b.version + " cpu" }

// Spins is true: where every thread has a core that is faster.
func (b *Backend) Spins() bool { return true }

// Check reports settings whose batches no session could run.
func (b *Backend) Check(m *engine.Model, c knob.Config) error {
	if _, err := newPlan(m, max(1, c.BatchSize)); err != nil {
		return fmt.Errorf("the model cannot be served: %w", err)
	}
	return nil
}

// Fixed names the knobs that this backend cannot turn, each with the reason.
func Fixed() map[knob.Name]string { return map[knob.Name]string{knob.Device: ReasonGPU} }

// Open loads m. It refuses settings that this backend cannot honour rather than
// measuring something else.
func (b *Backend) Open(ctx context.Context, m *engine.Model, c knob.Config) (engine.Session, error) {
	s, err := b.open(ctx, m, c, "")
	if err != nil {
		return nil, err
	}
	return s, nil
}

// open loads m, profiled into a file whose path starts with profile unless that
// is empty.
func (b *Backend) open(ctx context.Context, m *engine.Model, c knob.Config, profile string) (*session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := b.possible(c); err != nil {
		return nil, err
	}
	p, err := newPlan(m, max(1, c.BatchSize))
	if err != nil {
		return nil, fmt.Errorf("the model cannot be served: %w", err)
	}
	options, err := b.options(c)
	if err != nil {
		return nil, fmt.Errorf("session options: %s", oneLine(err))
	}
	defer options.Destroy()
	if profile != "" {
		if err := options.EnableProfiling(profile); err != nil {
			return nil, fmt.Errorf("session options: %s", oneLine(err))
		}
	}
	s := newSession(p, c)
	if s.run, s.note, err = b.load(m, c, options); err != nil {
		return nil, fmt.Errorf("the model cannot be loaded: %s", oneLine(err))
	}
	b.log.Debug("onnx session opened", "model", m.Name, "precision", c.Precision, "threads", c.Threads, "session", c.Session, "graph", c.Graph)
	return s, nil
}

// load hands the runtime the model, or its twin with what is to be said of it.
func (b *Backend) load(m *engine.Model, c knob.Config, o *ort.SessionOptions) (*ort.DynamicAdvancedSession, string, error) {
	in, out := specNames(m.Inputs), specNames(m.Outputs)
	data, note := m.Bytes, ""
	switch {
	case c.Precision == knob.HalfPrecision:
		t, err := b.twins.get(m)
		if err != nil {
			return nil, "", err
		}
		data, note = t.bytes, t.note
	case m.Path != "": // cheaper: the runtime does not need a copy of the bytes
		if st, err := os.Stat(m.Path); err == nil && st.IsDir() { // the runtime's own text misleads
			return nil, "", fmt.Errorf("%s is a folder", m.Path)
		}
		run, err := ort.NewDynamicAdvancedSession(m.Path, in, out, o)
		return run, "", err
	}
	run, err := ort.NewDynamicAdvancedSessionWithONNXData(data, in, out, o)
	return run, note, err
}

func specNames(specs []tensor.Spec) []string {
	out := make([]string, len(specs))
	for i, s := range specs {
		out[i] = s.Name
	}
	return out
}

// possible reports every setting that this backend lacks or does not know.
func (b *Backend) possible(c knob.Config) error {
	var errs []error
	if c.Device != "cpu" && c.Device != "" {
		errs = append(errs, errors.New(ReasonGPU))
	}
	if err := c.Only(has...); err != nil {
		errs = append(errs, err)
	}
	if c.Threads < 1 || c.Threads > b.cores {
		errs = append(errs, fmt.Errorf("threads: %d is outside 1-%d, the cores of this machine", c.Threads, b.cores))
	}
	for _, name := range knob.OptionNames() {
		if err := c.Faults()[name]; err != nil {
			errs = append(errs, fmt.Errorf("options: %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// options are the runtime's session options for c; the caller destroys them.
func (b *Backend) options(c knob.Config) (*ort.SessionOptions, error) {
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
		o.SetExecutionMode(order(c)),
		o.SetCpuMemArena(c.Arena != "off"),
		o.SetGraphOptimizationLevel(graphLevel(c.Graph)),
		o.AddSessionConfigEntry("session.intra_op.allow_spinning", spin),
	)
	if err != nil {
		o.Destroy()
		return nil, err
	}
	return o, nil
}

// order is how the operators of one run follow each other: side by side only where
// several threads are asked for.
func order(c knob.Config) ort.ExecutionMode {
	if c.InterOp > 1 {
		return ort.ExecutionModeParallel
	}
	return ort.ExecutionModeSequential
}

// spins decides whether the threads of a run wait for work by spinning. It is
// faster while every thread has its core, and halves the throughput when not.
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

// oneLine is the runtime's own text without line breaks and without the
// wrapper's prefixes, which say nothing that our words before it do not.
func oneLine(err error) string {
	text := strings.Join(strings.Fields(err.Error()), " ")
	for _, prefix := range []string{"Error creating C session from file: ", "Error creating C session: ", "Error running network: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	return strings.TrimSuffix(text, ".")
}
