package tui

import tea "charm.land/bubbletea/v2"

// jumpLetters are those of the jump mode, the ones that are easy to reach first.
const jumpLetters = "asdfghjklqwertyuiopzxcvbnm"

// jump shows a letter on everything that can be clicked; the letter clicks it.
type jump struct{ areas []clickArea }

func (m *model) openJump() tea.Cmd {
	areas := m.frame().clickAreas
	m.dialog = &jump{areas[:min(len(areas), len(jumpLetters))]}
	return nil
}

func (j *jump) key(m *model, k tea.KeyPressMsg) tea.Cmd {
	m.dialog = nil
	for i, a := range j.areas {
		if k.Text == jumpLetters[i:i+1] {
			a.onClick()
		}
	}
	return nil
}

func (j *jump) draw(_ *model, p pane) {
	for i, a := range j.areas {
		p.text(a.x, a.y, jumpLetters[i:i+1], styleTab)
	}
}
