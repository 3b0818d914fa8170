package session

import (
	"errors"
	"fmt"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
)

// checkServing returns an error with the reason unless the user owns the engine. The lock is held.
func (s *Session) checkServing() error {
	switch s.state.Phase {
	case Starting:
		return errors.New("the engine is still starting")
	case Sweeping:
		return errors.New("a sweep owns the engine: pause it first")
	case Down:
		return errors.New("the engine is down: restart it first")
	case Serving:
	}
	if s.state.Applying != nil {
		return fmt.Errorf("%v is being applied", s.state.Applying.To)
	}
	return s.checkNoQuery()
}

// Apply starts to apply settings while the live load continues.
func (s *Session) Apply(to knob.Settings) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.apply(to, newChange)
}

// Undo starts to apply the settings from before the last change that is not undone.
func (s *Session) Undo() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.undo) == 0 {
		return errors.New("nothing to undo")
	}
	return s.apply(s.undo[len(s.undo)-1], undoChange)
}

// Redo starts to apply the settings from before the last undo. There are none after another change.
func (s *Session) Redo() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.redo) == 0 {
		return errors.New("nothing to redo")
	}
	return s.apply(s.redo[len(s.redo)-1], redoChange)
}

// changeKind is why settings are applied.
type changeKind uint8

const (
	newChange changeKind = iota
	undoChange
	redoChange
)

// remember updates the settings for Undo and Redo after a change. The lock is held.
func (s *Session) remember(kind changeKind, from knob.Settings) {
	switch kind {
	case newChange:
		s.undo, s.redo = append(s.undo, from), nil
	case undoChange:
		s.undo, s.redo = s.undo[:len(s.undo)-1], append(s.redo, from)
	case redoChange:
		s.undo, s.redo = append(s.undo, from), s.redo[:len(s.redo)-1]
	}
	s.state.Undoable, s.state.Redoable = len(s.undo), len(s.redo)
}

func (s *Session) apply(to knob.Settings, kind changeKind) error {
	if err := s.checkServing(); err != nil {
		return err
	}
	if to == s.state.Settings {
		return errors.New("these settings are in force already")
	}
	if err := to.Validate(s.state.Info.Limits); err != nil {
		return err
	}
	for n, why := range s.state.Info.Fixed {
		if to.Get(n) != s.state.Settings.Get(n) {
			return fmt.Errorf("%s: %s", n, why)
		}
	}
	s.dropComparison("other settings were applied")
	before := s.baseline() // ends before the apply begins
	s.state.Applying = &Applying{To: to, Since: s.now()}
	s.spawn(func() { s.applyNow(to, kind, before) })
	return nil
}

func (s *Session) applyNow(to knob.Settings, kind changeKind, before *comparison) {
	s.mu.Lock()
	t, ctx, from := s.target, s.ctx, s.state.Settings
	s.mu.Unlock()
	done, err := t.Apply(ctx, to)
	found := agreementOf(ctx, t, done.Settings, err)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Applying = nil
	if err != nil {
		if ctx.Err() == nil {
			s.addMessage(Error, "not applied: %v", err)
		}
		return
	}
	s.endSegment()
	c := Change{N: len(s.state.Changes) + 1, At: s.now(), From: from, To: done.Settings, Took: done.Took, Undo: kind == undoChange}
	s.remember(kind, from)
	s.state.Settings = done.Settings
	s.state.Changes = append(s.state.Changes, c)
	s.changed()
	s.addMessage(Note, "applied A%d: %s (%v)", c.N, changesText(s.state.Info.Knobs(), from, to), done.Took.Round(1e6))
	s.setFP16(found)
	s.beginComparison(c, before)
	if s.state.Load.Matched {
		s.restartLoad()
	}
	s.compareAnswers()
}

// changesText lists the changes: "batch size 1 to 8, workers 1 to 2".
func changesText(knobs knob.Table, from, to knob.Settings) string {
	text := ""
	for _, k := range knobs {
		if a, b := from.Get(k.Name), to.Get(k.Name); a != b {
			if text != "" {
				text += ", "
			}
			text += fmt.Sprintf("%s %s to %s", k.Label, a, b)
		}
	}
	return text
}

// SetLoad changes the live load.
func (s *Session) SetLoad(l load.Spec) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case l.Mode == load.Closed && !l.Matched && (l.Concurrency < 1 || l.Concurrency > 10000):
		return fmt.Errorf("concurrency %d is outside 1-10000", l.Concurrency)
	case l.Mode == load.Open && (l.Rate <= 0 || l.Rate > 1e6):
		return fmt.Errorf("rate %g/s is outside 0-1000000", l.Rate)
	case s.state.Phase == Sweeping:
		return s.checkServing()
	}
	s.endSegment()
	s.dropComparison("the load changed")
	s.state.Load = l
	s.addMessage(Note, "load: %v", l)
	s.restartLoad()
	return nil
}

// restartLoad restarts the live load. The lock is held.
func (s *Session) restartLoad() {
	s.stopLoad()
	s.changed() // after the last answers
	s.startLoad()
}

// HoldLoad stops the live load, or starts it again.
func (s *Session) HoldLoad(hold bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Phase == Sweeping {
		return s.checkServing()
	}
	s.endSegment()
	s.dropComparison("the load was held")
	s.state.LoadOn, s.state.HeldSince = !hold, time.Time{}
	if hold {
		s.state.HeldSince = s.now()
	}
	s.restartLoad()
	return nil
}

// Restart starts the engine again after it has failed, with the last settings. An engine that is up but
// answers nothing is killed first, if the target can do that.
func (s *Session) Restart() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Phase != Down {
		if s.killSilent() {
			return nil
		}
		return errors.New("the engine is up")
	}
	s.state.Phase = Starting
	old := s.target
	s.target = nil
	if old != nil {
		earlier := s.state.Settings
		s.restartSettings = &earlier
	}
	ctx := s.ctx
	s.spawn(func() {
		if old != nil {
			_ = old.Close(ctx) // the engine has failed: errors are expected
		}
		s.open()
	})
	return nil
}

var _ sweep.Recorder = Recording(nil)
