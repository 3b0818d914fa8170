package tui

import (
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"sweetspot/engine/knob"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// sweepActive reports whether there is a sweep that has not ended; it may be paused.
func (m *model) sweepActive() bool { return m.snap.Sweep != nil && !m.snap.Sweep.State.Ended() }

// pausingOrPaused reports whether a sweep is paused or will be after its current trial.
func pausingOrPaused(s *session.Sweep) bool {
	return s.State == session.Pausing || s.State == session.Paused
}

// progressPercent is the part of the trials that is measured.
func progressPercent(s *session.Sweep) float64 {
	total := max(s.Total, len(s.Trials))
	if total == 0 {
		return 0
	}
	return float64(len(s.Trials)) / float64(total) * 100
}

// cannotSweep is why the key s does not work now, or "".
func (m *model) cannotSweep() string {
	if m.sweepActive() {
		if m.view == liveView {
			return "" // the key shows the running sweep
		}
		return fmt.Sprintf("the sweep is %v: p pauses or resumes it, X aborts it", m.snap.Sweep.State)
	}
	return m.cannotChangeSettings()
}

// startOrShowSweep opens the Sweep view, and the dialog that starts a sweep if none is running.
func (m *model) startOrShowSweep() tea.Cmd {
	m.view = sweepView
	if m.sweepActive() {
		return nil
	}
	return m.openStart()
}

// cannotControlSweep is why the sweep cannot be paused, resumed or aborted now, or "".
func (m *model) cannotControlSweep() string {
	switch {
	case !m.sweepActive():
		return "no sweep is running: s starts one"
	case m.snap.Sweep.State == session.Aborting:
		return "the sweep ends after the current trial"
	}
	return ""
}

func (m *model) togglePause() tea.Cmd {
	on := !pausingOrPaused(m.snap.Sweep)
	return m.enqueueFunc("pause", func() error { return m.Workbench.PauseSweep(on) })
}

func (m *model) askAbort() tea.Cmd {
	s := m.snap.Sweep
	m.dialog = &confirm{
		title: "Abort the sweep?",
		text: fmt.Sprintf("The sweep ends after the current trial; %s measured so far. The profile stays at %s",
			plural(len(s.Trials), "trial"), shortPath(s.Path)),
		yes: "abort", no: "continue",
		onYes: func() tea.Cmd { return m.enqueueFunc("abort", m.Workbench.AbortSweep) },
	}
	return nil
}

// quit ends the program. It asks first if that would end a sweep.
func (m *model) quit() tea.Cmd {
	if !m.sweepActive() || m.Follow {
		return tea.Quit
	}
	m.dialog = &confirm{
		title: "Quit while a sweep runs?",
		text:  resumeText(m.snap.Sweep),
		yes:   "quit", no: "stay",
		onYes: func() tea.Cmd { return tea.Quit },
	}
	return nil
}

// resumeText is where the profile of a sweep is, and the command that resumes it.
func resumeText(s *session.Sweep) string {
	if s.ID == "" {
		return "The sweep has measured nothing yet."
	}
	return fmt.Sprintf("%s measured. The profile stays at %s; resume with: sweetspot --sweep --resume=%s",
		plural(len(s.Trials), "trial"), shortPath(s.Path), s.ID)
}

// interruptWindow is how soon a second ctrl+c must follow the first to quit at once.
const interruptWindow = 2 * time.Second

// interrupt handles ctrl+c: the first one quits like the key q, the second without
// asking.
func (m *model) interrupt() tea.Cmd {
	if !m.lastInterrupt.IsZero() && m.now.Sub(m.lastInterrupt) < interruptWindow {
		return tea.Quit
	}
	m.lastInterrupt = m.now
	return m.quit()
}

// cannotUseTrial is why the keys for trials do not work now, or "".
func (m *model) cannotUseTrial() string {
	if m.selectedTrial() == nil {
		if m.table.filter != "" && m.snap.Sweep != nil && len(m.snap.Sweep.Trials) > 0 {
			return "no row matches the filter: / changes it"
		}
		switch {
		case m.Follow:
			return "no trial yet"
		case m.sweepActive():
			return "no trial has ended yet"
		}
		return "no trial yet: s starts a sweep"
	}
	return ""
}

// cannotSort is why the table of trials cannot be sorted or filtered now, or "".
func (m *model) cannotSort() string {
	if s := m.snap.Sweep; s != nil && len(s.Trials) > 0 {
		return ""
	}
	return m.cannotUseTrial()
}

// stageTrial makes the settings of the selected trial pending and opens the Live view.
// It does not apply them.
func (m *model) stageTrial() tea.Cmd {
	t := m.selectedTrial()
	m.stage(t.Settings, t.N, fmt.Sprintf("the settings of trial #%d", t.N))
	return nil
}

// stage makes settings pending and opens the Live view. They are of trial n, or of none if n is 0; what
// names them in the message. A running sweep uses the engine: then they wait.
func (m *model) stage(s knob.Settings, n int, what string) {
	m.setPending(s)
	m.stagedN = n
	m.view = liveView
	text := what + " are pending: enter applies them"
	switch {
	case len(m.pending) == 0:
		text = what + " are yours already"
	case m.returning():
		text = what + " are pending: " + returningText + ", then enter applies them"
	case m.snap.Phase == session.Sweeping:
		text = what + " are pending: p pauses the sweep, then enter applies them"
	}
	m.report(session.Note, false, text)
}

// announceBest reports in the Live view that a running sweep has a new best row.
func (m *model) announceBest(old *session.Snapshot) {
	best, previous := mostPromising(m.snap.Sweep), mostPromising(old.Sweep)
	if best == nil || old.Sweep == nil || !m.sweepActive() || previous != nil && previous.N == best.N || m.view == sweepView {
		return
	}
	what := "best so far"
	if validatedBest(m.snap.Sweep) == nil {
		what = "most promising, not validated"
	}
	m.report(session.Note, false, fmt.Sprintf("%s: trial #%d, %s", what, best.N, rateAtPercentile(best, m.snap.Sweep.Plan.SLA)))
}

// promisingRow is the sweep's best row. ok is false if no row seems to pass.
func promisingRow(s *session.Sweep) (row rank.Row, ok bool) {
	if s == nil || s.Best < 0 || s.Best >= len(s.Trials) {
		return rank.Row{}, false
	}
	if i := s.Unconfirmed; s.Choice == nil && s.State.Ended() && i >= 0 && i < len(s.Trials) {
		if row = rank.RowOf(s.Trials, i); row.Verdict().Likely() == trial.Pass { // what the sweep calls the most promising
			return row, true
		}
	}
	row = rank.RowOf(s.Trials, s.Best)
	return row, row.Verdict().Likely() == trial.Pass
}

// mostPromising is the trial of the sweep's best row, or nil if no row seems to pass.
func mostPromising(s *session.Sweep) *trial.Trial {
	if r, ok := promisingRow(s); ok {
		return rowTrial(s, &r)
	}
	return nil
}

// validatedBest is mostPromising if a validation has confirmed it, or nil.
func validatedBest(s *session.Sweep) *trial.Trial {
	if r, ok := promisingRow(s); ok && r.Validated {
		return rowTrial(s, &r)
	}
	return nil
}
