package chart

import (
	"strings"
	"unicode"

	"github.com/charmbracelet/x/ansi"
)

// Colors are the parameters of SGR sequences, such as "33" or "38;5;208", one
// for each part of a chart. An empty one keeps the default color of the
// terminal; the zero value draws without any escape sequence.
type Colors struct {
	Axis, Data, SLA, Over, Mark, Text string
}

// DefaultColors uses the 16 colors that a terminal's theme defines, so that the
// chart is readable on dark and light backgrounds.
func DefaultColors() Colors {
	return Colors{Axis: "90", Data: "36", SLA: "33", Over: "31", Mark: "35"}
}

// part is the part of a chart that a cell belongs to; it decides the color.
type part uint8

const (
	partNone part = iota
	partAxis
	partData
	partSLA
	partOver // data beyond the SLA
	partMark
	partText
)

func (c Colors) of(p part) string {
	return [...]string{partNone: "", partAxis: c.Axis, partData: c.Data, partSLA: c.SLA, partOver: c.Over, partMark: c.Mark, partText: c.Text}[p]
}

// cell holds one rune that is exactly one cell wide.
type cell struct {
	r    rune
	part part
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

func (c *canvas) set(x, y int, r rune, p part) {
	if x >= 0 && x < c.w && y >= 0 && y < c.h {
		c.cells[y*c.w+x] = cell{r, p}
	}
}

// row is row y between the columns from and to.
func (c *canvas) row(y, from, to int) []cell { return c.cells[y*c.w+from : y*c.w+to] }

// text writes s from (x, y) to the right.
func (c *canvas) text(x, y int, s string, p part) {
	for _, r := range cellsOf(s) {
		c.set(x, y, r, p)
		x++
	}
}

// cellsOf is s as runes of one cell each. Terminals differ in which runes they
// join into one cluster, so it keeps only scripts and symbols that none joins.
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

// findRun finds the rightmost n consecutive cells that hold r, and returns the
// first of them. It prefers a place with one more such cell on each side.
func findRun(row []cell, r rune, n int) (int, bool) {
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
		current := "" // the SGR parameters in effect
		for _, cell := range c.row(y, 0, c.w) {
			if sgr := colors.of(cell.part); sgr != current {
				b.WriteString("\x1b[" + sgr + "m") // an empty parameter resets
				current = sgr
			}
			if ascii {
				cell.r = toASCII(cell.r)
			}
			b.WriteRune(cell.r)
		}
		if current != "" {
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
