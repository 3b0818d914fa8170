package tui

import (
	"fmt"

	tea "charm.land/bubbletea/v2"
)

// overlay is a dialog over the view. It sees the keys first; esc closes it.
type overlay interface {
	key(m *model, k tea.KeyPressMsg) tea.Cmd
	draw(m *model, p pane)
}

// confirm asks before what is hard to take back. The safe answer is the
// default.
type confirm struct {
	title, text string
	yes, no     string
	do          func() tea.Cmd
}

func (c *confirm) key(m *model, k tea.KeyPressMsg) tea.Cmd {
	switch k.String() {
	case "y":
		m.over = nil
		return c.do()
	case "n", "esc", "enter", "q":
		m.over = nil
	}
	return nil
}

func (c *confirm) draw(m *model, p pane) {
	w := min(64, p.w)
	lines := len(wrap(c.text, w-6))
	in := p.at(centred(m.w, m.h, w, lines+6)).box(c.title)
	in = in.sub(2, 0, in.w-4, in.h)
	in.lines(0, 1, c.text, inkText)
	in.line(0, in.h-1, bold("y"), plain(" "+c.yes+"    "), span{"n", inkAccent}, plain(" "+c.no), dim("  (enter, esc)"))
}

// input is a field for one typed value. Its cursor is always at the end: the
// values are short.
type input struct {
	title, hint string
	text        string
	accept      func(text string) error // an error keeps the field open and is shown
	problem     string
}

// typed adds to the field.
func (in *input) typed(s string) {
	const most = 20
	in.problem = ""
	for _, r := range s {
		if r, n := oneOf(r); n == 1 && len(in.text) < most {
			in.text += string(r)
		}
	}
}

func (in *input) key(m *model, k tea.KeyPressMsg) tea.Cmd {
	switch k.String() {
	case "esc":
		m.over = nil
	case "enter":
		if err := in.accept(in.text); err != nil {
			in.problem = firstLine(err.Error())
			return nil
		}
		m.over = nil
	case "backspace":
		if r := []rune(in.text); len(r) > 0 {
			in.text = string(r[:len(r)-1])
		}
	case "ctrl+u":
		in.text = ""
	default:
		in.typed(k.Text)
	}
	return nil
}

func (in *input) draw(m *model, p pane) {
	box := p.at(centred(m.w, m.h, 58, 6)).box("Type a value")
	box = box.sub(2, 0, box.w-4, box.h)
	box.line(0, 1, bold(in.title+" "), plain(in.text), span{" ", inkTab}, dim("  "+in.hint))
	box.text(0, 2, in.problem, inkFail)
	box.line(0, 3, bold("enter"), dim(" makes it pending  "), bold("esc"), dim(" cancels"))
}

// scroller is where an overlay longer than the screen stands.
type scroller struct {
	from int  // first line shown
	end  bool // stays at the last line
}

// move goes by lines, pages or to an end of n lines of which h are shown, and
// reports whether the key closes the overlay.
func (s *scroller) move(k tea.KeyPressMsg, n, h int) (closes bool) {
	from, end := s.part(n, h), false
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
	s.from = s.part(n, h)
	return false
}

// part is the first of n lines to show when h fit.
func (s *scroller) part(n, h int) int {
	last := max(n-h, 0)
	if s.end {
		return last
	}
	return min(max(s.from, 0), last)
}

func more(from, shown, n int) string {
	if n <= shown {
		return "esc closes"
	}
	return fmt.Sprintf("%d-%d of %d · ↑↓ scroll · esc closes", from+1, min(from+shown, n), n)
}
