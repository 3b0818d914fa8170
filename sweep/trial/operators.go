package trial

import (
	"time"

	"sweetspot/engine/knob"
)

// Bare is the throughput of a model without the engine's queue, batching and protocol:
// all workers run full batches all the time. It is an upper bound of the throughput of
// serving the model with these settings.
type Bare struct {
	Settings  knob.Settings `json:"settings"`
	RPS       Num           `json:"rps"`     // rows per second, of all workers together
	Workers   int           `json:"workers"` // number of workers that ran
	BatchSize int           `json:"batch_size"`
	Runs      int           `json:"runs"`   // counted runs of all workers
	RunMS     Num           `json:"run_ms"` // median time of one run, while the other workers run too
}

// AppliesTo reports whether b is the bare rate of s too: delay and queue size do not change it.
func (b Bare) AppliesTo(s knob.Settings) bool {
	s.BatchDelay, s.QueueSize = b.Settings.BatchDelay, b.Settings.QueueSize
	return s == b.Settings
}

// BareShare returns the throughput as a share of the bare rate; it is missing if one of them is.
func (r Result) BareShare() Num {
	rate, ok := r.Throughput.Value.Get()
	bare, okBare := r.BareRPS.Get()
	if !ok || !okBare {
		return Num{}
	}
	return NumOf(rate / bare)
}

// Operators has the time of a run by type of operator, largest share first. Timing
// each operator takes time, so that short operators appear longer than they are.
type Operators struct {
	At        time.Time     `json:"at"`
	Settings  knob.Settings `json:"settings"`
	Options   knob.Options  `json:"options"`
	Runs      int           `json:"runs"`       // counted runs
	BatchSize int           `json:"batch_size"` // rows in each run
	RunMS     Num           `json:"run_ms"`     // time of all operators of one run
	Operators []Operator    `json:"operators"`
}

// Operator is one type of operator as the runtime executes it. The runtime may have
// fused several operators of the model into one.
type Operator struct {
	Name  string  `json:"name"`
	Share float64 `json:"share"` // of RunMS, 0 to 1
	MS    Num     `json:"ms"`    // in one run
	Calls int     `json:"calls"` // in one run
}
