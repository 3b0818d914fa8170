package session

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/trial"
)

// Internals has what was measured inside the model, and what is being measured.
type Internals struct {
	Bare      *trial.Bare      // last measurement of the model alone; nil before the first
	Operators *trial.Operators // last measurement of operator times; nil before the first
	Measuring Query            // present measurement
	// Batches are the latest batches, about once a second; nil if the target does not report them.
	Batches *sweep.RecentBatches
}

// BareRate returns the rate of the model alone with the settings s; it is not measured if the last
// measurement had other settings.
func (i Internals) BareRate(s knob.Settings) trial.Num {
	if i.Bare == nil || !i.Bare.AppliesTo(s) {
		return trial.Num{}
	}
	return i.Bare.RPS
}

// Query is a measurement inside the model.
type Query uint8

// The queries.
const (
	NoQuery Query = iota
	QueryBare
	QueryOperators
)

var queryNames = []string{NoQuery: "nothing", QueryBare: "the model alone", QueryOperators: "operator times"}

func (i Query) String() string { return queryNames[i] }

// operatorRuns is the number of runs that are profiled.
const operatorRuns = 100

// Bare starts to measure the rate of the model alone with the settings in force. Meanwhile, for a
// moment, the live load is stopped.
func (s *Session) Bare() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.checkServing(); err != nil {
		return err
	}
	b, ok := s.target.(sweep.BareMeasurer)
	if !ok {
		return errors.New("this target does not run its model alone: only an engine of this program does")
	}
	s.measureBare(b)
	return nil
}

// measureBare stops the load, measures, and starts the load again. The lock is held.
func (s *Session) measureBare(b sweep.BareMeasurer) {
	s.state.Internals.Measuring = QueryBare
	t, ctx := s.target, s.ctx
	s.spawn(func() {
		s.mu.Lock()
		s.endSegment()
		s.dropComparison("the load was held for a measurement")
		s.stopLoad()
		s.mu.Unlock()
		sweep.AwaitIdle(ctx, t)
		out, err := b.Bare(ctx)
		askAlone(ctx, t)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.endQuery(err)
		if err == nil {
			s.state.Internals.Bare = &out
			s.addMessage(Note, "the model alone: %s/s (workers %d, batch size %d)", out.RPS.Text(1), out.Workers, out.BatchSize)
		}
		if s.rec != nil {
			s.rec.begin = s.now()
		}
		s.changed()
		if s.startNextSweep() {
			return
		}
		s.startLoad()
		s.compareAnswers()
	})
}

// endQuery ends a query. The lock is held.
func (s *Session) endQuery(err error) {
	what := s.state.Internals.Measuring
	s.state.Internals.Measuring = NoQuery
	if err != nil && s.ctx.Err() == nil {
		s.addMessage(Error, "%v: %s", what, strings.TrimPrefix(err.Error(), "operators: ")) // the engine's name of the same
	}
}

// Operators starts to measure operator times while the live load continues. The result is written
// to all open profiles, also to that of a paused sweep.
func (s *Session) Operators() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.checkServing(); err != nil {
		return err
	}
	t, ctx := s.target, s.ctx
	if _, err := profilerOf(t); err != nil {
		return err
	}
	s.state.Internals.Measuring = QueryOperators
	s.spawn(func() {
		out, err := Operators(ctx, t)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.endQuery(err)
		if err == nil {
			s.state.Internals.Operators = &out
			s.recordOperators(out)
		}
	})
	return nil
}

// Operators measures the operator times of a target with the settings in force.
func Operators(ctx context.Context, t sweep.Target) (trial.Operators, error) {
	p, err := profilerOf(t)
	if err != nil {
		return trial.Operators{}, err
	}
	return p.Operators(ctx, operatorRuns)
}

func profilerOf(t sweep.Target) (sweep.Profiler, error) {
	p, ok := t.(sweep.Profiler)
	if !ok {
		return nil, errors.New("this target does not report operator times: only an engine of this program does")
	}
	return p, nil
}

// recordOperators writes o to the open profiles. The lock is held.
func (s *Session) recordOperators(o trial.Operators) {
	if r := s.rec; r != nil && len(r.writes) < maxPending-1 {
		r.writes <- func() {
			if err := r.to.Operators(o); err != nil {
				s.recordingFailed(err)
			}
		}
	}
	if b := s.sweeping; b != nil {
		s.spawn(func() {
			if err := b.sweeper.recordOperators(o); err != nil {
				s.recordingFailed(err)
			}
		})
	}
}

// recordOperators writes o to the sweep's profile if it is open.
func (w *Sweeper) recordOperators(o trial.Operators) error {
	w.mu.Lock()
	rec, ended := w.rec, w.sweep.State.Ended()
	w.mu.Unlock()
	if rec == nil || ended {
		return nil
	}
	return rec.Operators(o)
}

// checkNoQuery returns an error while a query is in progress, which other work would disturb. The
// lock is held.
func (s *Session) checkNoQuery() error {
	if what := s.state.Internals.Measuring; what != NoQuery {
		return fmt.Errorf("wait until the measurement of %v has ended", what)
	}
	return nil
}

// batchesTimeout is how long a request for the latest batches may take.
const batchesTimeout = 2 * time.Second

// pollBatches asks the target for its latest batches, if it reports them. It does not wait for the
// answer; a failed request is tried again a second later. The lock is held.
func (s *Session) pollBatches() {
	t, ok := s.target.(sweep.BatchReporter)
	if !ok || s.pollingBatches {
		return
	}
	s.pollingBatches = true
	parent := s.ctx
	s.spawn(func() {
		ctx, cancel := context.WithTimeout(parent, batchesTimeout)
		defer cancel()
		out, err := t.Batches(ctx)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.pollingBatches = false
		if err == nil {
			s.state.Internals.Batches = &out
		}
	})
}
