package tui

import (
	tea "charm.land/bubbletea/v2"

	"sweetspot/sweep/session"
)

// tickMsg causes a poll of the workbench.
type tickMsg struct{}

// actionDoneMsg is the result of an action.
type actionDoneMsg struct {
	action action
	out    session.Exported // of Export
	err    error
}

// action is a call of a method of the workbench.
type action struct {
	name   string // prefix of its errors: "apply", "export"
	logged bool   // the workbench adds its result to the messages of the snapshot
	run    func() (session.Exported, error)
	quiet  bool                                  // its error is not reported, because done shows it
	done   func(out session.Exported, err error) // called in Update, may enqueue other actions; nil does nothing
	then   tea.Cmd                               // after it; nil for nothing
}
