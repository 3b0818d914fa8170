package chart

import (
	"math"
	"slices"
	"strings"

	"github.com/guptarohit/asciigraph"
)

// yAxis draws the axis at the left end of a plot, its labels, and the line of the
// SLA. A narrow plot has no labels.
func yAxis(g *Grid, sc scale) {
	x := axisColumn(g.W)
	for row := range sc.rows {
		g.set(x, sc.rows-1-row, '│', PartAxis)
	}
	for _, t := range sc.ticks() {
		g.set(x, sc.rows-1-t.row, '┤', PartAxis)
		if x > 0 {
			g.text(1, sc.rows-1-t.row, label(t.value), PartAxis)
		}
	}
	if sc.slaRow < 0 {
		return
	}
	y := sc.rows - 1 - sc.slaRow
	g.set(x, y, '┼', PartAxis)
	if x > 0 {
		// The data can cover the dashes and their text, but not the label.
		g.text(0, y, "▸"+label(sc.sla), PartSLA)
	}
	for i := x + 1; i < g.W; i++ {
		g.set(i, y, '┄', PartSLA)
	}
}

// slaLabel writes the text of the SLA over its dashes, where the data has left
// enough of them.
func slaLabel(g *Grid, sc scale, text string) {
	if sc.slaRow < 0 {
		return
	}
	text = oneCellEach(text)
	y, from := sc.rows-1-sc.slaRow, axisColumn(g.W)+1
	if at, ok := findRun(g.row(y, from, g.W), '┄', runes(text)); ok {
		g.text(from+at, y, text, PartSLA)
	}
}

// axisColumn is the column of the y axis in a chart of w cells.
func axisColumn(w int) int {
	if w < minLabelled {
		return 0
	}
	return labelWidth
}

// plot draws the parts of a line chart on a grid.
type plot struct {
	c       *Grid
	f       layout
	sc      scale
	columns []float64 // one value per column
}

// y is the grid row of a scale row.
func (p plot) y(row int) int { return p.sc.rows - 1 - row }

// line draws the data. The library draws row numbers, so that the scale decides on
// the row of each value, and this package colors by row: everything above the row
// of the SLA is beyond the SLA.
func (p plot) line() {
	for y, line := range strings.Split(p.graph(), "\n") {
		part := PartData
		if p.sc.over(p.sc.rows - 1 - y) {
			part = PartOver
		}
		x := p.f.labels
		for _, r := range line {
			if r != ' ' && x > p.f.labels { // column 0 is the library's axis
				p.c.set(x, y, r, part)
			}
			x++
		}
	}
}

// graph is the plot with an axis in column 0 and without labels.
func (p plot) graph() string {
	rows := make([]float64, 0, len(p.columns)+1)
	for _, v := range p.columns {
		if !math.IsNaN(v) {
			v = float64(p.sc.row(v))
		}
		rows = append(rows, v)
	}
	// The library draws a segment from each point to the next, so the last point is
	// repeated to get a column of its own.
	rows = append(rows, rows[len(rows)-1])
	return asciigraph.Plot(
		rows,
		asciigraph.Height(p.sc.rows-1),
		asciigraph.LowerBound(0),
		asciigraph.UpperBound(float64(p.sc.rows-1)),
		asciigraph.Offset(1),
		asciigraph.YAxisValueFormatter(func(float64) string { return "" }),
	)
}

// area is the plot's part of a canvas row, and its first column.
func (p plot) area(y int) ([]Cell, int) {
	x := p.f.labels + 1
	return p.c.row(y, x, x+p.f.cols), x
}

// clipMarks marks the columns whose value is above the top of the axis, and
// writes the largest value.
func (p plot) clipMarks() {
	for i, v := range p.columns {
		if v > p.sc.high {
			p.c.set(p.f.labels+1+i, 0, '▲', PartOver)
		}
	}
	text := "clipped, max " + strings.TrimSpace(number(peak(p.columns), numberWidth+3, 0))
	for row := p.sc.rows - 1; row > p.sc.slaRow; row-- {
		cells, x := p.area(p.y(row))
		if at, ok := findRun(cells, ' ', len(text)); ok {
			p.c.text(x+at, p.y(row), text, PartOver)
			return
		}
	}
}

func (p plot) empty(text string) {
	text = oneCellEach(text)
	row := p.sc.rows / 2
	if row == p.sc.slaRow {
		row++
	}
	_, x := p.area(0)
	p.c.text(x+max((p.f.cols-runes(text))/2, 0), p.y(row), text, PartText)
}

// foot draws the footer: the time axis, its marks and their text.
func (p plot) foot(win window, marks []Mark, left, right string) {
	y, first := p.sc.rows, p.f.labels+1
	p.c.set(first-1, y, '└', PartAxis)
	for x := range p.f.cols {
		p.c.set(first+x, y, '─', PartAxis)
	}
	for _, m := range marks {
		if x := win.column(m.At); x >= 0 {
			p.c.set(first+x, y, '▲', PartMark)
		}
	}
	for _, m := range slices.Backward(marks) { // newest first: its text has priority
		switch x := win.column(m.At); {
		case x < 0:
		case p.f.foot == TimeFoot:
			p.label(x, y+1, ' ', m.Text, PartMark)
		default:
			p.label(x+1, y, '─', m.Text, PartMark)
		}
	}
	if p.f.foot == TimeFoot {
		p.label(p.f.cols, y+1, ' ', right, PartAxis)
		p.label(0, y+1, ' ', left, PartAxis)
	}
}

// label writes text from plot column x, or further left if it would not fit. It
// writes only over blanks, and not next to other text.
func (p plot) label(x, y int, blank rune, text string, in Part) {
	row, first := p.area(y)
	text = oneCellEach(text)
	n := runes(text)
	x = min(x, p.f.cols-n)
	if x < 0 {
		return
	}
	for at := max(x-1, 0); at < min(x+n+1, len(row)); at++ {
		covered := at >= x && at < x+n
		if r := row[at].Rune; r != blank && (covered || r != '▲') {
			return
		}
	}
	p.c.text(first+x, y, text, in)
}
