package tui

import (
	"fmt"

	tea "charm.land/bubbletea/v2"
)

// dialog is drawn over the view. While it is open it gets all keys; esc closes it.
type dialog interface {
	key(m *model, k tea.KeyPressMsg) tea.Cmd
	draw(m *model, p pane)
}

// confirm asks before an action that is hard to undo. The safe answer is the
// default.
type confirm struct {
	title, text string
	yes, no     string
	onYes       func() tea.Cmd
}

func (c *confirm) key(m *model, k tea.KeyPressMsg) tea.Cmd {
	switch k.String() {
	case "y":
		m.dialog = nil
		return c.onYes()
	case "n", "esc", "enter", "q":
		m.dialog = nil
	}
	return nil
}

func (c *confirm) draw(m *model, p pane) {
	w := min(64, p.w)
	lines := len(wrap(c.text, w-6))
	in := p.at(centred(m.w, m.h, w, lines+6)).box(c.title)
	in = in.sub(2, 0, in.w-4, in.h)
	in.paragraph(0, 1, c.text, styleText)
	in.line(0, in.h-1, bold("y"), plain(" "+c.yes+"    "), span{"n", styleAccent}, plain(" "+c.no), dim("  (enter, esc)"))
}

// input is a dialog to type one value. The cursor is always at the end, because
// values are short.
type input struct {
	title, hint string
	text        string
	accept      func(text string) error // if it fails, the dialog shows the error and stays open
	problem     string                  // the error shown
}

// insert appends s to the text.
func (in *input) insert(s string) {
	const maxLength = 20
	in.problem = ""
	for _, r := range s {
		if r, n := displayRune(r); n == 1 && len(in.text) < maxLength {
			in.text += string(r)
		}
	}
}

func (in *input) key(m *model, k tea.KeyPressMsg) tea.Cmd {
	switch k.String() {
	case "esc":
		m.dialog = nil
	case "enter":
		if err := in.accept(in.text); err != nil {
			in.problem = firstLine(err.Error())
			return nil
		}
		m.dialog = nil
	case "backspace":
		if r := []rune(in.text); len(r) > 0 {
			in.text = string(r[:len(r)-1])
		}
	case "ctrl+u":
		in.text = ""
	default:
		in.insert(k.Text)
	}
	return nil
}

func (in *input) draw(m *model, p pane) {
	box := p.at(centred(m.w, m.h, 58, 6)).box("Type a value")
	box = box.sub(2, 0, box.w-4, box.h)
	box.line(0, 1, bold(in.title+" "), plain(in.text), span{" ", styleTab}, dim("  "+in.hint))
	box.text(0, 2, in.problem, styleFail)
	box.line(0, 3, bold("enter"), dim(" makes it pending  "), bold("esc"), dim(" cancels"))
}

// scroller is the scroll position of a dialog.
type scroller struct {
	from int  // the first visible line
	end  bool // the last line stays visible when lines are added
}

// scroll handles a key in a dialog that shows h of its n lines. Every key that does not
// scroll closes the dialog; closes reports that.
func (s *scroller) scroll(k tea.KeyPressMsg, n, h int) (closes bool) {
	from, end := s.firstVisible(n, h), false
	switch k.String() {
	case "up", "k":
		from--
	case "down", "j":
		from++
	case "pgup":
		from -= h
	case "pgdown", "space":
		from += h
	case "home":
		from = 0
	case "end":
		end = true
	default:
		return true
	}
	s.from, s.end = from, end
	s.from = s.firstVisible(n, h)
	return false
}

// firstVisible is the index of the first visible line, if h of n lines are shown.
func (s *scroller) firstVisible(n, h int) int {
	last := max(n-h, 0)
	if s.end {
		return last
	}
	return min(max(s.from, 0), last)
}

// scrollHint is the text at the top right of a dialog that scrolls.
func scrollHint(from, shown, n int) string {
	if n <= shown {
		return "esc closes"
	}
	return scrolled(from, shown, n) + " · ↑↓ scroll · esc closes"
}

// scrolled is which of n lines are visible.
func scrolled(from, shown, n int) string {
	return fmt.Sprintf("%d-%d of %d", from+1, min(from+shown, n), n)
}
