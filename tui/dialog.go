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

// typedText is the text of a key. A terminal that reports keys by their names has none for the space.
func typedText(k tea.KeyPressMsg) string {
	if k.Text == "" && k.Code == tea.KeySpace && k.Mod == 0 {
		return " "
	}
	return k.Text
}

// inserter is a dialog into which text can be typed and pasted.
type inserter interface{ insert(s string) }

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
	heading     string // of the dialog; "" is that of a value of a knob
	title, hint string
	text        string
	effect      string                             // of enter; "" is that of a value of a knob
	longest     int                                // number of runes; 0 is enough for a value
	accept      func(text string) error            // if it fails, the dialog shows the error and stays open
	then        func(text string) (tea.Cmd, error) // instead of accept: also starts an action
	problem     string                             // the error shown
}

// insert appends s to the text.
func (in *input) insert(s string) {
	longest := 20
	if in.longest > 0 {
		longest = in.longest
	}
	in.problem = ""
	for _, r := range s {
		if r, n := displayRune(r); n > 0 && len([]rune(in.text)) < longest {
			in.text += string(r)
		}
	}
}

func (in *input) key(m *model, k tea.KeyPressMsg) tea.Cmd {
	switch k.String() {
	case "esc":
		m.dialog = nil
	case "enter":
		var cmd tea.Cmd
		var err error
		if in.then != nil {
			cmd, err = in.then(in.text)
		} else {
			err = in.accept(in.text)
		}
		if err != nil {
			in.problem = firstLine(err.Error())
			return nil
		}
		m.dialog = nil
		return cmd
	case "backspace":
		if r := []rune(in.text); len(r) > 0 {
			in.text = string(r[:len(r)-1])
		}
	case "ctrl+u":
		in.text = ""
	case "ctrl+e":
		if in.longest > 0 {
			return m.edit(in)
		}
	default:
		in.insert(typedText(k))
	}
	return nil
}

func (in *input) draw(m *model, p pane) {
	heading, effect := "Type a value", "makes it pending"
	if in.heading != "" {
		heading, effect = in.heading, in.effect
	}
	w := 58
	if in.longest > 0 {
		w = 78
	}
	box := p.at(centred(m.w, m.h, w, 6)).box(heading)
	box = box.sub(2, 0, box.w-4, box.h)
	x := box.line(0, 1, bold(in.title+" "))
	text := in.text // its end is visible
	for width(text) > max(box.w-x-1, 1) {
		text = string([]rune(text)[1:])
	}
	box.line(x, 1, plain(text), span{" ", styleTab}, dim("  "+in.hint))
	box.text(0, 2, in.problem, styleFail)
	x = box.line(0, 3, bold("enter"), dim(" "+effect+"  "), bold("esc"), dim(" cancels"))
	if in.longest > 0 && len(m.Editor) > 0 {
		box.line(x, 3, plain("  "), bold("ctrl+e"), dim(" opens "+m.Editor[0]))
	}
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
