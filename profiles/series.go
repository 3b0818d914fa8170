package profiles

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"sweetspot/sweep/trial"
)

// Series is what a live trial looked like over time: one figure a step, all of
// one length. A figure that was not measured in a step is null in the file.
type Series struct {
	StepS      float64     `json:"step_s"` // s between two figures, above 0
	P99MS      []trial.Num `json:"p99_ms"` // request latency, ms
	RPS        []trial.Num `json:"rps"`    // answers a second
	GPUPercent []trial.Num `json:"gpu_percent"`
}

// recording is a trial's line, live or not.
type recording struct {
	trial.Trial
	Series *Series `json:"series,omitempty"`
}

// Validate reports what makes the series unusable.
func (s Series) Validate() error {
	var errs []error
	if !(s.StepS > 0) || math.IsInf(s.StepS, 1) {
		errs = append(errs, fmt.Errorf("step_s: %g is not above 0", s.StepS))
	}
	if len(s.P99MS) != len(s.RPS) || len(s.P99MS) != len(s.GPUPercent) {
		errs = append(errs, fmt.Errorf("p99_ms, rps and gpu_percent have %d, %d and %d figures, want as many of each",
			len(s.P99MS), len(s.RPS), len(s.GPUPercent)))
	}
	return errors.Join(errs...)
}

// String is the series in one line: the range of each figure.
func (s Series) String() string {
	parts := []string{fmt.Sprintf("%d steps of %g s", len(s.P99MS), s.StepS)}
	for _, c := range []struct {
		name, unit string
		values     []trial.Num
	}{{"P99 ", " ms", s.P99MS}, {"", " req/s", s.RPS}, {"GPU ", "%", s.GPUPercent}} {
		if low, high, ok := span(c.values); ok {
			parts = append(parts, fmt.Sprintf("%s%s-%s%s", c.name, Figure(low), Figure(high), c.unit))
		}
	}
	return strings.Join(parts, ", ")
}

// span is the smallest and the largest figure that was measured.
func span(values []trial.Num) (low, high trial.Num, ok bool) {
	var known []float64
	for _, n := range values {
		if v, measured := n.Get(); measured {
			known = append(known, v)
		}
	}
	if len(known) == 0 {
		return low, high, false
	}
	return trial.NumOf(slices.Min(known)), trial.NumOf(slices.Max(known)), true
}
