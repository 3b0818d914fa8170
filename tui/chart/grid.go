package chart

import (
	"strings"
	"unicode"

	"github.com/charmbracelet/x/ansi"
)

// Part is the part of a chart that a cell belongs to; it decides the color.
type Part uint8

// The parts of a chart.
const (
	PartNone     Part = iota // blank
	PartAxis                 // axes and their labels
	PartData                 // values within the SLA, and values without an SLA
	PartSLA                  // the line of the SLA and its label
	PartOver                 // values beyond the SLA, failed settings
	PartMark                 // marks in time
	PartText                 // messages in a chart without data
	PartFaint                // predicted values, values from before a change
	PartGood                 // passed settings
	PartUnsure               // undecided settings
	PartSelected             // what is selected
	partCount
)

// Cell holds one rune that is exactly one cell wide.
type Cell struct {
	Rune rune
	Part Part
}

// Grid is a drawn chart: H rows of W cells.
type Grid struct {
	W, H  int
	Cells []Cell // row by row from the top
}

// Row returns the cells of row y.
func (g *Grid) Row(y int) []Cell { return g.Cells[y*g.W : (y+1)*g.W] }

func newGrid(w, h int) *Grid {
	g := &Grid{W: max(w, 0), H: max(h, 0)}
	g.Cells = make([]Cell, g.W*g.H)
	for i := range g.Cells {
		g.Cells[i].Rune = ' '
	}
	return g
}

// set writes one rune. Writing outside of the grid does nothing.
func (g *Grid) set(x, y int, r rune, p Part) {
	if x >= 0 && x < g.W && y >= 0 && y < g.H {
		g.Cells[y*g.W+x] = Cell{r, p}
	}
}

// at is the cell at (x, y), the zero Cell outside of the grid.
func (g *Grid) at(x, y int) Cell {
	if x >= 0 && x < g.W && y >= 0 && y < g.H {
		return g.Cells[y*g.W+x]
	}
	return Cell{}
}

// row is row y between the columns from and to.
func (g *Grid) row(y, from, to int) []Cell { return g.Cells[y*g.W+from : y*g.W+to] }

// text writes s from (x, y) to the right, and returns the column after it.
func (g *Grid) text(x, y int, s string, p Part) int {
	for _, r := range s {
		g.set(x, y, r, p)
		x++
	}
	return x
}

// centered writes s in the middle of row y.
func (g *Grid) centered(y int, s string, p Part) {
	s = oneCellEach(s)
	g.text(max((g.W-runes(s))/2, 0), y, s, p)
}

// oneCellEach is s with runes of one cell each. Terminals differ in which runes
// they join into one cluster, so it keeps only scripts and symbols that none joins.
func oneCellEach(s string) string {
	return strings.Map(func(r rune) rune {
		if !single(r) {
			return '?'
		}
		return r
	}, ansi.Strip(s))
}

func single(r rune) bool {
	switch {
	case r < 0x80:
		return r >= ' ' && r < 0x7f
	case r < 0x250, r >= 0x2010 && r < 0x2600:
		return unicode.IsPrint(r) && ansi.StringWidth(string(r)) == 1
	}
	return r == '★'
}

// runes is the number of runes of s.
func runes(s string) int {
	n := 0
	for range s {
		n++
	}
	return n
}

// findRun finds the rightmost n consecutive cells that hold r, and returns the
// first of them. It prefers a place with one more such cell on each side.
func findRun(row []Cell, r rune, n int) (int, bool) {
	for _, margin := range []int{1, 0} {
		run := 0
		for i := len(row) - 1; i >= 0; i-- {
			if row[i].Rune != r {
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

// Colors are the parameters of SGR sequences, such as "33" or "38;5;208", one
// for each part of a chart. An empty one keeps the default color of the
// terminal; the zero value draws without any escape sequence.
type Colors [partCount]string

// DefaultColors uses the 16 colors that a terminal's theme defines, so that the
// chart is readable on dark and light backgrounds.
func DefaultColors() Colors {
	return Colors{PartAxis: "90", PartData: "36", PartSLA: "33", PartOver: "31", PartMark: "35", PartFaint: "90", PartGood: "34", PartUnsure: "33", PartSelected: "1"}
}

// Lines renders the grid: H strings of W cells.
func (g *Grid) Lines(colors Colors) []string {
	out := make([]string, g.H)
	var b strings.Builder
	for y := range out {
		b.Reset()
		b.Grow(3 * g.W)
		current := "" // the SGR parameters in effect
		for _, cell := range g.Row(y) {
			if sgr := colors[cell.Part]; sgr != current {
				b.WriteString("\x1b[" + sgr + "m") // an empty parameter resets
				current = sgr
			}
			b.WriteRune(cell.Rune)
		}
		if current != "" {
			b.WriteString("\x1b[m")
		}
		out[y] = b.String()
	}
	return out
}

// Symbols are the characters that charts are drawn with.
type Symbols uint8

// The kinds of Symbols.
const (
	Braille Symbols = iota // 2 columns and 4 levels in a cell
	Blocks                 // 1 column and 8 levels in a cell, for fonts without Braille
	ASCII                  // 1 column and 1 level in a cell
)

// draw draws on a new grid. If draw panics, because of a bug here or in the plot
// library, it returns a message instead of the chart.
func draw(w, h int, sym Symbols, onto func(*Grid)) (g *Grid) {
	defer func() {
		if recover() != nil {
			g = newGrid(w, h)
			g.text(0, 0, "cannot draw this chart", PartText)
		}
	}()
	g = newGrid(w, h)
	onto(g)
	if sym == ASCII {
		for i := range g.Cells {
			g.Cells[i].Rune = ToASCII(g.Cells[i].Rune)
		}
	}
	return g
}

// ToASCII is the character that stands for r where only ASCII can be drawn. Legends
// need it to show the same characters as the charts.
func ToASCII(r rune) rune {
	if r >= ' ' && r < 0x7f {
		return r
	}
	const from = "─╴╶╌│┤├┬┴╭╮╰╯┼└┄▲▼▸●○◆★·×–…░▒▓█▁▂▃▄▅▆▇▏▎▍▌▋▊▉◇□▪"
	const into = "----|||--++++++.^v>*o#@.x->,:%#__..==########<#="
	i := 0
	for _, f := range from {
		if f == r {
			return rune(into[i])
		}
		i++
	}
	if r >= firstBraille && r < firstBraille+256 {
		return '.'
	}
	return '?'
}
