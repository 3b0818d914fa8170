package tui

import (
	"math"
	"time"

	tea "charm.land/bubbletea/v2"

	"sweetspot/sweep/load"
	"sweetspot/sweep/session"
)

// requestTimeout is how long the screen shows a requested load that no snapshot has
// confirmed.
const requestTimeout = 2 * time.Second

const loadAction = "load"

// currentLoad is the load that was last requested, or the live load of the snapshot.
func (m *model) currentLoad() load.Spec {
	if m.liveLoad.requested != nil && m.now.Sub(m.liveLoad.requestedAt) < requestTimeout {
		return *m.liveLoad.requested
	}
	return m.snap.Load
}

// noteLoad stores l, the live load of a snapshot, as the last load of its mode.
func (m *model) noteLoad(l load.Spec) {
	if m.liveLoad.requested != nil && l == *m.liveLoad.requested {
		m.liveLoad.requested = nil
	}
	switch l.Mode {
	case load.Closed:
		m.liveLoad.lastClosed = l
	case load.Open:
		m.liveLoad.lastOpen = l
	}
}

// cannotControlLoad is why the load cannot be held or switched now, or "".
func (m *model) cannotControlLoad() string {
	switch m.snap.Phase {
	case session.Starting:
		return "the engine is still starting"
	case session.Sweeping:
		if m.returning() {
			return returningText
		}
		return "the sweep sends its own load: p pauses it"
	default:
		return ""
	}
}

// cannotChangeLoad is why the load cannot be increased or decreased now, or "".
func (m *model) cannotChangeLoad() string {
	if m.currentLoad().Mode == load.Trace {
		return "a trace has its own send times: l switches to a closed load"
	}
	return m.cannotControlLoad()
}

// changeLoad increases (dir 1) or decreases (dir -1) the rate or the concurrency.
func (m *model) changeLoad(dir int) tea.Cmd {
	l := m.currentLoad()
	if l.Mode == load.Open {
		l.Rate = max(loadSteps.next(l.Rate, dir), 1)
		return m.setLoad(l)
	}
	s := m.snap.Settings
	l = l.For(s.Workers * s.BatchSize)
	l.Matched = false
	n := float64(l.Concurrency)
	for n = loadSteps.next(n, dir); n != math.Trunc(n); n = loadSteps.next(n, dir) {
	}
	l.Concurrency = int(max(n, 1))
	return m.setLoad(l)
}

// switchLoad changes from a closed to an open load or back, to the last load of that
// mode. The first open load is slightly below the throughput of the closed load.
func (m *model) switchLoad() tea.Cmd {
	if m.currentLoad().Mode != load.Closed {
		l := m.liveLoad.lastClosed
		if l.Concurrency == 0 && !l.Matched {
			l.Concurrency = 10
		}
		return m.setLoad(l)
	}
	l := m.liveLoad.lastOpen
	if l.Mode != load.Open {
		rate := m.snap.Live.RPS.Or(50)
		l = load.Spec{Mode: load.Open, Rate: max(loadSteps.next(rate, -1), 1)}
	}
	return m.setLoad(l)
}

func (m *model) setLoad(l load.Spec) tea.Cmd {
	m.liveLoad.requested, m.liveLoad.requestedAt = &l, m.now
	m.noteLoad(m.snap.Load)
	return m.enqueueFunc(loadAction, func() error { return m.Workbench.SetLoad(l) })
}

// holdLoad stops or resumes the live load. It reads the state when the action runs,
// so that pressing the key twice quickly has no effect.
func (m *model) holdLoad() tea.Cmd {
	return m.enqueueFunc("hold", func() error { return m.Workbench.HoldLoad(m.Workbench.Snapshot().LoadOn) })
}

// cannotRecord is why recording cannot be started or stopped now, or "". It can be
// stopped at any time.
func (m *model) cannotRecord() string {
	if m.snap.Recording != nil {
		return ""
	}
	return m.cannotControlLoad()
}

// record starts or stops a recording of the live traffic.
func (m *model) record() tea.Cmd {
	return m.enqueueFunc("record", func() error { return m.Workbench.Record(m.Workbench.Snapshot().Recording == nil) })
}

func (m *model) cannotExport() string {
	if m.snap.Phase == session.Starting {
		return "the engine is still starting: nothing to export yet"
	}
	return ""
}

// engineDown reports whether the engine has failed.
func (m *model) engineDown() bool { return m.snap.Phase == session.Down }

// isSilent reports whether requests get no answer.
func (m *model) isSilent() bool {
	return m.snap.Phase == session.Serving && m.snap.LoadOn && m.snap.Live.Silent > 0
}

// silentText says how long requests have got no answer.
func silentText(s *session.Snapshot) string { return "no answer for " + wholeSeconds(s.Live.Silent) }

// cannotRestart is why the engine cannot be restarted now, or "". One that hangs can be.
func (m *model) cannotRestart() string {
	if !m.engineDown() && !(m.isSilent() && m.snap.CanKill) {
		return "the engine is running"
	}
	return ""
}

func (m *model) restart() tea.Cmd { return m.enqueueFunc("restart", m.Workbench.Restart) }

// timeSpans are the lengths of the time axis in seconds; 0 is one second per column.
var timeSpans = [...]int{0, 120, 300, 600}

// suspend holds the load and then stops the program until the shell continues it. While it is
// stopped it can send no requests: those of an open load would all be sent at once afterwards.
func (m *model) suspend() tea.Cmd {
	if m.Follow || m.snap.Phase != session.Serving || !m.snap.LoadOn {
		return m.stop
	}
	m.heldToSuspend = true
	hold := func() (session.Exported, error) { return session.Exported{}, m.Workbench.HoldLoad(true) }
	return m.enqueue(action{name: "suspend", run: hold, then: m.stop})
}

// stop restores the terminal and stops the program. It is a command.
func (m *model) stop() tea.Msg {
	if m.WillStop != nil {
		m.WillStop()
	}
	return tea.Suspend()
}

// suspendMsg is a request to suspend from outside of the screen.
type suspendMsg struct{}

// awaitSuspend waits for such a request; nil if there are none.
func (m *model) awaitSuspend() tea.Cmd {
	if m.Suspend == nil {
		return nil
	}
	return func() tea.Msg {
		<-m.Suspend
		return suspendMsg{}
	}
}

// cannotSuspend is why the program cannot be stopped now, or "".
func (m *model) cannotSuspend() string {
	switch {
	case m.Follow:
	case m.returning():
		return returningText
	case m.snap.Phase == session.Sweeping:
		return "a trial is being measured: p pauses the sweep first"
	}
	return ""
}

// resumed resumes the load that suspend has held.
func (m *model) resumed() tea.Cmd {
	m.poll()
	if !m.heldToSuspend {
		return nil
	}
	m.heldToSuspend = false
	m.report(session.Note, true, "continued; the load was held meanwhile")
	return m.enqueueFunc("hold", func() error { return m.Workbench.HoldLoad(false) })
}
