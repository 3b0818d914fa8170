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
	Service   Service       `json:"service_ms"`
	Error     string        `json:"error,omitempty"` // why it was not measured
}

// Service is how long the batches of a probe took, in ms.
type Service struct {
	Median Num `json:"median"`
	Low    Num `json:"low"`  // of an interval for the median
	High   Num `json:"high"` // of an interval for the median
}

// History is what a sweep has found so far, in the order in which it was found.
// Who is handed one reads it only.
type History struct {
	Trials []Trial
	Probes []Probe
}

// Predicted is what was expected of a trial before it was run, to be compared
// with what it measured.
type Predicted struct {
	ThroughputRPS Num `json:"throughput_rps"`
	ValueMS       Num `json:"value_ms"`    // the promise's percentile
	HighestRPS    Num `json:"highest_rps"` // the highest rate that keeps the promise, where that was asked
}
