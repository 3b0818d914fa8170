package trial

import (
	"time"

	"sweetspot/engine/knob"
)

// Probe is a short measurement of one batch's service time, with all workers
// busy and without a promise to keep: what predictions start from.
type Probe struct {
	N         int           `json:"n"` // 1, 2, 3 ... in the profile, counted apart from trials
	At        time.Time     `json:"at"`
	Settings  knob.Settings `json:"settings"`
	BatchSize int           `json:"batch_size"` // items in the batches that were timed
	Runs      int           `json:"runs"`       // batches timed
	ServiceTime   ServiceTime       `json:"service_ms"`
	Seconds   float64       `json:"seconds,omitempty"` // that the probe took, the change of settings before it included
	Error     string        `json:"error,omitempty"`   // why it was not measured
}

// Service is how long the batches of a probe took, in ms.
type ServiceTime struct {
	Median  Num `json:"median"`
	Low     Num `json:"low"`              // of an interval for the median
	High    Num `json:"high"`             // of an interval for the median
	Fastest Num `json:"fastest,omitzero"` // the shortest of all; profiles from before it was kept have none
	Spread  Num `json:"spread,omitzero"`  // their standard deviation as a share of the median, by the quartiles; likewise
}

// History is what a sweep has found so far, in the order in which it was found.
// Who is handed one reads it only.
type History struct {
	Trials []Trial
	Probes []Probe
}

// Rate is about how many answers a second the model gives at most: as its probes
// say, with all workers at full batches, or where nothing was probed the most
// that a trial did. It is 0 where nobody knows.
func (h History) MaxRate() float64 {
	most := 0.0
	for _, p := range h.Probes {
		if ms, ok := p.ServiceTime.Median.Get(); ok && ms > 0 && p.Error == "" {
			most = max(most, float64(p.Settings.Workers*p.BatchSize)/ms*1000)
		}
	}
	if most > 0 {
		return most
	}
	for _, t := range h.Trials {
		most = max(most, t.Throughput.Value.Or(0))
	}
	return most
}

// Predicted is what was expected of a trial before it was run, to be compared
// with what it measured.
type Predicted struct {
	ThroughputRPS Num `json:"throughput_rps"`
	ValueMS       Num `json:"value_ms"`    // the promise's percentile
	HighestRPS    Num `json:"highest_rps"` // the highest rate that keeps the promise, where that was asked
}
