package tui

import (
	"fmt"
	"math"
	"time"

	tea "charm.land/bubbletea/v2"

	"sweetspot/sweep/load"
	"sweetspot/sweep/session"
	"sweetspot/tui/chart"
)

// steerFor is how long a load that was asked for is believed without being seen.
const steerFor = 2 * time.Second

const verbLoad = "load"

// loadNow is the live load: what was asked for last.
func (m *model) loadNow() load.Spec {
	if m.steer.want != nil && m.now.Sub(m.steer.at) < steerFor {
		return *m.steer.want
	}
	return m.snap.Load
}

// remember keeps the last load of each mode, to switch back to.
func (m *model) remember(l load.Spec) {
	if m.steer.want != nil && l == *m.steer.want {
		m.steer.want = nil
	}
	switch l.Mode {
	case load.Closed:
		m.steer.closed = l
	case load.Open:
		m.steer.open = l
	}
}

func (m *model) whyLoad() string {
	switch m.snap.Phase {
	case session.Starting:
		return "the engine is still starting"
	case session.Sweeping:
		return "the sweep sends its own load: p pauses it"
	default:
		return ""
	}
}

// whySteer is whyLoad for what needs a number to change.
func (m *model) whySteer() string {
	if m.loadNow().Mode == load.Trace {
		return "a trace brings its own times: l switches to a closed load"
	}
	return m.whyLoad()
}

func (m *model) changeLoad(dir int) tea.Cmd {
	l := m.loadNow()
	if l.Mode == load.Open {
		l.Rate = max(nice.next(l.Rate, dir), 1)
		return m.setLoad(l)
	}
	s := m.snap.Settings
	l = l.For(s.Workers * s.BatchSize)
	l.Matched = false
	n := float64(l.Concurrency)
	for n = nice.next(n, dir); n != math.Trunc(n); n = nice.next(n, dir) {
	}
	l.Concurrency = int(max(n, 1))
	return m.setLoad(l)
}

// switchLoad goes from closed to open and back, to the last load of that mode;
// the first open load is what the closed one got through.
func (m *model) switchLoad() tea.Cmd {
	if m.loadNow().Mode != load.Closed {
		l := m.steer.closed
		if l.Concurrency == 0 && !l.Matched {
			l.Concurrency = 10
		}
		return m.setLoad(l)
	}
	l := m.steer.open
	if l.Mode != load.Open {
		rate := m.snap.Live.RPS.Or(50)
		l = load.Spec{Mode: load.Open, Rate: max(nice.next(rate, -1), 1)}
	}
	return m.setLoad(l)
}

func (m *model) setLoad(l load.Spec) tea.Cmd {
	m.steer.want, m.steer.at = &l, m.now
	m.remember(m.snap.Load)
	return m.order(verbLoad, func() error { return m.Bench.SetLoad(l) })
}

// hold asks the workbench in its turn, so that two quick keys cancel out.
func (m *model) hold() tea.Cmd {
	return m.order("hold", func() error { return m.Bench.HoldLoad(m.Bench.Snapshot().LoadOn) })
}

// whyRecord refuses to begin a recording of nothing; one under way can be ended
// at any time.
func (m *model) whyRecord() string {
	if m.snap.Recording != nil {
		return ""
	}
	return m.whyLoad()
}

// record starts or ends a recording of the live traffic.
func (m *model) record() tea.Cmd {
	return m.order("record", func() error { return m.Bench.Record(m.Bench.Snapshot().Recording == nil) })
}

func (m *model) whyExport() string {
	if m.snap.Phase == session.Starting {
		return "the engine is still starting: nothing to export yet"
	}
	return ""
}

// export writes the settings in force, or in Sweep those of the selected trial.
func (m *model) export() tea.Cmd {
	n := 0
	if t := m.picked(); m.view == sweeps && t != nil {
		n = t.N
	}
	return m.call(verb{name: "export", logged: true, run: func() (session.Exported, error) { return m.Bench.Export(n) }})
}

func (m *model) whyRestart() string {
	if m.snap.Phase != session.Down {
		return "the engine is up"
	}
	return ""
}

func (m *model) restart() tea.Cmd { return m.order("restart", m.Bench.Restart) }

// timeSpans are how many seconds the charts show; 0 is one a column.
var timeSpans = [...]int{0, 120, 300, 600}

// scale lets the axes of the charts follow the data.
func (m *model) scale() {
	s := m.data
	now := m.snap.At
	m.axes.p99 = m.axes.p99.Next(now, chart.Wanted(s.p99, s.limit))
	m.axes.rps = m.axes.rps.Next(now, chart.Wanted(s.rps, 0))
	m.axes.busy = m.axes.busy.Next(now, chart.Wanted(s.busy, 0))
}

// comparison is the traffic before a change, kept until the one after it has
// settled.
type comparison struct {
	change session.Change
	live   session.Live
}

// settle notices applied changes and tells what they did once the figures are
// of the new settings alone.
func (m *model) settle(old *session.Snapshot) {
	s := m.snap
	if n := len(s.Changes); n > len(old.Changes) {
		m.before = &comparison{s.Changes[n-1], old.Live}
		return
	}
	b := m.before
	if b == nil || s.Live.Transient || s.Phase != session.Serving || !s.Live.P99.OK() {
		return
	}
	m.before = nil
	if !b.live.P99.OK() || b.live.Transient {
		return // nothing to compare with
	}
	m.report(session.Note, true, fmt.Sprintf("A%d settled: %s: P99 %s→%s ms, %s→%s/s",
		b.change.N, m.difference(b.change.From, b.change.To),
		na(b.live.P99), na(s.Live.P99), na(b.live.RPS), na(s.Live.RPS)))
}
