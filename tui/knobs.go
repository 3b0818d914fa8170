package tui

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"sweetspot/engine/knob"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// liveKnobs are those of the seven that Live turns, in reading order.
var liveKnobs = [...]knob.Name{knob.Workers, knob.BatchSize, knob.BatchDelay, knob.FP16}

// knobs describes all knobs that the target has, or that trials have values for.
func (m *model) knobs() knob.Table {
	t := m.snap.Info.Knobs().WithOwn(m.snap.Settings.Own)
	if s := m.snap.Sweep; s != nil {
		for i := range s.Trials {
			t = t.WithOwn(s.Trials[i].Settings.Own)
		}
	}
	return t
}

// turned are the knobs that Live shows and turns: those of liveKnobs, and the target's
// own. A target that brings some leaves out what of the others it does not have.
func (m *model) turned() []knob.Knob {
	own := m.snap.Info.Knobs().Own()
	var out []knob.Knob
	for _, n := range liveKnobs {
		k, _ := knob.Get(n)
		if len(own) == 0 || m.fixed(n) == "" || m.snap.Settings.Has(n) {
			out = append(out, k)
		}
	}
	return append(out, own...)
}

// selected is the knob that the keys turn.
func (m *model) selected() knob.Knob {
	all := m.turned()
	return all[min(m.knob, len(all)-1)]
}

// inForce is the settings the engine runs: those of the trial at hand while a
// sweep owns it.
func (m *model) inForce() knob.Settings {
	if s := m.snap.Sweep; m.snap.Phase == session.Sweeping && s != nil && s.Current != nil {
		return s.Current.Point.Settings
	}
	return m.snap.Settings
}

// draft is the person's settings with the pending changes.
func (m *model) draft() knob.Settings {
	s := m.snap.Settings
	for n, text := range m.edits {
		_ = s.Set(n, text) // only values that were set before get in
	}
	return s
}

// stage makes s the draft.
func (m *model) stage(s knob.Settings) {
	m.failed = ""
	clear(m.edits)
	for _, k := range m.knobs() {
		if text := s.Get(k.Name); text != m.snap.Settings.Get(k.Name) {
			m.edits[k.Name] = text
		}
	}
}

// prune drops pending values that have come into force, and notes an apply that
// ended without a change.
func (m *model) prune(old *session.Snapshot) {
	for n, text := range m.edits {
		if m.snap.Settings.Get(n) == text {
			delete(m.edits, n)
		}
	}
	if old.Applying == nil || m.snap.Applying != nil || len(m.snap.Changes) != len(old.Changes) {
		return
	}
	m.failed = "the change was not applied"
	for _, msg := range newMessages(old.Messages, m.snap.Messages) {
		if msg.Level == session.Trouble {
			m.failed = msg.Text
		}
	}
}

// fixed is why a knob cannot be turned here, or "".
func (m *model) fixed(n knob.Name) string { return m.snap.Info.Fixed[n] }

func (m *model) whyTurn() string {
	switch {
	case m.snap.Phase == session.Starting:
		return "the engine is still starting"
	case m.fixed(m.selected().Name) != "":
		k := m.selected()
		return k.Label + ": " + m.fixed(k.Name)
	}
	return ""
}

// turn stages the selected knob's next value.
func (m *model) turn(dir int, fine bool) {
	k := m.selected()
	s := m.draft()
	was := s
	switch k.Name {
	case knob.FP16:
		s.Precision = knob.HalfPrecision - s.Precision
	case knob.BatchDelay:
		s.BatchDelay = time.Duration(math.Round(stepped(was.DelayMS(), dir, fine, delays)*1000)) * time.Microsecond
	case knob.Workers:
		s.Workers = int(stepped(float64(was.Workers), dir, fine, doubles))
	case knob.BatchSize:
		s.BatchSize = int(stepped(float64(was.BatchSize), dir, fine, doubles))
	default:
		_ = s.Set(k.Name, nextOf(k, was.Get(k.Name), dir, fine)) // one of the target's own values
	}
	if err := s.Validate(m.snap.Info.Limits); err != nil {
		m.report(session.Note, false, firstLine(err.Error()))
		return
	}
	m.stage(s)
}

// ladder is the rungs of one round from 1; the next round is base times higher.
type ladder struct {
	base  float64
	rungs []float64
}

// Knobs climb by doublings, delays by 1, 2, 5, loads in finer steps.
var (
	doubles = ladder{2, []float64{1}}
	delays  = ladder{10, []float64{1, 2, 5}}
	nice    = ladder{10, []float64{1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8}}
)

// next is the first rung above v, or below it with a negative dir. Below 1
// there is 0.
func (l ladder) next(v float64, dir int) float64 {
	const slack = 1e-9
	switch {
	case dir < 0 && v < 1+slack:
		return 0
	case v < 1-slack:
		return 1
	}
	unit := math.Pow(l.base, math.Floor(math.Log(v)/math.Log(l.base)+slack))
	if dir > 0 {
		for _, r := range l.rungs {
			if r*unit > v*(1+slack) {
				return r * unit
			}
		}
		return unit * l.base
	}
	for _, r := range slices.Backward(l.rungs) {
		if r*unit < v*(1-slack) {
			return r * unit
		}
	}
	return l.rungs[len(l.rungs)-1] * unit / l.base
}

// stepped is v a step further: to the next rung, or by 1.
func stepped(v float64, dir int, fine bool, l ladder) float64 {
	if fine {
		return max(v+float64(dir), 0)
	}
	return l.next(v, dir)
}

// nextOf is the value of a target's own knob that a step leads to: the next one that
// it lists, or of a range of numbers the next doubling or half, kept within it.
func nextOf(k knob.Knob, now string, dir int, fine bool) string {
	if len(k.Values) > 0 {
		at := slices.Index(k.Values, now)
		if at < 0 {
			return k.Values[0]
		}
		return k.Values[min(max(at+dir, 0), len(k.Values)-1)]
	}
	v, err := strconv.ParseFloat(now, 64)
	if err != nil {
		v = k.Min
	}
	l := doubles
	if k.Fractions {
		l = delays
	}
	v = min(max(stepped(v, dir, fine, l), k.Min), k.Max)
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// askValue opens the field for a typed value.
func (m *model) askValue() tea.Cmd {
	k := m.selected()
	if k.Name == knob.FP16 {
		m.turn(1, false)
		return nil
	}
	m.over = &input{title: k.Label, hint: rangeOf(k), accept: func(text string) error {
		s := m.draft()
		if err := s.Set(k.Name, text); err != nil {
			return err
		}
		if err := s.Validate(m.snap.Info.Limits); err != nil {
			return err
		}
		m.stage(s)
		return nil
	}}
	return nil
}

func rangeOf(k knob.Knob) string {
	if len(k.Values) > 0 {
		return strings.Join(k.Values, ", ")
	}
	return strings.TrimSpace(fmt.Sprintf("%g-%s %s", k.Min, strconv.FormatFloat(k.Max, 'f', -1, 64), k.Unit))
}

// busyEngine is why settings cannot be changed now, or "".
func (m *model) busyEngine() string {
	switch {
	case m.snap.Phase == session.Starting:
		return "the engine is still starting"
	case m.snap.Phase == session.Down:
		return "the engine is down: R restarts it"
	case m.snap.Phase == session.Sweeping:
		return "the sweep owns the engine: p pauses it and hands the knobs back"
	case m.snap.Applying != nil:
		return m.applyingText()
	}
	return ""
}

func (m *model) applyingText() string {
	a := m.snap.Applying
	text := fmt.Sprintf("applying %s, %s", m.difference(m.snap.Settings, a.To), seconds(m.now.Sub(a.Since)))
	if n := len(a.Steps); n > 0 {
		text += ": " + a.Steps[n-1].What
	}
	return text
}

func (m *model) whyApply() string {
	if len(m.edits) == 0 {
		return "nothing is pending: ← → change the selected knob"
	}
	return m.busyEngine()
}

func (m *model) apply() tea.Cmd {
	to := m.draft()
	m.failed = ""
	return m.order("apply", func() error { return m.Bench.Apply(to) })
}

func (m *model) whyDrop() string {
	if len(m.edits) == 0 {
		return "nothing is pending"
	}
	return ""
}

func (m *model) drop() tea.Cmd {
	clear(m.edits)
	m.failed = ""
	return nil
}

func (m *model) whyUndo() string {
	if len(m.snap.Changes) == 0 {
		return "nothing to undo"
	}
	return m.busyEngine()
}

func (m *model) undo() tea.Cmd { return m.order("undo", m.Bench.Undo) }

// measured is the trial of the sweep with these settings, under the live load
// if there is one, or nil.
func (m *model) measured(s knob.Settings) *trial.Trial {
	if m.snap.Sweep == nil {
		return nil
	}
	var out *trial.Trial
	trials := m.snap.Sweep.Trials
	for i := range trials {
		t := &trials[i]
		if t.Settings != s {
			continue
		}
		if t.Load == m.snap.Load.For(s.Workers*s.BatchSize) {
			return t
		}
		out = t
	}
	return out
}
