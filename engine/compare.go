package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// A comparison of precisions runs compareItems samples with each precision, fewer after
// compareTime. compareTolerance is relative to the largest number of an output.
const (
	compareItems     = 16
	compareTime      = 2 * time.Second
	compareTolerance = 0.01
)

// PrecisionNoter is a Session with a note about its precision, such as the number of
// values that the conversion clipped. A comparison of precisions adds it to its step.
type PrecisionNoter interface {
	PrecisionNote() string
}

// comparison counts how many outputs of two sessions agree for the same samples.
type comparison struct {
	items, agree int
	largest      float64 // difference of two numbers; infinite if only one is finite
}

// comparePrecisions compares the outputs of next with those of the pool in force, if that
// has another precision, and reports the comparison as a step.
func (s *ModelService) comparePrecisions(ctx context.Context, next Session, to knob.Config, step func(Step)) error {
	s.mu.Lock()
	old := s.pool
	s.mu.Unlock()
	if old == nil || old.cfg.Precision == to.Precision || len(s.model.Inputs) == 0 {
		return nil
	}
	begin := time.Now()
	text, err := s.compareSessions(ctx, old, next, to)
	if err != nil {
		return fmt.Errorf("compare %s with %s: %w", to.Precision, old.cfg.Precision, err)
	}
	step(Step{text, time.Since(begin)})
	return nil
}

// compareSessions runs the same samples on the pool p and on next, and describes how many
// of their outputs agree.
func (s *ModelService) compareSessions(ctx context.Context, p *pool, next Session, to knob.Config) (string, error) {
	old, closeOld, err := s.sessionForComparison(ctx, p)
	if err != nil {
		return "", err
	}
	c, err := s.runSamples(ctx, old, next)
	if err = errors.Join(err, closeOld()); err != nil {
		return "", err
	}
	text := fmt.Sprintf("%s agrees on %d of %d samples, largest difference %s", to.Precision, c.agree, c.items, formatNumber(c.largest))
	if n, ok := next.(PrecisionNoter); ok && n.PrecisionNote() != "" {
		text += ", " + n.PrecisionNote()
	}
	return text, nil
}

// formatNumber formats v with two digits: 1.4e-5, 0.26, 140.
func formatNumber(v float64) string {
	if v >= 10 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strings.Replace(strconv.FormatFloat(v, 'g', 2, 64), "e-0", "e-", 1)
}

// sessionForComparison returns a session with the settings of p that may run beside its
// workers: the shared one, or a new one if each worker has its own.
func (s *ModelService) sessionForComparison(ctx context.Context, p *pool) (Session, func() error, error) {
	if shared := p.sharedSession(); shared != nil {
		return shared, func() error { return nil }, nil
	}
	own, err := s.openSession(ctx, p.cfg)
	if err != nil {
		return nil, nil, fmt.Errorf("open a session to compare with: %w", err)
	}
	return own, own.Close, nil
}

// runSamples runs the same samples on both sessions and compares the outputs.
func (s *ModelService) runSamples(ctx context.Context, old, next Session) (c comparison, err error) {
	samples := sampleRows(s.model, compareItems, 3)
	deadline := time.Now().Add(compareTime)
	for c.items < compareItems && (c.items == 0 || time.Now().Before(deadline)) {
		rows := samples[c.items : c.items+1]
		before, after := make([]payload.Result, 1), make([]payload.Result, 1)
		if err := run(ctx, uncounted(old), rows, before); err != nil {
			return c, err
		}
		if err := run(ctx, uncounted(next), rows, after); err != nil {
			return c, err
		}
		c.add(before[0].Outputs, after[0].Outputs)
	}
	return c, nil
}

// add compares the outputs x and y of one sample.
func (c *comparison) add(x, y tensor.Item) {
	same := len(x) == len(y)
	for i := range min(len(x), len(y)) {
		ok, diff := outputsAgree(x[i], y[i])
		same = same && ok
		c.largest = max(c.largest, diff)
	}
	c.items++
	if same {
		c.agree++
	}
}

// outputsAgree reports whether two outputs agree, and the largest difference of their
// numbers. Integers agree if they are equal. Floats agree if no difference exceeds a
// hundredth of the largest number, or if both are vectors whose largest number is at
// the same index: the class that a classifier chooses.
func outputsAgree(x, y tensor.Tensor) (bool, float64) {
	if x.Type != y.Type || !slices.Equal(x.Shape, y.Shape) {
		return false, 0 // different sizes have no difference
	}
	if x.Type != tensor.Float32 && x.Type != tensor.Float64 {
		return bytes.Equal(x.Data, y.Data), 0
	}
	a, b := x.Numbers(), y.Numbers()
	diff, largest := 0.0, 0.0
	for i := range a {
		diff = max(diff, difference(a[i], b[i]))
		if size := math.Abs(a[i]); size > largest && !math.IsInf(size, 0) {
			largest = size
		}
	}
	classes := len(x.Shape) == 1 && len(a) > 1 && !math.IsInf(diff, 0)
	return diff <= compareTolerance*largest || classes && argMax(a) == argMax(b), diff
}

// difference is |u-v|. It is infinite if only one of the numbers is finite, or if they
// are different infinities.
func difference(u, v float64) float64 {
	if u == v || math.IsNaN(u) && math.IsNaN(v) {
		return 0
	}
	if d := math.Abs(u - v); !math.IsNaN(d) {
		return d
	}
	return math.Inf(1)
}

// argMax returns the index of the largest number.
func argMax(v []float64) int {
	best := 0
	for i := range v {
		if v[i] > v[best] {
			best = i
		}
	}
	return best
}
