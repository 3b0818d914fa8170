package tui

import (
	"fmt"

	tea "charm.land/bubbletea/v2"

	"sweetspot/sweep/rank"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// sweeping tells whether a sweep is under way, paused or not.
func (m *model) sweeping() bool { return m.snap.Sweep != nil && !m.snap.Sweep.State.Ended() }

// pausing tells whether a sweep holds or is about to.
func pausing(s *session.Sweep) bool {
	return s.State == session.Pausing || s.State == session.Paused
}

// progress is how much of a sweep is done, in percent.
func progress(s *session.Sweep) float64 {
	total := max(s.Total, len(s.Trials))
	if total == 0 {
		return 0
	}
	return float64(len(s.Trials)) / float64(total) * 100
}

func (m *model) whySweep() string {
	if m.sweeping() {
		if m.view == live {
			return "" // s shows it
		}
		return fmt.Sprintf("the sweep is %v: p pauses or resumes it, X aborts it", m.snap.Sweep.State)
	}
	return m.busyEngine()
}

// sweep starts a sweep and shows it.
func (m *model) sweep() tea.Cmd {
	m.view = sweeps
	if m.sweeping() {
		return nil
	}
	m.pick = 0
	return m.order("sweep", m.Bench.StartSweep)
}

func (m *model) whyRunning() string {
	switch {
	case !m.sweeping():
		return "no sweep is running: s starts one"
	case m.snap.Sweep.State == session.Aborting:
		return "the sweep ends after the trial at hand"
	}
	return ""
}

func (m *model) pause() tea.Cmd {
	on := !pausing(m.snap.Sweep)
	return m.order("pause", func() error { return m.Bench.PauseSweep(on) })
}

func (m *model) askAbort() tea.Cmd {
	s := m.snap.Sweep
	m.over = &confirm{
		title: "Abort the sweep?",
		text: fmt.Sprintf("It ends after the trial at hand with %s measured. Its profile is kept at %s",
			plural(len(s.Trials), "trial"), s.Path),
		yes: "abort it", no: "let it run",
		do: func() tea.Cmd { return m.order("abort", m.Bench.AbortSweep) },
	}
	return nil
}

// quit ends the program, and asks first if that ends a sweep.
func (m *model) quit() tea.Cmd {
	if !m.sweeping() || m.Follow {
		return tea.Quit
	}
	m.over = &confirm{
		title: "Quit while a sweep runs?",
		text:  keptText(m.snap.Sweep),
		yes:   "quit", no: "stay",
		do: func() tea.Cmd { return tea.Quit },
	}
	return nil
}

// keptText says that nothing is lost, and how to go on.
func keptText(s *session.Sweep) string {
	if s.ID == "" {
		return "The sweep has measured nothing yet."
	}
	return fmt.Sprintf("%s measured. The profile is kept at %s; go on with: sweetspot --sweep --resume=%s",
		plural(len(s.Trials), "trial"), s.Path, s.ID)
}

// interrupt is ctrl+c: it quits like q, and the second time at once.
func (m *model) interrupt() tea.Cmd {
	if !m.stopAt.IsZero() && m.now.Sub(m.stopAt) < livelyFor {
		return tea.Quit
	}
	m.stopAt = m.now
	return m.quit()
}

func (m *model) whyTrial() string {
	if m.picked() == nil {
		if m.Follow {
			return "no trial yet"
		}
		return "no trial yet: s starts a sweep"
	}
	return ""
}

// loadTrial makes a trial's settings pending. Nothing is applied from a table.
func (m *model) loadTrial() tea.Cmd {
	t := m.picked()
	m.stage(t.Settings)
	m.view = live
	text := fmt.Sprintf("trial #%d is pending: enter applies it", t.N)
	if len(m.edits) == 0 {
		text = fmt.Sprintf("the settings of trial #%d are in force already", t.N)
	}
	m.report(session.Note, false, text)
	return nil
}

func (m *model) sort() tea.Cmd {
	m.inOrder = !m.inOrder
	return nil
}

// follow tells of a new leader, once each.
func (m *model) follow(old *session.Snapshot) {
	best, was := leadOf(m.snap.Sweep), leadOf(old.Sweep)
	if best == nil || old.Sweep == nil || !m.sweeping() || was != nil && was.N == best.N || m.view == sweeps {
		return
	}
	what := "best so far"
	if bestOf(m.snap.Sweep) == nil {
		what = "leading, not validated yet"
	}
	m.report(session.Note, false, fmt.Sprintf("%s: trial #%d, %s/s at P99 %s ms", what, best.N, na(best.Throughput.Value), na(best.Latency.P99.Value)))
}

// lead is the sweep's best row, false if it does not look like a pass.
func lead(s *session.Sweep) (row rank.Row, ok bool) {
	if s == nil || s.Best < 0 || s.Best >= len(s.Trials) {
		return rank.Row{}, false
	}
	row = rank.RowOf(s.Trials, s.Best)
	return row, row.Verdict().Likely() == trial.Pass
}

// leadOf is the sweep's best row if it looks like a pass, or nil.
func leadOf(s *session.Sweep) *trial.Trial {
	if r, ok := lead(s); ok {
		return standing(s, r)
	}
	return nil
}

// bestOf is leadOf where a validation has confirmed it, or nil.
func bestOf(s *session.Sweep) *trial.Trial {
	if r, ok := lead(s); ok && r.Validated {
		return standing(s, r)
	}
	return nil
}
