package tui

import (
	"time"

	tea "charm.land/bubbletea/v2"

	"sweetspot/sweep/session"
)

// How often the screen looks at the workbench.
const (
	steady = 200 * time.Millisecond
	lively = 100 * time.Millisecond // for livelyFor after a key
	calm   = time.Second            // unfocused, or with reduced motion

	livelyFor = 2 * time.Second
)

// interval is the time to the next look.
func (m *model) interval() time.Duration {
	d := steady
	switch {
	case m.ReduceMotion || m.blurred:
		d = calm
	case m.now.Sub(m.keyAt) < livelyFor:
		d = lively
	}
	if m.FPS > 0 {
		d = max(d, time.Second/time.Duration(m.FPS))
	}
	return d
}

// tick is the one command that repeats: each tick starts the next.
func (m *model) tick() tea.Cmd {
	return tea.Tick(m.interval(), func(time.Time) tea.Msg { return tickMsg{} })
}

// call queues a verb. Verbs run one at a time in the order of the keys.
func (m *model) call(v verb) tea.Cmd {
	m.queue = append(m.queue, v)
	if m.calling {
		return nil
	}
	return m.next()
}

// order is call for verbs that only return an error.
func (m *model) order(name string, run func() error) tea.Cmd {
	return m.call(verb{name: name, run: func() (session.Exported, error) { return session.Exported{}, run() }})
}

// next starts the first verb in the queue. It is the only command that calls
// the workbench's verbs, and it touches no model.
func (m *model) next() tea.Cmd {
	m.calling = len(m.queue) > 0
	if !m.calling {
		return nil
	}
	v := m.queue[0]
	m.queue = m.queue[1:]
	return func() tea.Msg {
		out, err := v.run()
		return doneMsg{v, out, err}
	}
}
