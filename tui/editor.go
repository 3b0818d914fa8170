package tui

import (
	"fmt"
	"os"
	"os/exec"
	"strings"

	tea "charm.land/bubbletea/v2"

	"sweetspot/sweep/session"
)

// editedMsg is the text of a dialog after it was edited in the user's editor.
type editedMsg struct {
	in   *input
	text string
	err  error
}

// edit opens the text of a dialog in the user's editor. The load and the measurements continue.
func (m *model) edit(in *input) tea.Cmd {
	if len(m.Editor) == 0 {
		in.problem = "set EDITOR to the command of your editor"
		return nil
	}
	f, err := os.CreateTemp("", "sweetspot-*.txt")
	if err == nil {
		_, err = f.WriteString(in.text + "\n")
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
	}
	if err != nil {
		in.problem = firstLine(err.Error())
		return nil
	}
	path := f.Name()
	command := exec.Command(m.Editor[0], append(m.Editor[1:len(m.Editor):len(m.Editor)], path)...)
	return m.runEditor(command, func(err error) tea.Msg {
		data, readErr := os.ReadFile(path)
		_ = os.Remove(path) // the folder of temporary files
		if err == nil {
			err = readErr
		}
		return editedMsg{in, strings.Join(strings.Fields(string(data)), " "), err}
	})
}

// edited puts the text from the editor into its dialog, if that is still open.
func (m *model) edited(msg editedMsg) {
	switch {
	case msg.err != nil:
		m.report(session.Error, true, fmt.Sprintf("editor %s: %v", m.Editor[0], msg.err))
	case m.dialog == dialog(msg.in):
		msg.in.text = ""
		msg.in.insert(msg.text)
	}
}
