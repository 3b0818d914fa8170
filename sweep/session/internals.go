package session

import (
	"context"
	"errors"
	"fmt"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/trial"
)

// Internals has what was measured inside the model, and what is being measured.
type Inside struct {
	Bare      *trial.Bare // last measurement of the model alone; nil before the first
	Operators *trial.Operators // last measurement of operator times; nil before the first
	Measuring Inquiry // present measurement
}

// BareRate returns the rate of the model alone with the settings s; it is not measured if the last
// measurement had other settings.
func (i Inside) BareFor(s knob.Settings) trial.Num {
	if i.Bare == nil || !i.Bare.Holds(s) {
		return trial.Num{}
	}
	return i.Bare.RPS
}

// Query is a measurement inside the model.
type Inquiry uint8

// The queries.
const (
	NoInquiry Inquiry = iota
	AskBare
	AskOperators
)

var inquiries = []string{NoInquiry: "nothing", AskBare: "the bare session", AskOperators: "operator times"}

func (i Inquiry) String() string { return inquiries[i] }

// operatorRuns is the number of runs that are profiled.
const operatorRuns = 100

// Bare starts to measure the rate of the model alone with the settings in force. Meanwhile, for a
// moment, the live load is stopped.
func (s *Session) Bare() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.serving(); err != nil {
		return err
	}
	b, ok := s.target.(sweep.Barer)
	if !ok {
		return errors.New("this target does not run its model alone: only an engine of this program does")
	}
	s.bare(b)
	return nil
}

// measureBare stops the load, measures, and starts the load again. The lock is held.
func (s *Session) bare(b sweep.Barer) {
	s.state.Inside.Measuring = AskBare
	ctx := s.ctx
	s.spawn(func() {
		s.mu.Lock()
		s.cut()
		s.stopLoad()
		s.mu.Unlock()
		out, err := b.Bare(ctx)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.answered(err)
		if err == nil {
			s.state.Inside.Bare = &out
			s.say(Note, "bare session: %s/s (workers %d, batch size %d)", out.RPS.Text(1), out.Workers, out.BatchSize)
		}
		if s.rec != nil {
			s.rec.begin = s.now()
		}
		s.ring.changed()
		s.startLoad()
	})
}

// endQuery ends a query. The lock is held.
func (s *Session) answered(err error) {
	what := s.state.Inside.Measuring
	s.state.Inside.Measuring = NoInquiry
	if err != nil && s.ctx.Err() == nil {
		s.say(Trouble, "%v: %v", what, err)
	}
}

// Operators starts to measure operator times while the live load continues. The result is written
// to all open profiles, also to that of a paused sweep.
func (s *Session) Operators() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.serving(); err != nil {
		return err
	}
	t, ctx := s.target, s.ctx
	if _, err := profiler(t); err != nil {
		return err
	}
	s.state.Inside.Measuring = AskOperators
	s.spawn(func() {
		out, err := Operators(ctx, t)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.answered(err)
		if err == nil {
			s.state.Inside.Operators = &out
			s.keep(out)
		}
	})
	return nil
}

// Operators measures the operator times of a target with the settings in force.
func Operators(ctx context.Context, t sweep.Target) (trial.Operators, error) {
	p, err := profiler(t)
	if err != nil {
		return trial.Operators{}, err
	}
	return p.Operators(ctx, operatorRuns)
}

func profiler(t sweep.Target) (sweep.Profiler, error) {
	p, ok := t.(sweep.Profiler)
	if !ok {
		return nil, errors.New("this target does not report operator times: only an engine of this program does")
	}
	return p, nil
}

// recordOperators writes o to the open profiles. The lock is held.
func (s *Session) keep(o trial.Operators) {
	if r := s.rec; r != nil && len(r.write) < backlog-1 {
		r.write <- func() {
			if err := r.to.Operators(o); err != nil {
				s.troubled(err)
			}
		}
	}
	if b := s.sweeping; b != nil {
		s.spawn(func() {
			if err := b.sweeper.keep(o); err != nil {
				s.troubled(err)
			}
		})
	}
}

// recordOperators writes o to the sweep's profile if it is open.
func (w *Sweeper) keep(o trial.Operators) error {
	w.mu.Lock()
	rec, ended := w.rec, w.st.State.Ended()
	w.mu.Unlock()
	if rec == nil || ended {
		return nil
	}
	return rec.Operators(o)
}

// checkNoQuery returns an error while a query is in progress, which other work would disturb. The
// lock is held.
func (s *Session) asking() error {
	if what := s.state.Inside.Measuring; what != NoInquiry {
		return fmt.Errorf("wait until the measurement of %v has ended", what)
	}
	return nil
}
