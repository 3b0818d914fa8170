package engine

import (
	"context"
	"fmt"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
	"sweetspot/engine/runs"
)

// largerTime bounds the comparison of the rows of a large batch with each alone.
const largerTime = time.Second

// checkLarger compares the rows of a batch with each alone, if it is larger than those that verified
// the model: a model may be right in the first places of a batch only. It begins with the last row,
// and a slow model shows less.
func (s *ModelService) checkLarger(ctx context.Context, session Session, c knob.Config) error {
	size := c.BatchSize
	if !s.isLarger(size) {
		return nil
	}
	rows := sampleRows(s.model, size, 1)
	out := make([]payload.Result, size)
	if err := run(ctx, uncounted(session), rows, out); err != nil {
		return fmt.Errorf("a batch of %d: %w", size, err)
	}
	begin, alone := time.Now(), make([]payload.Result, 1)
	ran, other := 0, 0
	for i := size - 1; i >= 0 && (ran == 0 || time.Since(begin) < largerTime); i-- {
		clear(alone)
		if err := run(ctx, uncounted(session), rows[i:i+1], alone); err != nil {
			return fmt.Errorf("an item alone: %w", err)
		}
		if ran++; runs.Distance(alone[0].Outputs, out[i].Outputs) > runs.KernelTolerance {
			other++
		}
	}
	if float64(other) > mayDiffer(c)*float64(ran) {
		return fmt.Errorf("batch_size: %d of %d items have other outputs in a batch of %d than alone; up to %d are right", other, ran, size, s.verified())
	}
	s.largest.Store(max(s.largest.Load(), int64(size)))
	return nil
}

// mayDiffer is the share of the rows that may have other outputs. In half precision and on a GPU
// the rounding of another kernel may choose another class.
func mayDiffer(c knob.Config) float64 {
	if c.Precision == knob.FullPrecision && (c.Device == "" || c.Device == "cpu") {
		return 0
	}
	return .25
}

// verified is the size of the largest batch that was compared with single rows; 0 if none was.
func (s *ModelService) verified() int64 {
	if s.model.VerifiedBatch == 0 || s.model.Unsampled {
		return 0
	}
	return max(s.largest.Load(), int64(s.model.VerifiedBatch))
}

// isLarger reports whether batches of size are to be compared.
func (s *ModelService) isLarger(size int) bool {
	n := s.verified()
	return n > 0 && int64(size) > n
}

// checkPool is checkLarger for a pool whose sessions stay: with the shared one, or another one if each
// worker has its own.
func (s *ModelService) checkPool(ctx context.Context, p *pool, to knob.Config) error {
	if !s.isLarger(to.BatchSize) {
		return nil
	}
	session, done, err := s.sessionForComparison(ctx, p, to.Device)
	if err != nil {
		return err
	}
	err = s.checkLarger(ctx, session, to)
	if failed := done(); err == nil {
		err = failed
	}
	return err
}
