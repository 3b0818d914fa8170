package tui

import (
	"fmt"
	"slices"
	"strings"

	"sweetspot/tui/chart"
)

// span is text in one style.
type span struct {
	s     string
	style styleID
}

func plain(s string) span   { return span{s, styleText} }
func dim(s string) span     { return span{s, styleDim} }
func bold(s string) span    { return span{s, styleBold} }
func warning(s string) span { return span{s, styleWarn} }

// line writes spans from column x of row y and returns the column after them.
func (p pane) line(x, y int, spans ...span) int {
	for _, s := range spans {
		x = p.text(x, y, s.s, s.style)
	}
	return x
}

// alignRight writes spans at the right end of row y and returns their first column. If
// they would start before column from, it writes nothing and returns p.w.
func (p pane) alignRight(from, y int, spans ...span) int {
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

// box draws a border with a title at the left and spans at the right of its top, and
// returns the pane inside. If not all of the spans fit, the first ones are left out.
func (p pane) box(title string, right ...span) pane {
	if p.w < 2 || p.h < 2 {
		return p.sub(0, 0, 0, 0)
	}
	p.clear()
	p.horizontalBorder(0, '╭', '╮')
	p.horizontalBorder(p.h-1, '╰', '╯')
	for y := 1; y < p.h-1; y++ {
		p.fill(0, 1, y, '│', styleDim)
		p.fill(p.w-1, p.w, y, '│', styleDim)
	}
	top := p.sub(2, 0, p.w-4, 1)
	end := 0
	if title != "" {
		end = top.line(0, 0, plain(" "), bold(title), plain(" "))
	}
	for avail := p.w - 4 - end - 3; spansWidth(right) > avail; {
		if len(right) == 0 {
			return p.sub(1, 1, p.w-2, p.h-2)
		}
		right = right[1:]
	}
	if len(right) > 0 {
		top.alignRight(0, 0, append(append([]span{plain(" ")}, right...), plain(" "))...)
	}
	return p.sub(1, 1, p.w-2, p.h-2)
}

func (p pane) horizontalBorder(y int, left, right rune) {
	p.fill(0, 1, y, left, styleDim)
	p.fill(1, p.w-1, y, '─', styleDim)
	p.fill(p.w-1, p.w, y, right, styleDim)
}

// boxWith is box with a hint before the spans, unless it is empty.
func (p pane) boxWith(title string, hint span, right ...span) pane {
	if hint.s == "" {
		return p.box(title, right...)
	}
	if len(right) > 0 {
		hint.s += " "
	}
	return p.box(title, append([]span{hint}, right...)...)
}

// bottomText writes spans at the left of the bottom border of a box.
func (p pane) bottomText(spans ...span) {
	if p.h < 2 || p.w < 8 {
		return
	}
	bottom := p.sub(2, p.h-1, p.w-4, 1)
	bottom.line(0, 0, append(append([]span{plain(" ")}, spans...), plain(" "))...)
}

// plot is a chart of the chart package.
type plot interface {
	Draw(w, h int, sym chart.Symbols) *chart.Grid
}

// chart draws a chart over the whole pane.
func (p pane) chart(c plot) {
	g := c.Draw(p.w, p.h, p.c.symbols)
	for y := range g.H {
		for x, cell := range g.Row(y) {
			p.c.set(p.x+x, p.y+y, cell.Rune, 1, partStyles[cell.Part])
		}
	}
}

// partStyles are the styles of the parts of a chart.
var partStyles = [...]styleID{
	chart.PartNone: styleText, chart.PartAxis: styleDim, chart.PartData: styleData, chart.PartSLA: styleSLA,
	chart.PartOver: styleFail, chart.PartMark: styleMark, chart.PartText: styleText, chart.PartFaint: styleDim,
	chart.PartGood: stylePass, chart.PartUnsure: styleWarn, chart.PartSelected: styleAccent,
}

// paragraph writes wrapped text from row y and returns the row after it.
func (p pane) paragraph(x, y int, s string, style styleID) int {
	return p.paragraphs(x, y, span{s, style})
}

// paragraphs writes texts below each other, each wrapped, and returns the row after them. If there is no room for all of
// them, the last visible line ends with an ellipsis.
func (p pane) paragraphs(x, y int, texts ...span) int {
	lines := wrapAll(texts, p.w-x)
	for _, l := range elided(lines, p.h-y, p.w-x) {
		p.line(x, y, l)
		y++
	}
	return y
}

// more writes an ellipsis at the end of the last row if a list of n lines does not fit.
func (p pane) more(n int) {
	if n > p.h && p.h > 0 {
		p.text(p.w-1, p.h-1, "…", styleDim)
	}
}

// wrapAll breaks texts into lines of at most w cells.
func wrapAll(texts []span, w int) []span {
	var out []span
	for _, t := range texts {
		for _, l := range wrap(t.s, w) {
			out = append(out, span{l, t.style})
		}
	}
	return out
}

// elided are the first h lines, of w cells. The last one ends with an ellipsis if there are more.
func elided(lines []span, h, w int) []span {
	if h <= 0 {
		return nil
	}
	if len(lines) <= h {
		return lines
	}
	out := slices.Clone(lines[:h])
	for len(out) > 1 && out[len(out)-1].s == "" {
		out = out[:len(out)-1]
	}
	last := &out[len(out)-1]
	last.s = withEllipsis(last.s, w)
	return out
}

// withEllipsis is s with an ellipsis at its end, in at most w cells.
func withEllipsis(s string, w int) string {
	if width(s)+2 <= w {
		return s + " …"
	}
	head, _ := cut(s, max(w-1, 1))
	return strings.TrimRight(head, " ") + "…"
}

// wholeTexts are the lines of the first texts that fit whole into h lines of w cells. If not even the first does, it is cut.
func wholeTexts(texts []span, w, h int) []span {
	var out []span
	for i, t := range texts {
		lines := wrapAll([]span{t}, w)
		if len(out)+len(lines) > h {
			if i == 0 {
				return elided(lines, h, w)
			}
			break
		}
		out = append(out, lines...)
	}
	return out
}

// wrap breaks s at blanks into lines of at most w cells. A word that is longer is split.
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

// parts writes spans from the left, as many as fit whole; the first one always.
func (p pane) parts(spans ...span) {
	n := len(spans)
	for n > 1 && spansWidth(spans[:n]) > p.w {
		n--
	}
	p.line(0, 0, spans[:n]...)
}

// position says in the bottom border of a list which of n rows is selected, if not all of them fit into visible rows, and
// then more.
func (p pane) position(selected, n, visible int, more ...span) {
	if n > visible {
		gap := ""
		if len(more) > 0 {
			gap = "  "
		}
		more = append([]span{dim(fmt.Sprintf("%d of %d%s", selected+1, n, gap))}, more...)
	}
	if len(more) > 0 {
		p.bottomText(more...)
	}
}

// cut splits s after at most w cells, but not before the first rune.
func cut(s string, w int) (head, tail string) {
	n := 0
	for i, r := range s {
		_, cells := displayRune(r)
		if n += cells; n > w && i > 0 {
			return s[:i], s[i:]
		}
	}
	return s, ""
}
