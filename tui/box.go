package tui

import (
	"strings"

	"sweetspot/tui/chart"
)

// span is text in one ink.
type span struct {
	s   string
	ink ink
}

func plain(s string) span   { return span{s, inkText} }
func dim(s string) span     { return span{s, inkDim} }
func bold(s string) span    { return span{s, inkBold} }
func warning(s string) span { return span{s, inkWarn} }

// line writes spans from column x of row y and returns the column after them.
func (p pane) line(x, y int, spans ...span) int {
	for _, s := range spans {
		x = p.text(x, y, s.s, s.ink)
	}
	return x
}

// right writes spans flush right in row y, if there are as many free columns
// from column from on, and returns their first column, or p.w.
func (p pane) right(from, y int, spans ...span) int {
	n := spansWidth(spans)
	if n == 0 || p.w-n < from {
		return p.w
	}
	p.line(p.w-n, y, spans...)
	return p.w - n
}

func spansWidth(spans []span) int {
	n := 0
	for _, s := range spans {
		n += width(s.s)
	}
	return n
}

// box draws a frame with a title and spans at its upper right, and returns the
// inside. Of the right spans the first ones are left out where all do not fit.
func (p pane) box(title string, right ...span) pane {
	if p.w < 2 || p.h < 2 {
		return p.sub(0, 0, 0, 0)
	}
	p.clear()
	p.edge(0, '╭', '╮')
	p.edge(p.h-1, '╰', '╯')
	for y := 1; y < p.h-1; y++ {
		p.fill(0, 1, y, '│', inkDim)
		p.fill(p.w-1, p.w, y, '│', inkDim)
	}
	top := p.sub(2, 0, p.w-4, 1)
	end := 0
	if title != "" {
		end = top.line(0, 0, plain(" "), bold(title), plain(" "))
	}
	for room := p.w - 4 - end - 3; spansWidth(right) > room; {
		if len(right) == 0 {
			return p.sub(1, 1, p.w-2, p.h-2)
		}
		right = right[1:]
	}
	if len(right) > 0 {
		top.right(0, 0, append(append([]span{plain(" ")}, right...), plain(" "))...)
	}
	return p.sub(1, 1, p.w-2, p.h-2)
}

func (p pane) edge(y int, left, right rune) {
	p.fill(0, 1, y, left, inkDim)
	p.fill(1, p.w-1, y, '─', inkDim)
	p.fill(p.w-1, p.w, y, right, inkDim)
}

// under writes spans into the lower border of a box, at the left.
func (p pane) under(spans ...span) {
	if p.h < 2 || p.w < 8 {
		return
	}
	low := p.sub(2, p.h-1, p.w-4, 1)
	low.line(0, 0, append(append([]span{plain(" ")}, spans...), plain(" "))...)
}

// chart draws s over the whole pane. The chart package marks the parts of a
// chart with sequences; here they carry the name of an ink.
func (p pane) chart(s chart.Spec) {
	s.Width, s.Height = p.w, p.h
	s.Colors = chart.Colors{Axis: "a", Data: "d", SLA: "s", Over: "o", Mark: "k", Text: "t"}
	inks := map[string]ink{"a": inkDim, "d": inkData, "s": inkSLA, "o": inkFail, "k": inkMark}
	for y, l := range chart.Line(s) {
		x, on := 0, inkText
		for l != "" {
			if rest, ok := strings.CutPrefix(l, "\x1b["); ok {
				name, after, _ := strings.Cut(rest, "m")
				on, l = inks[name], after
				continue
			}
			part := l
			if before, _, ok := strings.Cut(l, "\x1b"); ok {
				part = before
			}
			x, l = p.text(x, y, part, on), l[len(part):]
		}
	}
}

// lines writes wrapped text into the pane from row y and returns the row after.
func (p pane) lines(x, y int, s string, i ink) int {
	for _, l := range wrap(s, p.w-x) {
		if y >= p.h {
			break
		}
		p.text(x, y, l, i)
		y++
	}
	return y
}

// wrap breaks s at blanks into lines of at most w cells; a longer word is cut.
func wrap(s string, w int) []string {
	if w < 1 {
		return nil
	}
	var out []string
	for para := range strings.SplitSeq(s, "\n") {
		line := ""
		for word := range strings.FieldsSeq(para) {
			for width(word) > w {
				head, tail := cut(word, w)
				if line != "" {
					out, line = append(out, line), ""
				}
				out, word = append(out, head), tail
			}
			switch {
			case line == "":
				line = word
			case width(line)+1+width(word) <= w:
				line += " " + word
			default:
				out, line = append(out, line), word
			}
		}
		out = append(out, line)
	}
	return out
}

// cut splits s after at most w cells, and after one rune at least.
func cut(s string, w int) (head, tail string) {
	n := 0
	for i, r := range s {
		_, cells := oneOf(r)
		if n += cells; n > w && i > 0 {
			return s[:i], s[i:]
		}
	}
	return s, ""
}
