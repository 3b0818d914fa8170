package tui

import "sweetspot/sweep/session"

// tickMsg asks for a look at the workbench.
type tickMsg struct{}

// doneMsg is a verb that returned.
type doneMsg struct {
	verb verb
	out  session.Exported // of Export
	err  error
}

// verb is a call of the workbench waiting for its turn.
type verb struct {
	name   string // begins the text of a refusal: "apply", "export"
	logged bool   // the workbench's messages tell how it went
	run    func() (session.Exported, error)
}
