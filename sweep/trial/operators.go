package trial

import (
	"time"

	"sweetspot/engine/knob"
)

// Bare is what a model alone does with some settings: all its workers run full
// batches at the same time, one behind the other, without queue, batching and
// protocol. It is the most that serving it can reach.
type Bare struct {
	Settings  knob.Settings `json:"settings"`
	RPS       Num           `json:"rps"`     // items a second, of all workers together
	Workers   int           `json:"workers"` // that ran
	BatchSize int           `json:"batch_size"`
	Runs      int           `json:"runs"`   // that were counted, of all workers
	RunMS     Num           `json:"run_ms"` // of one run, beside those of the other workers
}

// Holds tells whether b is of settings like s: delay and queue change nothing.
func (b Bare) AppliesTo(s knob.Settings) bool {
	s.BatchDelay, s.QueueSize = b.Settings.BatchDelay, b.Settings.QueueSize
	return s == b.Settings
}

// BareShare is how much of the bare rate was served, 1 for all of it; not
// measured without one.
func (r Result) BareShare() Num {
	rate, ok := r.Throughput.Value.Get()
	bare, known := r.BareRPS.Get()
	if !ok || !known {
		return Num{}
	}
	return NumOf(rate / bare)
}

// Operators is where the time of a run goes, by type of operator, largest share
// first. The runtime times each operator, which makes short ones look longer
// than they are.
type Operators struct {
	At        time.Time     `json:"at"`
	Settings  knob.Settings `json:"settings"`
	Options   knob.Options  `json:"options"`
	Runs      int           `json:"runs"`       // that were counted
	BatchSize int           `json:"batch_size"` // items in each
	RunMS     Num           `json:"run_ms"`     // of all operators of one run
	Operators []Operator    `json:"operators"`
}

// Operator is one type of operator, as the runtime executes it: it may have
// fused several of the model's into one.
type Operator struct {
	Name  string  `json:"name"`
	Share float64 `json:"share"` // of RunMS, 0 to 1
	MS    Num     `json:"ms"`    // in one run
	Calls int     `json:"calls"` // likewise
}
