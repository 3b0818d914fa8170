package chart

import (
	"slices"
	"strings"

	"github.com/guptarohit/asciigraph"
)

// plot draws the parts of a line chart on a canvas.
type plot struct {
	c       *canvas
	f       layout
	sc      scale
	columns []float64 // one value per column
}

// y is the canvas row of a scale row.
func (p plot) y(row int) int { return p.sc.rows - row }

// line draws axis, SLA and data. The library draws the plot and this package
// colors it by row: the SLA lies exactly on its row, so everything above that
// row is beyond the SLA.
func (p plot) line() {
	for i, row := range strings.Split(p.graph(), "\n") {
		over := p.sc.slaRow > 0 && p.sc.rows-i > p.sc.slaRow
		x := p.f.labels
		for _, r := range row {
			p.c.set(x, i, r, partOf(r, x == p.f.labels, over))
			x++
		}
	}
}

func partOf(r rune, axis, over bool) part {
	switch {
	case r == ' ':
		return partNone
	case axis:
		return partAxis
	case r == '┄':
		return partSLA
	case over:
		return partOver
	}
	return partData
}

// graph is the plot with its axis in column 0 and without labels.
func (p plot) graph() string {
	chars := []asciigraph.CharSet{{}}
	series := [][]float64{p.clamped()}
	if p.sc.slaRow > 0 {
		limit := make([]float64, len(series[0]))
		for i := range limit {
			limit[i] = p.sc.at(p.sc.slaRow)
		}
		// Later series overwrite earlier ones, so the data covers the dashes.
		series = [][]float64{limit, series[0]}
		chars = []asciigraph.CharSet{{Horizontal: "┄"}, {}}
	}
	return asciigraph.PlotMany(
		series,
		asciigraph.Height(p.sc.rows),
		asciigraph.LowerBound(0),
		asciigraph.UpperBound(p.sc.top),
		asciigraph.Offset(1),
		asciigraph.YAxisValueFormatter(func(float64) string { return "" }),
		asciigraph.SeriesChars(chars...),
	)
}

// clamped is the data limited to the axis. The library draws a segment from each
// point to the next, so the last point is repeated to get a column of its own.
func (p plot) clamped() []float64 {
	out := make([]float64, 0, len(p.columns)+1)
	for _, v := range p.columns {
		out = append(out, min(max(v, 0), p.sc.top)) // NaN stays NaN
	}
	return append(out, out[len(out)-1])
}

func (p plot) labels() {
	if p.f.labels == 0 {
		return
	}
	decimals := p.sc.decimals()
	for row := range p.sc.rows + 1 {
		text, i := " "+number(p.sc.at(row), numberWidth, decimals), partAxis
		if row == p.sc.slaRow && row > 0 {
			// The data can cover the dashes and their text, but not the label.
			text, i = "▸"+text[1:], partSLA
		}
		p.c.text(0, p.y(row), text, i)
	}
}

// area is the plot's part of a canvas row, and its first column.
func (p plot) area(y int) ([]cell, int) {
	x := p.f.labels + 1
	return p.c.row(y, x, x+p.f.cols), x
}

func (p plot) slaText(text string) {
	y := p.y(p.sc.slaRow)
	row, x := p.area(y)
	if at, ok := findRun(row, '┄', len(cellsOf(text))); ok {
		p.c.text(x+at, y, text, partSLA)
	}
}

// clipMarks marks the columns whose value is above the top of the axis, and
// writes the largest value.
func (p plot) clipMarks() {
	for i, v := range p.columns {
		if v > p.sc.top {
			p.c.set(p.f.labels+1+i, 0, '▲', partOver)
		}
	}
	text := "clipped, max " + strings.TrimSpace(number(p.sc.peak, numberWidth+3, 0))
	for row := p.sc.rows; row > p.sc.slaRow; row-- {
		cells, x := p.area(p.y(row))
		if at, ok := findRun(cells, ' ', len(text)); ok {
			p.c.text(x+at, p.y(row), text, partOver)
			return
		}
	}
}

func (p plot) empty(text string) {
	text = string(cellsOf(text))
	row := p.sc.rows / 2
	if row == p.sc.slaRow {
		row++
	}
	_, x := p.area(0)
	p.c.text(x+max((p.f.cols-len([]rune(text)))/2, 0), p.y(row), text, partText)
}

// foot draws the footer: the time axis, its marks and their text.
func (p plot) foot(win window, marks []Mark, left, right string) {
	y, first := p.sc.rows+1, p.f.labels+1
	p.c.set(first-1, y, '└', partAxis)
	for x := range p.f.cols {
		p.c.set(first+x, y, '─', partAxis)
	}
	for _, m := range marks {
		if x := win.column(m.At); x >= 0 {
			p.c.set(first+x, y, '▲', partMark)
		}
	}
	for _, m := range slices.Backward(marks) { // newest first: its text has priority
		switch x := win.column(m.At); {
		case x < 0:
		case p.f.foot == TimeFoot:
			p.label(x, y+1, ' ', m.Text, partMark)
		default:
			p.label(x+1, y, '─', m.Text, partMark)
		}
	}
	if p.f.foot == TimeFoot {
		p.label(p.f.cols, y+1, ' ', right, partAxis)
		p.label(0, y+1, ' ', left, partAxis)
	}
}

// label writes text from plot column x, or further left if it would not fit. It
// writes only over blanks, and not next to other text.
func (p plot) label(x, y int, blank rune, text string, in part) {
	row, first := p.area(y)
	n := len(cellsOf(text))
	x = min(x, p.f.cols-n)
	if x < 0 {
		return
	}
	for at := max(x-1, 0); at < min(x+n+1, len(row)); at++ {
		covered := at >= x && at < x+n
		if r := row[at].r; r != blank && (covered || r != '▲') {
			return
		}
	}
	p.c.text(first+x, y, text, in)
}
