package trial

import (
	"time"

	"sweetspot/engine/knob"
)

// Probe is a short measurement of the service time of one batch size while all workers
// execute batches. Predictions are calculated from probes. A probe has no verdict. Where service
// times are not reported, a probe may be one of the throughput under a closed load instead; it has Clients.
type Probe struct {
	N           int           `json:"n"` // 1, 2, 3 ... in the profile; trials have numbers of their own
	At          time.Time     `json:"at"`
	Settings    knob.Settings `json:"settings"`
	BatchSize   int           `json:"batch_size"` // rows in the measured batches
	Runs        int           `json:"runs"`       // number of measured batches
	ServiceTime ServiceTime   `json:"service_ms"`
	Lengths     *ProbeLengths `json:"lengths,omitempty"`       // nil unless requests of different lengths were sent
	Clients     int           `json:"clients,omitempty"`       // of a probe of the throughput, each of which waits for its answer; else 0
	Throughput  Num           `json:"throughput_rps,omitzero"` // of such a probe: answers/s
	Seconds     float64       `json:"seconds,omitempty"`       // duration of the probe with the change of settings before it
	Error       string        `json:"error,omitempty"`         // why there is no measurement
}

// ProbeLengths is how the times of a probe depend on the lengths of its requests: a batch
// takes RunMS for each of its runs, and ElementUS for each element of their lengths, padding
// included.
type ProbeLengths struct {
	RunMS     Num     `json:"run_ms"`
	ElementUS Num     `json:"element_us"`
	Spread    Num     `json:"spread"` // standard deviation around these, as a share
	Drawn     []int64 `json:"drawn"`  // lengths of requests, in random order, at most MostDrawn
	Padded    bool    `json:"padded"`
	Buckets   []int64 `json:"buckets,omitempty"`
}

// MostDrawn is how many lengths a probe keeps.
const MostDrawn = 128

// ServiceTime has statistics of the service times of a probe, in ms.
type ServiceTime struct {
	Median  Num `json:"median"`
	Low     Num `json:"low"`              // end of an interval for the median
	High    Num `json:"high"`             // end of an interval for the median
	Fastest Num `json:"fastest,omitzero"` // the shortest time; missing in old profiles
	Spread  Num `json:"spread,omitzero"`  // standard deviation / median, estimated from the quartiles; missing in old profiles
}

// History has what a sweep has measured so far, in the order of the measurements. Its
// readers must not change it.
type History struct {
	Trials []Trial
	Probes []Probe
}

// MaxRate estimates how many answers per second the model can give at most: from the
// probes, with all workers at full batches, or, without service times, the highest throughput
// of a probe or a trial. It is 0 if there are neither.
func (h History) MaxRate() float64 {
	highest := 0.0
	for _, p := range h.Probes {
		if ms, ok := p.ServiceTime.Median.Get(); ok && ms > 0 && p.Error == "" {
			highest = max(highest, float64(p.Settings.Workers*p.BatchSize)/ms*1000)
		}
	}
	if highest > 0 {
		return highest
	}
	for _, p := range h.Probes {
		highest = max(highest, p.Throughput.Or(0))
	}
	for _, t := range h.Trials {
		highest = max(highest, t.Throughput.Value.Or(0))
	}
	return highest
}

// Predicted is the prediction for a trial before it was run, to be compared with the
// result.
type Predicted struct {
	ThroughputRPS Num `json:"throughput_rps"`
	ValueMS       Num `json:"value_ms"`    // the percentile of the SLA
	HighestRPS    Num `json:"highest_rps"` // the highest rate within the SLA; missing if the question was not the highest load
}
