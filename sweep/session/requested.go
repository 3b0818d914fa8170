package session

import (
	"errors"
	"fmt"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/search"
	"sweetspot/sweep/trial"
)

// Request measures a point before the next one of the strategy. The error says why it cannot
// be measured.
func (w *Sweeper) Request(s knob.Settings, l load.Spec) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sweep.State.Ended() || w.searched {
		return errors.New("the search has ended, and the sweep validates its best settings: wait for its end")
	}
	w.requested = append(w.requested, plan.Point{Settings: s, Load: l, Role: trial.RoleLoad, Reason: "requested by the user"})
	return nil
}

// requestedFirst is a strategy that first returns the requested points.
type requestedFirst struct {
	search.Strategy
	w *Sweeper
}

func (r *requestedFirst) Next(found trial.History) (plan.Point, bool) {
	if p, ok := r.w.nextRequested(); ok {
		return p, true
	}
	if !r.w.OnlyRequested {
		if p, more := r.Strategy.Next(found); more {
			r.w.predict(r.Strategy, found, p)
			return p, true
		}
	}
	r.w.predict(r.Strategy, found, plan.Point{})
	r.w.set(func(*Sweep) { r.w.searched = true })
	return plan.Point{}, false
}

// Left counts the requested points too.
func (r *requestedFirst) Left() int {
	r.w.mu.Lock()
	n := len(r.w.requested)
	r.w.mu.Unlock()
	if r.w.OnlyRequested {
		return n
	}
	return n + r.Strategy.Left()
}

// nextRequested removes the oldest requested point, with the prediction for it.
func (w *Sweeper) nextRequested() (plan.Point, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.requested) == 0 {
		return plan.Point{}, false
	}
	p := w.requested[0]
	w.requested = w.requested[1:]
	for _, o := range w.sweep.Predictions {
		if o.Settings == p.Settings && o.Load == p.Load {
			p.Predicted = &trial.Predicted{ThroughputRPS: o.Throughput.Value, ValueMS: o.ValueMS.Value}
		}
	}
	return p, true
}

// predict updates the predictions. While there are probes to measure it does not, because each
// of them would simulate all points again.
func (w *Sweeper) predict(s search.Strategy, found trial.History, next plan.Point) {
	if c, ok := s.(*costReporter); ok {
		s = c.Strategy
	}
	p, ok := s.(search.Predictor)
	if !ok || next.Role == trial.RoleProbe {
		return
	}
	all := p.Predictions(found)
	w.set(func(s *Sweep) { s.Predictions = all })
}

// WhatIf predicts the settings of the plan under another load. It may take a second.
func (w *Sweeper) WhatIf(l load.Spec) ([]search.Prediction, error) {
	w.mu.Lock()
	p, points, metrics := w.sweep.Plan, w.points, w.metrics
	found := trial.History{Trials: w.sweep.Trials, Probes: w.probes[:len(w.probes):len(w.probes)]}
	w.mu.Unlock()
	return search.WhatIf(p, points, metrics, found, l)
}

// WhatIf predicts the settings of the last sweep under another load, which is not measured. It
// may take a second.
func (s *Session) WhatIf(l load.Spec) ([]search.Prediction, error) {
	s.mu.Lock()
	b := s.sweeping
	s.mu.Unlock()
	if b == nil {
		return nil, errors.New("there is no sweep yet, and without its service times nothing can be predicted")
	}
	return b.sweeper.WhatIf(l)
}

// Measure measures settings under a load of the last sweep, once more or for the first time. A
// running sweep measures them next. After its end they are measured in a sweep that resumes it,
// with a profile of its own.
func (s *Session) Measure(to knob.Settings, l load.Spec) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sweeping == nil {
		return errors.New("there is no sweep yet: start one first")
	}
	w := s.sweeping.sweeper
	st := w.State()
	if !st.State.Ended() {
		if err := w.Request(to, l); err != nil {
			return err
		}
		s.addMessage(Note, "measured next: %v", to)
		return nil
	}
	if err := s.checkServing(); err != nil {
		return err
	}
	again := &Sweeper{
		Plan: st.Plan, OnlyRequested: true,
		Resume: &EarlierSweep{Plan: st.Plan, History: trial.History{Trials: st.Trials, Probes: w.recordedProbes()}},
	}
	again.sweep.Trials, again.sweep.Predictions = st.Trials, st.Predictions // until it has its own
	if err := again.Request(to, l); err != nil {
		return err
	}
	s.startSweeper(again, fmt.Sprintf("measuring %v again", to))
	return nil
}
