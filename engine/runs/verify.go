package runs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// Bounds of a check of a new value of the side inputs, which the rows of a batch wait for.
const (
	checkItems = 4
	checkTime  = 2 * time.Second
)

// runVerified answers each row of a run from a run of its own, unpadded, and finds out whether
// such rows may run together.
func (s *Session) runVerified(ctx context.Context, _ *task, run *Run, in []payload.Row, out []payload.Result) error {
	for _, k := range run.Index {
		if err := s.inner.Run(ctx, in[k:k+1], out[k:k+1]); err != nil {
			return err
		}
	}
	decided, why := s.check(ctx, run)
	if why == nil && !run.equal {
		why = s.checkPadded(ctx, run, in, out)
	}
	if ctx.Err() == nil {
		s.sides.learn(in[run.Index[0]].Item, why, decided)
	}
	return nil
}

// check runs rows like those of the run together and alone. decided means that a mix of their
// answers would have been seen; why is the reason why they may not run together.
func (s *Session) check(ctx context.Context, run *Run) (decided bool, why error) {
	c := Check{Runner: s.inner, Size: len(run.Rows), Time: checkTime}
	for _, item := range s.sides.like(run.Rows, checkItems) {
		alone, err := RunItems(ctx, s.inner, item)
		if err != nil {
			continue // a sample that this value does not suit, or a row that failed already
		}
		c.Items, c.Alone = append(c.Items, item), append(c.Alone, alone[0])
	}
	switch len(c.Items) {
	case 0:
		return false, nil
	case 1:
		c.Items, c.Alone = append(c.Items, c.Items[0]), append(c.Alone, c.Alone[0])
	}
	why = c.Run(ctx)
	return c.OutputsDiffer(), why
}

// checkPadded compares the padded rows of a run, together, with the results of the same rows.
func (s *Session) checkPadded(ctx context.Context, run *Run, in []payload.Row, out []payload.Result) error {
	results := make([]payload.Result, len(run.Rows))
	if err := s.inner.Run(ctx, run.Rows, results); err != nil {
		return fmt.Errorf("padded items fail: %w", err)
	}
	for j, k := range run.Index {
		if results[j].Err != nil || out[k].Err != nil {
			continue
		}
		got := slices.Clone(tensor.Item(results[j].Outputs))
		s.cutOutputs(got, in[k].Item)
		if Distance(out[k].Outputs, got) > AgreeTolerance {
			return errors.New("the outputs of a padded item differ from those of the item alone")
		}
	}
	return nil
}
