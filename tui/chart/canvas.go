package chart

import (
	"strings"
	"unicode"

	"github.com/charmbracelet/x/ansi"
)

// Colors are the parameters of SGR sequences, such as "33" or "38;5;208", one
// for each part of a chart. An empty one leaves the terminal's own colour; the
// zero value draws without any escape sequence.
type Colors struct {
	Axis, Data, SLA, Over, Mark, Text string
}

// DefaultColors uses the 16 colours a terminal's theme defines, so the chart
// stays readable on dark and light backgrounds.
func DefaultColors() Colors {
	return Colors{Axis: "90", Data: "36", SLA: "33", Over: "31", Mark: "35"}
}

// ink is the part of a chart a cell belongs to.
type ink uint8

const (
	inkNone ink = iota
	inkAxis
	inkData
	inkSLA
	inkOver // data beyond the SLA
	inkMark
	inkText
)

func (c Colors) of(i ink) string {
	return [...]string{inkNone: "", inkAxis: c.Axis, inkData: c.Data, inkSLA: c.SLA, inkOver: c.Over, inkMark: c.Mark, inkText: c.Text}[i]
}

// cell holds one rune that is exactly one cell wide.
type cell struct {
	r   rune
	ink ink
}

// canvas is a grid of cells. Writing outside it does nothing.
type canvas struct {
	w, h  int
	cells []cell // row by row from the top
}

func newCanvas(w, h int) *canvas {
	c := &canvas{w: max(w, 0), h: max(h, 0)}
	c.cells = make([]cell, c.w*c.h)
	for i := range c.cells {
		c.cells[i].r = ' '
	}
	return c
}

func (c *canvas) set(x, y int, r rune, i ink) {
	if x >= 0 && x < c.w && y >= 0 && y < c.h {
		c.cells[y*c.w+x] = cell{r, i}
	}
}

// row is row y between the columns from and to.
func (c *canvas) row(y, from, to int) []cell { return c.cells[y*c.w+from : y*c.w+to] }

// text writes s from (x, y) to the right.
func (c *canvas) text(x, y int, s string, i ink) {
	for _, r := range cellsOf(s) {
		c.set(x, y, r, i)
		x++
	}
}

// cellsOf is s as runes of one cell each. Which runes join into one cluster
// differs between terminals, so only scripts and symbols that never do so pass.
func cellsOf(s string) []rune {
	out := make([]rune, 0, len(s))
	for _, r := range ansi.Strip(s) {
		if !single(r) {
			r = '?'
		}
		out = append(out, r)
	}
	return out
}

func single(r rune) bool {
	switch {
	case r < 0x80:
		return r >= ' ' && r < 0x7f
	case r < 0x250, r >= 0x2010 && r < 0x2600:
		return unicode.IsPrint(r) && ansi.StringWidth(string(r)) == 1
	}
	return false
}

// free finds the rightmost run of n cells of the given rune, with a margin of
// one where there is room for it, and returns its first cell.
func free(row []cell, r rune, n int) (int, bool) {
	for _, margin := range []int{1, 0} {
		run := 0
		for i := len(row) - 1; i >= 0; i-- {
			if row[i].r != r {
				run = 0
				continue
			}
			if run++; run == n+2*margin {
				return i + margin, true
			}
		}
	}
	return 0, false
}

// lines renders the canvas: h strings of w cells.
func (c *canvas) lines(ascii bool, colors Colors) []string {
	out := make([]string, c.h)
	var b strings.Builder
	for y := range out {
		b.Reset()
		b.Grow(3 * c.w)
		on := ""
		for _, cell := range c.row(y, 0, c.w) {
			if sgr := colors.of(cell.ink); sgr != on {
				b.WriteString("\x1b[" + sgr + "m") // an empty parameter resets
				on = sgr
			}
			if ascii {
				cell.r = toASCII(cell.r)
			}
			b.WriteRune(cell.r)
		}
		if on != "" {
			b.WriteString("\x1b[m")
		}
		out[y] = b.String()
	}
	return out
}

func toASCII(r rune) rune {
	switch r {
	case '─', '╴', '╶':
		return '-'
	case '│', '┤':
		return '|'
	case '╭', '╮', '╰', '╯', '┼', '└':
		return '+'
	case '┄':
		return '.'
	case '▲':
		return '^'
	case '▸':
		return '>'
	}
	if r < 0x80 {
		return r
	}
	return '?'
}
