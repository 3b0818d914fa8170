package session

import (
	"context"
	"errors"
	"fmt"

	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// background is a sweep in the background of a session.
type background struct {
	sweeper        *Sweeper
	engineReturned bool         // the sweep is paused, and the user owns the engine
	reportedEvents int          // number of the sweep's events that are messages already
	current        currentPoint // the present one
}

// currentPoint is a trial or a probe, which are counted apart.
type currentPoint struct {
	n     int
	probe bool
}

// StartSweep starts a sweep of p, which is usually the plan of the snapshot, also with other
// values. The promise of p becomes that of the session. The sweep owns the engine until it ends or
// is paused; then the user's settings and load are restored. While the model alone is being
// measured, which takes a moment at the start, the sweep waits for its end.
func (s *Session) StartSweep(p plan.Plan) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sweeping != nil && !s.sweeping.sweeper.State().State.Ended() {
		return errors.New("a sweep is running")
	}
	waits := s.state.Phase == Serving && s.state.Internals.Measuring == QueryBare
	if err := s.checkServing(); err != nil && !waits {
		return err
	}
	if err := p.Validate(); err != nil {
		return err
	}
	if _, err := sweep.PlanFor(p, s.state.Info); err != nil {
		return err
	}
	if waits {
		s.nextSweep = &p
		s.addMessage(Note, "the sweep starts when the measurement of the model alone has ended")
		return nil
	}
	s.startSweep(p)
	return nil
}

// startSweep starts a sweep of a plan that fits the target. The lock is held.
func (s *Session) startSweep(p plan.Plan) {
	if p.SLA != s.state.SLA {
		s.endSegment()
		s.state.SLA, s.ring.sla = p.SLA, p.SLA
		s.addMessage(Note, "promise: %v", p.SLA)
	}
	loads := s.cfg.Plan.Loads
	s.cfg.Plan = p
	s.cfg.Plan.Loads = loads // of the live load
	s.startSweeper(&Sweeper{Plan: p}, "sweep started: "+searchText(p))
}

// startNextSweep starts the sweep that has waited, and reports whether there was one. The lock is
// held.
func (s *Session) startNextSweep() bool {
	next := s.nextSweep
	s.nextSweep = nil
	if next == nil || s.ctx.Err() != nil || s.checkServing() != nil {
		return false
	}
	s.startSweep(*next)
	return true
}

// plan returns the plan that StartSweep usually gets: with the promise and the live load. The lock
// is held.
func (s *Session) plan() plan.Plan {
	p := s.cfg.Plan
	p.SLA, p.Loads = s.state.SLA, []load.Spec{s.state.Load}
	return p
}

// startSweeper runs w in the background. The lock is held.
func (s *Session) startSweeper(w *Sweeper, message string) {
	ctx, cancel := context.WithCancel(s.ctx)
	w.Target, w.Record, w.OnSamples, w.OnChange = s.target, s.cfg.Record, s.addSamples, s.onSweepChange
	s.sweeping = &background{sweeper: w}
	s.endSegment()
	s.dropComparison("a sweep began")
	s.state.Phase = Sweeping
	s.addMessage(Note, "%s", message)
	s.stopLoad()
	s.spawn(func() {
		defer cancel()
		st, err := w.Run(ctx)
		s.endSweep(st, err)
	})
}

// searchText says in a few words what a sweep searches.
func searchText(p plan.Plan) string {
	if p.Question.SeeksRate() {
		return "the highest load"
	}
	return fmt.Sprintf("under %v", p.Loads[0])
}

// endSweep reports the end of a sweep and returns the engine to the user.
func (s *Session) endSweep(st Sweep, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil:
		s.addMessage(Error, "sweep %v: %v", st.State, err)
	case st.Choice != nil:
		s.addMessage(Note, "sweep %v: trial %d is best: %v", st.State, st.Choice.N, st.Choice.Settings)
	case st.Impossible != "":
		s.addMessage(Warning, "sweep %v: no setting keeps the promise: %s", st.State, st.Impossible)
	default:
		text := "no setting is known to meet the promise"
		if more := st.Cost.MissingAnswers(st.Trials); more != "" {
			text += "; it needs " + more
		}
		s.addMessage(Warning, "sweep %v: %s", st.State, text)
	}
	if s.ctx.Err() == nil && !s.sweeping.engineReturned {
		s.returnEngine()
	}
}

// onSweepChange adds the sweep's events to the messages and returns the engine to the user when a
// paused sweep waits.
func (s *Session) onSweepChange(st Sweep) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ; s.sweeping.reportedEvents < len(st.Events); s.sweeping.reportedEvents++ {
		e := st.Events[s.sweeping.reportedEvents]
		level := Warning
		switch e.What {
		case EventResumed:
			level = Note
		case sweep.EventDied:
			s.addCrash(e.At)
		}
		s.addMessage(level, "%s: %s", e.What, e.Detail)
	}
	if c := st.Current; c != nil {
		if now := (currentPoint{c.N, c.Point.Role == trial.RoleProbe}); now != s.sweeping.current {
			s.sweeping.current = now
			s.changed() // figures of the live traffic are of one trial or probe
		}
	}
	if st.State != Paused {
		return
	}
	if !s.sweeping.engineReturned && s.ctx.Err() == nil {
		s.sweeping.engineReturned = true
		s.addMessage(Note, "sweep paused after %d trials: you can change the settings", len(st.Trials))
		s.returnEngine()
	}
}

// returnEngine applies the user's settings and starts the live load, once the engine executes nothing of the sweep any
// more. The lock is held, but released meanwhile.
func (s *Session) returnEngine() {
	userSettings, t, ctx := s.state.Settings, s.target, s.ctx
	s.mu.Unlock()
	sweep.AwaitIdle(ctx, t)
	done, err := t.Apply(ctx, userSettings)
	s.mu.Lock()
	if err != nil {
		s.noteCrash(err)
		s.setDown(err)
		return
	}
	s.state.Phase, s.state.Settings = Serving, done.Settings
	if s.rec != nil {
		s.rec.begin = s.now()
	}
	s.changed()
	s.startLoad()
	s.compareAnswers()
}

// PauseSweep pauses the sweep after the present trial and returns the engine to the user, or lets
// the sweep own the engine again and continue.
func (s *Session) PauseSweep(pause bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.runningSweep()
	if err != nil {
		return err
	}
	if !pause && b.engineReturned {
		if err := s.checkServing(); err != nil {
			return err
		}
		s.state.Phase, b.engineReturned = Sweeping, false
		s.stopLoad()
	}
	b.sweeper.Pause(pause)
	return nil
}

// AbortSweep ends the sweep after the present trial. Its profile is kept.
func (s *Session) AbortSweep() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.runningSweep()
	if err != nil {
		return err
	}
	b.sweeper.Abort()
	return nil
}

// runningSweep returns the sweep that has not ended. The lock is held.
func (s *Session) runningSweep() (*background, error) {
	if s.sweeping == nil || s.sweeping.sweeper.State().State.Ended() {
		return nil, errors.New("no sweep is running")
	}
	return s.sweeping, nil
}
