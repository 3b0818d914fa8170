package tui

import "sweetspot/sweep/session"

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
	after  func(out session.Exported) // called in Update after a success; nil does nothing
	failed func(err error)            // likewise after an error
}
