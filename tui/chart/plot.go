package chart

import (
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

// plot draws the parts of a line chart on a grid. A slot is a part of a column that
// holds one value, a level is a part of a row.
type plot struct {
	g      *Grid
	f      layout
	sc     scale
	sub    int // slots in a column
	levels int // levels in a row
}

// y is the grid row of a row of the scale.
func (p plot) y(row int) int { return p.sc.rows - 1 - row }

// part is the part of data in a row of the scale.
func (p plot) part(row int) Part {
	if p.sc.over(row) {
		return PartOver
	}
	return PartData
}

// line draws one value per slot.
func (p plot) line(values []float64, fill bool) {
	switch {
	case p.levels == 1:
		p.cellLine(values)
	case p.sub == 2:
		p.dots(values, fill)
	default:
		p.bars(values)
	}
}

// before draws values of an earlier time behind those that are drawn already.
func (p plot) before(values []float64) {
	if p.sub == 2 {
		p.dotted(values, PartFaint)
		return
	}
	for i, v := range values {
		if x, y := p.f.left+i, p.y(p.sc.row(v)); finite(v) && p.free(x, y) {
			p.g.set(x, y, '·', PartFaint)
		}
	}
}

// free reports whether a cell has no data yet.
func (p plot) free(x, y int) bool {
	r := p.g.at(x, y).Rune
	return r == ' ' || r == '┄'
}

// cellLine draws a line of whole cells. The library draws row numbers, so that the
// scale decides on the row of each value, and this package colors by row.
func (p plot) cellLine(values []float64) {
	rows := make([]float64, 0, len(values)+1)
	for _, v := range values {
		if finite(v) {
			v = float64(p.sc.row(v))
		}
		rows = append(rows, v)
	}
	// The library draws a segment from each point to the next, so the last point is
	// repeated to get a column of its own.
	rows = append(rows, rows[len(rows)-1])
	text := asciigraph.Plot(
		rows,
		asciigraph.Height(p.sc.rows-1),
		asciigraph.LowerBound(0),
		asciigraph.UpperBound(float64(p.sc.rows-1)),
		asciigraph.Offset(1),
		asciigraph.YAxisValueFormatter(func(float64) string { return "" }),
	)
	x, y := p.f.left-1, 0 // the first column is the library's axis
	for _, r := range text {
		switch {
		case r == '\n':
			x, y = p.f.left-2, y+1
		case r != ' ' && x >= p.f.left && finite(values[x-p.f.left]): // the library has half a dash in a gap
			p.g.set(x, y, r, p.part(p.sc.rows-1-y))
		}
		x++
	}
}

// bars draws a column for each value, with parts of a cell at its end.
func (p plot) bars(values []float64) {
	parts := [...]rune{'▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'}
	for i, v := range values {
		if !finite(v) {
			continue
		}
		level := p.sc.level(v, p.levels)
		row := level / p.levels
		for below := range row {
			p.g.set(p.f.left+i, p.y(below), '█', p.part(below))
		}
		p.g.set(p.f.left+i, p.y(row), parts[level%p.levels], p.part(row))
	}
}

// clipMarks marks the columns whose value is above the top of the axis, and
// writes the largest value.
func (p plot) clipMarks(values []float64, highest float64) {
	for i, v := range values {
		if v > p.sc.high {
			p.g.set(p.f.left+i/p.sub, 0, '▲', PartOver)
		}
	}
	text := "clipped, max " + trimmed(label(highest))
	for row := p.sc.rows - 1; row > p.sc.slaRow; row-- {
		y := p.y(row)
		if at, ok := findRun(p.g.row(y, p.f.left, p.g.W), ' ', len(text)); ok {
			p.g.text(p.f.left+at, y, text, PartText)
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
	p.g.text(p.f.left+max((p.f.cols-runes(text))/2, 0), p.y(row), text, PartText)
}
