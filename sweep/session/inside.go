package session

import (
	"context"
	"errors"
	"fmt"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/trial"
)

// Inside is what is known of the model's inside, and what is being found out.
type Inside struct {
	Bare      *trial.Bare      // what the model alone did when last asked; nil before
	Operators *trial.Operators // where its time went when last asked; nil before
	Measuring Inquiry          // under way
}

// BareFor is what the model alone does with the settings s, not measured unless
// it was asked with these.
func (i Inside) BareFor(s knob.Settings) trial.Num {
	if i.Bare == nil || !i.Bare.AppliesTo(s) {
		return trial.Num{}
	}
	return i.Bare.RPS
}

// Inquiry is a measurement of the model's inside.
type Inquiry uint8

// The inquiries.
const (
	NoInquiry Inquiry = iota
	AskBare
	AskOperators
)

var inquiries = []string{NoInquiry: "nothing", AskBare: "the bare session", AskOperators: "operator times"}

func (i Inquiry) String() string { return inquiries[i] }

// operatorRuns is how many runs of a profile are asked for.
const operatorRuns = 100

// Bare starts measuring what the model alone does with the settings in force.
// The live load is held meanwhile, for a moment.
func (s *Session) Bare() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.serving(); err != nil {
		return err
	}
	b, ok := s.target.(sweep.BareMeasurer)
	if !ok {
		return errors.New("this target does not run its model alone: only an engine of this program does")
	}
	s.bare(b)
	return nil
}

// bare holds the load, asks b, and lets the load flow again. The lock is held.
func (s *Session) bare(b sweep.BareMeasurer) {
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

// answered ends an inquiry. The lock is held.
func (s *Session) answered(err error) {
	what := s.state.Inside.Measuring
	s.state.Inside.Measuring = NoInquiry
	if err != nil && s.ctx.Err() == nil {
		s.say(Trouble, "%v: %v", what, err)
	}
}

// Operators starts measuring where the time of a run goes, while the live load
// flows. The answer goes into the profiles being written, that of a paused sweep
// too.
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

// Operators asks a target where the time of a run goes, with the settings in
// force; the one way of it, with a screen and without.
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
		return nil, errors.New("this target does not tell its operators' times: only an engine of this program does")
	}
	return p, nil
}

// keep puts o into the profiles being written. The lock is held.
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

// keep records o, unless the sweep has ended or not begun.
func (w *Sweeper) keep(o trial.Operators) error {
	w.mu.Lock()
	rec, ended := w.rec, w.st.State.Ended()
	w.mu.Unlock()
	if rec == nil || ended {
		return nil
	}
	return rec.Operators(o)
}

// asking refuses what an inquiry would be disturbed by. The lock is held.
func (s *Session) asking() error {
	if what := s.state.Inside.Measuring; what != NoInquiry {
		return fmt.Errorf("%v: being measured, it takes a moment", what)
	}
	return nil
}
