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

// liveKnobs are those of the seven standard knobs that the Live view can always change, in
// the order of the screen. The device follows them, see showsDevice.
var liveKnobs = [...]knob.Name{knob.Workers, knob.BatchSize, knob.BatchDelay, knob.FP16}

// knobs describes all knobs that the target has or for which trials have values.
func (m *model) knobs() knob.Table {
	t := m.snap.Info.Knobs().WithOwn(m.snap.Settings.Own)
	if s := m.snap.Sweep; s != nil {
		for i := range s.Trials {
			t = t.WithOwn(s.Trials[i].Settings.Own)
		}
	}
	return t
}

// shownKnobs are the knobs that the Live view shows: liveKnobs, then the target's own.
// If the target has knobs of its own, those of liveKnobs that it lacks are left out.
func (m *model) shownKnobs() []knob.Knob {
	own := m.snap.Info.Knobs().Own()
	var out []knob.Knob
	for _, n := range liveKnobs {
		k, _ := knob.Get(n)
		if len(own) == 0 || m.fixedReason(n) == "" || m.snap.Settings.Has(n) {
			out = append(out, k)
		}
	}
	if m.showsDevice() {
		k, _ := knob.Get(knob.Device)
		out = append(out, k)
	}
	return append(out, own...)
}

// showsDevice reports whether the device is among the knobs: on this machine, if the model can run on several ones, or the
// reason is known why it cannot. Elsewhere it is one of the other settings.
func (m *model) showsDevice() bool {
	i := m.snap.Info
	return i.Machine == "" && m.snap.Settings.Has(knob.Device) && (len(i.Limits.Devices()) > 1 || i.Fixed[knob.Device] != "")
}

// selectedKnob is the knob that the keys change.
func (m *model) selectedKnob() knob.Knob {
	all := m.shownKnobs()
	return all[min(m.knobIndex, len(all)-1)]
}

// inForce is the settings of the engine now: those of the current trial while a sweep
// runs.
func (m *model) inForce() knob.Settings {
	if s := m.snap.Sweep; m.snap.Phase == session.Sweeping && s != nil && s.Current != nil {
		return s.Current.Point.Settings
	}
	return m.snap.Settings
}

// pendingSettings is the settings in force with all pending changes.
func (m *model) pendingSettings() knob.Settings {
	s := m.snap.Settings
	for n, text := range m.pending {
		_ = s.Set(n, text) // cannot fail: setPending got the text from settings
	}
	return s
}

// setPending makes every value pending in which s differs from the settings in force.
func (m *model) setPending(s knob.Settings) {
	m.applyError = ""
	clear(m.pending)
	for _, k := range m.knobs() {
		if text := s.Get(k.Name); text != m.snap.Settings.Get(k.Name) {
			m.pending[k.Name] = text
		}
	}
}

// dropApplied removes pending values that are in force now. If an apply ended without
// a change, it stores the reason.
func (m *model) dropApplied(old *session.Snapshot) {
	for n, text := range m.pending {
		if m.snap.Settings.Get(n) == text {
			delete(m.pending, n)
		}
	}
	if old.Applying == nil || m.snap.Applying != nil || len(m.snap.Changes) != len(old.Changes) {
		return
	}
	m.applyError = "the change was not applied"
	for _, msg := range newMessages(old.Messages, m.snap.Messages) {
		if msg.Level == session.Error {
			m.applyError = msg.Text
		}
	}
}

// fixedReason is why a knob of this target cannot be changed, or "".
func (m *model) fixedReason(n knob.Name) string {
	i := m.snap.Info
	if n == knob.BatchSize && i.Model.Name != "" && !i.Limits.BatchAxis && i.Fixed[n] == "" && i.Machine == "" {
		if i.Model.BatchWhy != "" {
			return i.Model.BatchWhy
		}
		return "the model has no batch axis"
	}
	return i.Fixed[n]
}

// cannotChangeKnob is why the selected knob cannot be changed now, or "".
func (m *model) cannotChangeKnob() string {
	switch {
	case m.snap.Phase == session.Starting:
		return "the engine is still starting"
	case m.fixedReason(m.selectedKnob().Name) != "":
		k := m.selectedKnob()
		return k.Label + ": " + m.fixedReason(k.Name)
	}
	return ""
}

// changeKnob makes the next higher (dir 1) or lower (dir -1) value of the selected
// knob pending. byOne changes numbers by 1 instead of a step.
func (m *model) changeKnob(dir int, byOne bool) {
	k := m.selectedKnob()
	s := m.pendingSettings()
	old := s
	switch k.Name {
	case knob.FP16:
		if s.Precision = knob.HalfPrecision; old.Precision == knob.HalfPrecision {
			s.Precision = knob.FullPrecision
		}
	case knob.Device:
		k.Values = m.snap.Info.Limits.Devices()
		s.Device = nextOwnValue(k, old.Device, dir, byOne)
	case knob.BatchDelay:
		s.BatchDelay = time.Duration(math.Round(nextNumber(old.DelayMS(), dir, byOne, delaySteps)*1000)) * time.Microsecond
	case knob.Workers:
		s.Workers = int(nextNumber(float64(old.Workers), dir, byOne, doublings))
	case knob.BatchSize:
		s.BatchSize = int(nextNumber(float64(old.BatchSize), dir, byOne, doublings))
	default:
		_ = s.Set(k.Name, nextOwnValue(k, old.Get(k.Name), dir, byOne)) // cannot fail: it is a value of the knob
	}
	if err := s.Validate(m.snap.Info.Limits); err != nil {
		m.report(session.Note, false, firstLine(err.Error()))
		return
	}
	m.setPending(s)
}

// stepSeries is a geometric series of preferred values: each step multiplied by each
// power of base. The steps are ascending, from 1 to below base.
type stepSeries struct {
	base  float64
	steps []float64
}

// The series of most knobs, of delays, and of loads.
var (
	doublings  = stepSeries{2, []float64{1}}
	delaySteps = stepSeries{10, []float64{1, 2, 5}}
	loadSteps  = stepSeries{10, []float64{1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8}}
)

// next is the next value of the series above v, or below v if dir is negative. The
// value below 1 is 0.
func (s stepSeries) next(v float64, dir int) float64 {
	const tolerance = 1e-9
	switch {
	case dir < 0 && v < 1+tolerance:
		return 0
	case v < 1-tolerance:
		return 1
	}
	power := math.Pow(s.base, math.Floor(math.Log(v)/math.Log(s.base)+tolerance))
	if dir > 0 {
		for _, step := range s.steps {
			if step*power > v*(1+tolerance) {
				return step * power
			}
		}
		return power * s.base
	}
	for _, step := range slices.Backward(s.steps) {
		if step*power < v*(1-tolerance) {
			return step * power
		}
	}
	return s.steps[len(s.steps)-1] * power / s.base
}

// nextNumber is the number after v in direction dir, in the series or by one.
func nextNumber(v float64, dir int, byOne bool, s stepSeries) float64 {
	if byOne {
		return max(v+float64(dir), 0)
	}
	return s.next(v, dir)
}

// nextOwnValue is the value after current of a target's own knob: the next of its
// list, or the next number of a series within its range.
func nextOwnValue(k knob.Knob, current string, dir int, byOne bool) string {
	if len(k.Values) > 0 {
		i := slices.Index(k.Values, current)
		if i < 0 {
			return k.Values[0]
		}
		return k.Values[min(max(i+dir, 0), len(k.Values)-1)]
	}
	v, err := strconv.ParseFloat(current, 64)
	if err != nil {
		v = k.Min
	}
	s := doublings
	if k.Fractions {
		s = delaySteps
	}
	v = min(max(nextNumber(v, dir, byOne, s), k.Min), k.Max)
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// openInput opens a dialog to type the value of the selected knob. FP16 has only two
// values, so it is switched at once.
func (m *model) openInput() tea.Cmd {
	k := m.selectedKnob()
	if k.Name == knob.FP16 {
		m.changeKnob(1, false)
		return nil
	}
	m.dialog = &input{title: k.Label, hint: rangeText(k), accept: func(text string) error {
		s := m.pendingSettings()
		if err := s.Set(k.Name, text); err != nil {
			return err
		}
		if err := s.Validate(m.snap.Info.Limits); err != nil {
			return err
		}
		m.setPending(s)
		return nil
	}}
	return nil
}

// whyNoFP16 is why the model cannot run in FP16 on the device in force, or "".
func (m *model) whyNoFP16() string {
	s := m.pendingSettings()
	s.Precision = knob.HalfPrecision
	return m.snap.Info.Limits.WhyNot(s)
}

// rangeText is the allowed values of a knob.
func rangeText(k knob.Knob) string {
	if k.Name == knob.Device {
		return k.Help
	}
	if len(k.Values) > 0 {
		return strings.Join(k.Values, ", ")
	}
	return strings.TrimSpace(fmt.Sprintf("%g-%s %s", k.Min, strconv.FormatFloat(k.Max, 'f', -1, 64), k.Unit))
}

// cannotChangeSettings is why settings cannot be changed now, or "".
func (m *model) cannotChangeSettings() string {
	switch {
	case m.snap.Phase == session.Starting:
		return "the engine is still starting"
	case m.snap.Phase == session.Down && m.snap.Info.Machine != "":
		return "there is no connection to the server: R connects again"
	case m.snap.Phase == session.Down:
		return "the engine is down: R restarts it"
	case m.returning():
		return returningText
	case m.snap.Phase == session.Sweeping:
		return "a sweep uses the engine: p pauses it to change settings"
	case m.snap.Applying != nil:
		return m.applyingText()
	}
	return ""
}

// returning reports whether a sweep has ended or paused and the user's settings are being put back. A server that is
// started for each of its settings takes some time for that.
func (m *model) returning() bool {
	s := m.snap.Sweep
	return m.snap.Phase == session.Sweeping && s != nil && (s.State.Ended() || s.State == session.Paused)
}

const returningText = "your settings are being put back after the sweep"

func (m *model) applyingText() string {
	a := m.snap.Applying
	text := fmt.Sprintf("applying %s, %s", m.changeText(m.snap.Settings, a.To), tenths(m.now.Sub(a.Since)))
	if n := len(a.Steps); n > 0 {
		text += ": " + a.Steps[n-1].What
	}
	return text
}

// applyingCount is how many values the running apply changes.
func (m *model) applyingCount() int {
	n := 0
	for _, k := range m.knobs() {
		if knobValue(m.snap.Settings, k.Name) != knobValue(m.snap.Applying.To, k.Name) {
			n++
		}
	}
	return n
}

func (m *model) cannotApply() string {
	if len(m.pending) == 0 {
		return "nothing is pending: ← → change the selected knob"
	}
	return m.cannotChangeSettings()
}

func (m *model) apply() tea.Cmd {
	to := m.pendingSettings()
	m.applyError = ""
	return m.enqueueFunc("apply", func() error { return m.Workbench.Apply(to) })
}

func (m *model) cannotDrop() string {
	if len(m.pending) == 0 {
		return "nothing is pending"
	}
	return ""
}

// drop drops the pending changes. It takes the key twice, because esc also closes dialogs.
func (m *model) drop() tea.Cmd {
	const soon = 2 * time.Second
	if m.now.Sub(m.dropAsked) > soon {
		m.dropAsked = m.now
		m.report(session.Note, false, "esc again drops "+plural(len(m.pending), "pending change"))
		return nil
	}
	m.report(session.Note, false, "dropped "+plural(len(m.pending), "pending change"))
	m.dropAsked = time.Time{}
	clear(m.pending)
	m.applyError, m.stagedN = "", 0
	return nil
}

func (m *model) cannotUndo() string {
	if m.snap.Undoable == 0 {
		return "nothing to undo"
	}
	return m.cannotChangeSettings()
}

func (m *model) cannotRedo() string {
	if m.snap.Redoable == 0 {
		return "nothing to redo"
	}
	return m.cannotChangeSettings()
}

func (m *model) redo() tea.Cmd { return m.enqueueFunc("redo", m.Workbench.Redo) }

func (m *model) cannotUseBaseline() string {
	switch {
	case m.snap.Phase == session.Starting:
		return "the engine is still starting"
	case m.snap.Baseline == m.pendingSettings():
		return "the settings of the start are in force or pending already"
	}
	return ""
}

// baseline makes the settings of the start pending.
func (m *model) baseline() tea.Cmd {
	m.setPending(m.snap.Baseline)
	return nil
}

func (m *model) undo() tea.Cmd { return m.enqueueFunc("undo", m.Workbench.Undo) }

// measuredTrial is the row of the sweep with these settings, or nil: the one that was loaded as
// pending, or else one under the live load, or else the last one. It is a single run only if that was
// loaded from the table of every trial.
func (m *model) measuredTrial(s knob.Settings) *trial.Trial {
	if m.snap.Sweep == nil {
		return nil
	}
	var out *trial.Trial
	trials := m.snap.Sweep.Trials
	sameLoad := false
	for i := range trials {
		t := &trials[i]
		same := t.Load == m.snap.Load.For(s.Workers*s.BatchSize)
		switch {
		case t.Settings != s:
		case t.N == m.stagedN && !m.table.perSetting():
			return t
		case t.N == m.stagedN:
			return m.rowTrialOf(t)
		case same || !sameLoad:
			out, sameLoad = t, same
		}
	}
	if out == nil {
		return nil
	}
	return m.rowTrialOf(out)
}

// rowTrialOf is the row of all runs to which a trial of the sweep belongs.
func (m *model) rowTrialOf(t *trial.Trial) *trial.Trial {
	row := rowOf(m.snap.Sweep, t)
	return rowTrial(m.snap.Sweep, &row)
}
