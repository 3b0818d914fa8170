package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// A comparison of precisions runs compareItems samples with each precision, fewer after
// compareTime. The tolerances are relative to the largest number of an output:
// compareTolerance for all outputs, classTolerance for those that name the same class.
const (
	compareItems     = 16
	compareTime      = 2 * time.Second
	compareTolerance = 0.01
	classTolerance   = 0.1
)

// comparison counts how many outputs of two sessions agree for the same samples.
type comparison struct {
	items, agree int
	largest      float64 // relative difference of two numbers; infinite if only one is finite
}

// comparePrecisions compares the outputs of next with those of the pool in force, if that
// has another precision and they were not compared on this device before. It reports the
// comparison as a step of every change to FP16.
func (s *ModelService) comparePrecisions(ctx context.Context, next Session, to knob.Config, step func(Step)) error {
	s.mu.Lock()
	old := s.pool
	a, known := s.agreements[to.Device]
	s.mu.Unlock()
	if old == nil || old.cfg.Precision == to.Precision || !s.comparable() {
		return nil
	}
	if s.model.Unsampled {
		step(Step{What: fmt.Sprintf("%s is not compared with %s: %v", to.Precision, old.cfg.Precision, errUnsampled)})
		return nil
	}
	begin := time.Now()
	if !known {
		var err error
		if a, err = s.compareWithPool(ctx, old, next, to); err != nil {
			return fmt.Errorf("compare %s with %s: %w", to.Precision, old.cfg.Precision, err)
		}
	}
	if to.Precision == knob.HalfPrecision || !known {
		step(Step{a.withNote(), time.Since(begin)})
	}
	return nil
}

// compareWithPool runs the same samples on the pool p and on next, which has another
// precision. If p is on another device, it runs them on a session on that of next instead of p, because only the
// device itself shows what its FP16 does.
func (s *ModelService) compareWithPool(ctx context.Context, p *pool, next Session, to knob.Config) (Agreement, error) {
	old, closeOld, err := s.sessionForComparison(ctx, p, to.Device)
	if err != nil {
		return Agreement{}, err
	}
	full, half := old, next
	if to.Precision == knob.FullPrecision {
		full, half = next, old
	}
	a, err := s.compareSessions(ctx, full, half, to.Device)
	return a, errors.Join(err, closeOld())
}

// compareSessions runs the same samples in FP32 and in FP16, and keeps the result for the
// device.
func (s *ModelService) compareSessions(ctx context.Context, full, half Session, device string) (Agreement, error) {
	c, err := s.runSamples(ctx, full, half)
	if err != nil {
		return Agreement{}, err
	}
	a := Agreement{Samples: c.items, Agree: c.agree, Largest: c.largest}
	if r, ok := half.(PrecisionReporter); ok {
		a.Clipped, a.Note = r.ConversionReport()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.agreements == nil {
		s.agreements = map[string]Agreement{}
	}
	s.agreements[device] = a
	return a, nil
}

// sessionForComparison returns a session on device with the other settings of p that may run beside its
// workers: the shared one, or a new one if each worker has its own or is on another device.
func (s *ModelService) sessionForComparison(ctx context.Context, p *pool, device string) (Session, func() error, error) {
	if shared := p.sharedSession(); shared != nil && p.cfg.Device == device {
		return shared, func() error { return nil }, nil
	}
	c := p.cfg
	c.Device = device
	own, err := s.openSession(ctx, c)
	if err != nil {
		return nil, nil, fmt.Errorf("open a session to compare with: %w", err)
	}
	return own, own.Close, nil
}

// runSamples runs the same samples on both sessions and compares the outputs.
func (s *ModelService) runSamples(ctx context.Context, full, half Session) (c comparison, err error) {
	rng := rand.New(rand.NewPCG(3, 4))
	deadline := time.Now().Add(compareTime)
	for c.items < compareItems && (c.items == 0 || time.Now().Before(deadline)) {
		rows := []payload.Row{sampleRow(s.model, c.items, rng)}
		before, after := make([]payload.Result, 1), make([]payload.Result, 1)
		if err := run(ctx, uncounted(full), rows, before); err != nil {
			return c, err
		}
		if err := run(ctx, uncounted(half), rows, after); err != nil {
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
// numbers as a share of the largest number of x. Integers agree if they are equal. Floats
// agree if that share is at most a hundredth, or if it is at most a tenth and both are
// vectors whose largest number is at the same index: the class that a classifier chooses.
func outputsAgree(x, y tensor.Tensor) (bool, float64) {
	if x.Type != y.Type || !slices.Equal(x.Shape, y.Shape) {
		return false, 0 // different sizes have no difference
	}
	if !x.Type.IsFloat() {
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
	if diff == 0 {
		return true, 0
	}
	share := diff / largest // infinite if all numbers of x are zero
	sameClass := len(x.Shape) == 1 && len(a) > 1 && argMax(a) == argMax(b)
	return share <= compareTolerance || sameClass && share <= classTolerance, share
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
