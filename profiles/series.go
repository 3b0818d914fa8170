package profiles

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"sweetspot/sweep/trial"
)

// Series has the figures of a live trial over time, one per step. Its slices have equal
// lengths. A figure that was not measured in a step is null in the file.
type Series struct {
	StepS      float64     `json:"step_s"` // seconds between two figures, above 0
	P99MS      []trial.Num `json:"p99_ms"` // request latency, ms
	RPS        []trial.Num `json:"rps"`    // answers per second
	GPUPercent []trial.Num `json:"gpu_percent"`
}

// recording is the line of a trial; only a live trial has a series.
type recording struct {
	trial.Trial
	Series *Series `json:"series,omitempty"`
}

// Validate reports why the series cannot be used.
func (s Series) Validate() error {
	var errs []error
	if !(s.StepS > 0) || math.IsInf(s.StepS, 1) {
		errs = append(errs, fmt.Errorf("step_s: %g is not above 0", s.StepS))
	}
	if len(s.P99MS) != len(s.RPS) || len(s.P99MS) != len(s.GPUPercent) {
		errs = append(errs, fmt.Errorf("p99_ms, rps and gpu_percent have %d, %d and %d figures, want equal numbers",
			len(s.P99MS), len(s.RPS), len(s.GPUPercent)))
	}
	return errors.Join(errs...)
}

// String returns the range of each figure, in one line.
func (s Series) String() string {
	parts := []string{fmt.Sprintf("%d steps of %g s", len(s.P99MS), s.StepS)}
	for _, c := range []struct {
		name, unit string
		values     []trial.Num
	}{{"P99 ", " ms", s.P99MS}, {"", " req/s", s.RPS}, {"GPU ", "%", s.GPUPercent}} {
		if low, high, ok := rangeOf(c.values); ok {
			parts = append(parts, fmt.Sprintf("%s%s-%s%s", c.name, FormatFigure(low), FormatFigure(high), c.unit))
		}
	}
	return strings.Join(parts, ", ")
}

// rangeOf returns the smallest and the largest of the measured figures.
func rangeOf(values []trial.Num) (low, high trial.Num, ok bool) {
	var measured []float64
	for _, n := range values {
		if v, ok := n.Get(); ok {
			measured = append(measured, v)
		}
	}
	if len(measured) == 0 {
		return low, high, false
	}
	return trial.NumOf(slices.Min(measured)), trial.NumOf(slices.Max(measured)), true
}
