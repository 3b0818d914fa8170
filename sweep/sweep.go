// Package sweep runs a plan: a [Strategy] chooses the next settings, a [Target] applies
// and measures them, a [Recorder] writes the results, and a [Runner] combines the three
// and ranks the trials.
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

// Info describes a target: its model, its knobs, and the metrics that it reports. Limits
// has the target's own knobs, and those of the seven whose values it does not report.
type Info struct {
	Model   ModelInfo            `json:"model"`
	Limits  knob.Limits          `json:"-"`
	Options knob.Options         `json:"options"` // in force
	Current knob.Settings        `json:"settings"`
	Metrics trial.MetricSet      `json:"tells"`
	Machine string               `json:"machine,omitempty"` // a name for people, such as "gpu-box:8000"; "" is this machine
	Cores   int                  `json:"cores"`             // 0 is unknown
	Memory  int                  `json:"memory_mb"`         // 0 is unknown
	Runtime string               `json:"runtime"`           // "onnxruntime 1.27.0 cpu"
	Fixed   map[knob.Name]string `json:"fixed,omitempty"`   // knobs that cannot be changed, with the reasons
	MaxRate float64              `json:"-"`                 // most requests per second that the target may get; 0 is no limit

	Notes      []string `json:"-"` // what people should know about the settings of the start
	MetricsWhy string   `json:"-"` // why metrics that such a target can report are not read; "" if they are
}

// Knobs returns all knobs of the target: the seven, then its own.
func (i Info) Knobs() knob.Table { return i.Limits.Table() }

// ModelInfo describes the model that a target serves.
type ModelInfo struct {
	Name      string        `json:"name"`
	Version   string        `json:"version"`
	Source    string        `json:"source"`
	SHA256    string        `json:"sha256"`
	BatchAxis bool          `json:"batch_axis"`
	BatchWhy  string        `json:"batch_why"`
	Inputs    []tensor.Spec `json:"inputs"`
	Outputs   []tensor.Spec `json:"outputs"`

	Backend string `json:"backend,omitempty"` // what runs it here: onnx, python or simulated; "" is unknown
	Handler string `json:"handler,omitempty"` // of its archive; "" if it is no archive

	Images         string `json:"images,omitempty"`           // how image files become the inputs; "" if none is an image
	LargestBody    int64  `json:"largest_body,omitempty"`     // bytes of the largest request body; 0 is unknown
	MaxRequestSize int64  `json:"max_request_size,omitempty"` // bytes that the server was told to take; 0 if it was not
	Padding        string `json:"padding,omitempty"`          // how rows of different lengths are padded, or why not
	Made           string `json:"-"`                          // how made requests are sent, for people; "" if Inputs says it
	Lengths        string `json:"lengths,omitempty"`          // sizes of made requests in open dimensions, for people
	BodiesSHA256   string `json:"bodies_sha256,omitempty"`    // of the bodies of --input, hex; "" for made requests

	Warnings []string `json:"warnings,omitempty"` // what people should know about the model

	// Bodies says which lengths the requests have; nil where that is not known, or the model
	// has no open dimension, or more than one length.
	Bodies *BodyLengths `json:"-"`
}

// BodyLengths are the lengths of the bodies that a target sends, and how it runs them.
type BodyLengths struct {
	Lengths []int64 // by the index of the body
	Padded  bool
	Buckets []int64
}

// BatchAxisKnown reports whether the target says if the model has a batch axis: one without must have
// a reason in BatchWhy.
func (m ModelInfo) BatchAxisKnown() bool { return m.BatchAxis || m.BatchWhy != "" }

// Step is one part of an apply.
type Step struct {
	What   string        `json:"what"`
	Took   time.Duration `json:"-"`
	TookMS float64       `json:"ms"`
}

// Applied is the result of an apply.
type Applied struct {
	Settings knob.Settings // in force now
	Options  *knob.Options // in force now; nil if they never change
	Died     error         // not nil if the engine had died and was started again before; wraps ErrEngineDied
	Fresh    bool          // the server, or a worker of it, has had no load since its start
	Took     time.Duration
	Steps    []Step
}

// Stop is called after each block of a measurement with all samples so far. It returns
// true to end the measurement. why, if not empty, becomes the reason of the verdict.
type Stop func(elapsed time.Duration, samples []load.Sample) (stop bool, why string)

// Target is a model server whose settings a sweep changes and measures. It may be used by
// one goroutine at a time.
type Target interface {
	Info(ctx context.Context) (Info, error)
	// Apply applies s. After an error the settings before it are in force.
	Apply(ctx context.Context, s knob.Settings) (Applied, error)
	// Measure runs the load until m.Stop returns true or a limit of m is reached, and returns
	// the result with the verdict about m.SLA.
	Measure(ctx context.Context, m Measurement) (trial.Result, error)
	// Close restores the settings that the target had before the sweep and releases it.
	Close(ctx context.Context) error
}

// Measurement has the arguments of Measure.
type Measurement struct {
	Load load.Spec
	Seed uint64
	SLA  trial.SLA     // the SLA of the verdict
	Max  int           // largest number of requests; 0 is no limit
	Time time.Duration // longest duration; 0 is 60 s
	Stop Stop
	// FreshServer requires a newly started server, whose memory has only been used with the
	// settings in force.
	FreshServer bool
	// Progress, if not nil, is called after each block.
	Progress func(elapsed time.Duration, samples []load.Sample)
}

// Recorder writes the results of a sweep. Each method returns when the line is on disk.
type Recorder interface {
	Probe(trial.Probe) error
	Trial(trial.Trial) error
	Event(trial.Event) error
	Choice(trial.Choice) error
}

// Strategy chooses the next settings from the results so far. It is used by one goroutine
// and reads no clock.
type Strategy interface {
	// Next returns the next point, or false if there are no more. The result of a point with
	// trial.RoleProbe will be one of the probes, with an Error if it could not be measured;
	// that of every other point one of the trials.
	Next(found trial.History) (plan.Point, bool)
	// Left estimates the number of remaining points, for progress and remaining time.
	Left() int
}

// Stage is a stage of the measurement of a point.
type Stage string

// The stages of a point.
const (
	StageApply   Stage = "apply"
	StageWarmUp  Stage = "warm-up"
	StageMeasure Stage = "measure"
)

// Current is the point that is being measured, for progress lines and screens.
type Current struct {
	N       int // number of the trial or probe
	Point   plan.Point
	Stage   Stage
	Elapsed time.Duration // in this stage
	Limit   time.Duration // longest duration of this stage, 0 if unknown
	Answers int
	Silent  time.Duration // since the last answer; 0 while that may be as it should
	RPS     trial.Num
	P99MS   trial.Num
}
