package session

import (
	"context"
	"errors"
	"fmt"

	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
)

// background is a sweep that runs beside the screen.
type background struct {
	sweeper *Sweeper
	handed  bool // paused, and the engine is with the person
	events  int  // passed on to the messages
}

// StartSweep starts the plan's sweep under the load that is live, which need not be
// the plan's any more. It takes the engine; the person's settings and load come back
// when it ends.
func (s *Session) StartSweep() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sweeping != nil && !s.sweeping.sweeper.State().State.Ended() {
		return errors.New("a sweep is under way")
	}
	if err := s.serving(); err != nil {
		return err
	}
	p := s.cfg.Plan
	p.SLA, p.Loads = s.state.SLA, []load.Spec{s.state.Load}
	if err := p.Validate(); err != nil {
		return err
	}
	if _, err := sweep.PlanFor(p, s.state.Info); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(s.ctx)
	b := &background{}
	b.sweeper = &Sweeper{Plan: p, Target: s.target, Record: s.cfg.Record, Fresh: s.fresh, Watch: s.watch}
	s.sweeping = b
	s.cut()
	s.state.Phase = Sweeping
	s.say(Note, "sweep started: %s", question(p))
	s.stopLoad()
	s.spawn(func() {
		defer cancel()
		st, err := b.sweeper.Run(ctx)
		s.sweepEnded(st, err)
	})
	return nil
}

// question is what a sweep is to find, in few words.
func question(p plan.Plan) string {
	if p.Question == plan.Capacity {
		return "the highest load"
	}
	return fmt.Sprintf("under the live load, %v", p.Loads[0])
}

// sweepEnded gives the engine back to the person, with the settings of before.
func (s *Session) sweepEnded(st Sweep, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil:
		s.say(Trouble, "sweep %v: %v", st.State, err)
	case st.Choice != nil:
		s.say(Note, "sweep %v: trial %d is best: %v", st.State, st.Choice.N, st.Choice.Settings)
	case st.None != "":
		s.say(Warning, "sweep %v: no setting keeps the promise: %s", st.State, st.None)
	default:
		text := "no setting is known to meet the promise"
		if more := st.Cost.More(st.Trials); more != "" {
			text += "; it takes " + more
		}
		s.say(Warning, "sweep %v: %s", st.State, text)
	}
	if s.ctx.Err() == nil && !s.sweeping.handed {
		s.handBack()
	}
}

// watch passes events on, and hands the engine back when the sweep has come to
// rest in a pause.
func (s *Session) watch(st Sweep) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ; s.sweeping.events < len(st.Events); s.sweeping.events++ {
		e := st.Events[s.sweeping.events]
		s.say(Warning, "%s: %s", e.What, e.Detail)
	}
	if st.State != Paused {
		return
	}
	if !s.sweeping.handed && s.ctx.Err() == nil {
		s.sweeping.handed = true
		s.say(Note, "sweep paused after %d trials: the knobs are yours", len(st.Trials))
		s.handBack()
	}
}

// handBack puts the person's settings in force and lets their load flow. The
// lock is held, and released while the settings are applied.
func (s *Session) handBack() {
	back, t, ctx := s.state.Settings, s.target, s.ctx
	s.mu.Unlock()
	done, err := t.Apply(ctx, back)
	s.mu.Lock()
	if err != nil {
		s.down(err)
		return
	}
	s.state.Phase, s.state.Settings = Serving, done.Settings
	if s.rec != nil {
		s.rec.begin = s.now()
	}
	s.ring.changed()
	s.startLoad()
}

// PauseSweep holds the sweep after the trial at hand and hands the engine back,
// or takes it again and lets the sweep go on.
func (s *Session) PauseSweep(pause bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.runningSweep()
	if err != nil {
		return err
	}
	if !pause && b.handed {
		if err := s.serving(); err != nil {
			return err
		}
		s.state.Phase, b.handed = Sweeping, false
		s.stopLoad()
	}
	b.sweeper.Pause(pause)
	return nil
}

// AbortSweep ends the sweep after the trial at hand; its profile is kept.
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
