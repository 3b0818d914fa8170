// Package sweep runs a plan: a [Strategy] names the next settings, a [Target]
// applies and measures them, a [Recorder] keeps what was found, and a [Runner]
// joins the three and ranks the trials. Screen and headless printer only read.
package sweep

import (
	"context"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/engine/tensor"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// Info is what a target is, what it can turn and what it tells. A target with knobs of
// its own, or one that does not tell the values of all seven, says so in its Limits.
type Info struct {
	Model   ModelInfo            `json:"model"`
	Limits  knob.Limits          `json:"-"`
	Options knob.Options         `json:"options"` // in force
	Current knob.Settings        `json:"settings"`
	Metrics   trial.MetricSet          `json:"tells"`
	Machine string               `json:"machine,omitempty"` // "" is this one, else what people call it: "gpu-box:8000"
	Cores   int                  `json:"cores"`             // 0 is not known
	Memory  int                  `json:"memory_mb"`         // likewise
	Runtime string               `json:"runtime"`           // "onnxruntime 1.27.0 cpu"
	Fixed   map[knob.Name]string `json:"fixed,omitempty"`   // knobs it cannot turn, with the reason
}

// Knobs are all that the target has: the seven, then its own.
func (i Info) Knobs() knob.Table { return i.Limits.Table() }

// ModelInfo describes the model a target serves.
type ModelInfo struct {
	Name      string        `json:"name"`
	Version   string        `json:"version"`
	Source    string        `json:"source"`
	SHA256    string        `json:"sha256"`
	BatchAxis bool          `json:"batch_axis"`
	BatchWhy  string        `json:"batch_why"`
	Inputs    []tensor.Spec `json:"inputs"`
	Outputs   []tensor.Spec `json:"outputs"`
}

// Step is one part of an apply.
type Step struct {
	What   string        `json:"what"`
	Took   time.Duration `json:"-"`
	TookMS float64       `json:"ms"`
}

// Applied is what an apply did.
type Applied struct {
	Settings knob.Settings // in force now
	Died     error         // the engine had died and was started again first; wraps ErrEngineDied
	Took     time.Duration
	Steps    []Step
}

// Stop is asked after each block of a measurement with all samples so far; true
// ends it. why, when not empty, goes into the verdict.
type Stop func(elapsed time.Duration, samples []load.Sample) (stop bool, why string)

// Target is what a sweep drives. One goroutine uses it at a time.
type Target interface {
	Info(ctx context.Context) (Info, error)
	// Apply puts s in force. After an error the settings before it are in force.
	Apply(ctx context.Context, s knob.Settings) (Applied, error)
	// Measure runs the load until stop says so and returns what it saw, with
	// figures and warnings but without a verdict.
	Measure(ctx context.Context, m Measurement) (trial.Result, error)
	// Close restores what the target found and frees it.
	Close(ctx context.Context) error
}

// Measurement is what Measure does.
type Measurement struct {
	Load load.Spec
	Seed uint64
	SLA  trial.SLA     // the promise the result is judged by
	Max  int           // most requests; 0 is no limit
	Time time.Duration // longest duration; 0 is 60 s
	Stop Stop
	// OwnMemory wants the result's memory to be that of the settings in force, and
	// of none before them, whatever that costs: a fresh server.
	FreshServer bool
	// Progress, when not nil, is called after each block.
	Progress func(elapsed time.Duration, samples []load.Sample)
}

// Recorder keeps a sweep. Each call returns when the line is on disk.
type Recorder interface {
	Probe(trial.Probe) error
	Trial(trial.Trial) error
	Event(trial.Event) error
	Choice(trial.Choice) error
}

// Strategy decides the next settings from what was found so far. It is used by
// one goroutine and keeps no clock.
type Strategy interface {
	// Next returns the next point, or false when nothing is left to try. What
	// becomes of a point with trial.RoleProbe is found among the probes, with an
	// Error where it could not be measured; of every other among the trials.
	Next(found trial.History) (plan.Point, bool)
	// Left estimates how many points are still to come, for progress and ETA.
	Left() int
}

// Stage is what is being done with a point.
type Stage string

// The stages of a point.
const (
	StageApply   Stage = "apply"
	StageMeasure Stage = "measure"
)

// Current is the point under way, for progress lines and screens.
type Current struct {
	N       int // the trial's number
	Point   plan.Point
	Stage   Stage
	Elapsed time.Duration // in this stage
	Limit   time.Duration // longest duration of this stage, 0 if unknown
	Answers int
	RPS     trial.Num
	P99MS   trial.Num
}
