package tui

import (
	"time"

	tea "charm.land/bubbletea/v2"

	"sweetspot/sweep/session"
)

// The time between two polls of the workbench.
const (
	normalInterval = 200 * time.Millisecond
	fastInterval   = 100 * time.Millisecond // for fastDuration after a key
	slowInterval   = time.Second            // without focus, or with reduced motion

	fastDuration = 2 * time.Second
)

// pollInterval is the time until the next poll.
func (m *model) pollInterval() time.Duration {
	d := normalInterval
	switch {
	case m.ReduceMotion || m.blurred:
		d = slowInterval
	case m.now.Sub(m.lastKey) < fastDuration:
		d = fastInterval
	}
	if m.FPS > 0 {
		d = max(d, time.Second/time.Duration(m.FPS))
	}
	return d
}

// tick is the only command that repeats: each tick starts the next one.
func (m *model) tick() tea.Cmd {
	return tea.Tick(m.pollInterval(), func(time.Time) tea.Msg { return tickMsg{} })
}

// enqueue runs an action after those that wait already. Actions run one at a time,
// in the order of the keys.
func (m *model) enqueue(a action) tea.Cmd {
	m.actions = append(m.actions, a)
	if m.actionRunning {
		return nil
	}
	return m.startNext()
}

// enqueueFunc is enqueue for a method that only returns an error.
func (m *model) enqueueFunc(name string, run func() error) tea.Cmd {
	return m.enqueue(action{name: name, run: func() (session.Exported, error) { return session.Exported{}, run() }})
}

// startNext starts the first action that waits. Its command is the only one that
// calls methods of the workbench other than Snapshot. Commands must not use the
// model, because they run in goroutines of their own.
func (m *model) startNext() tea.Cmd {
	m.actionRunning = len(m.actions) > 0
	if !m.actionRunning {
		return nil
	}
	a := m.actions[0]
	m.actions = m.actions[1:]
	return func() tea.Msg {
		out, err := a.run()
		return actionDoneMsg{a, out, err}
	}
}
