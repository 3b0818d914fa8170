package chart

import (
	"math"
	"slices"
)

// Verdict is whether the settings of a point keep the promise.
type Verdict uint8

// The verdicts.
const (
	NoVerdict Verdict = iota // only predicted
	Pass
	Fail
	Undecided
)

// part is the color of a verdict.
func (v Verdict) part() Part {
	switch v {
	case Pass:
		return PartGood
	case Fail:
		return PartOver
	case Undecided:
		return PartUnsure
	default:
		return PartFaint
	}
}

// Point is one setting in a scatter chart, with its intervals. An end of an
// interval that is 0 or NaN is not drawn.
type Point struct {
	X, Y           float64
	XLow, XHigh    float64
	YLow, YHigh    float64
	Verdict        Verdict
	Predicted      bool // not measured
	Best, Frontier bool
	Selected       bool
	Text           string // drawn beside the point if there is room
}

// rune is the glyph of the point. It says the same as the color.
func (p Point) rune() rune {
	switch {
	case p.Predicted:
		return '○'
	case p.Best:
		return '★'
	case p.Verdict == Fail:
		return '×'
	case p.Verdict == Undecided:
		return '?'
	case p.Frontier:
		return '●'
	}
	return '·'
}

func (p Point) part() Part {
	switch {
	case p.Selected:
		return PartSelected
	case p.Predicted:
		return PartFaint
	}
	return p.Verdict.part()
}

// priority orders points that share a cell: the highest one is visible.
func (p Point) priority() int {
	n := 0
	for i, is := range []bool{!p.Predicted, p.Verdict == Undecided, p.Verdict == Pass, p.Frontier, p.Best, p.Selected} {
		if is {
			n = i + 1
		}
	}
	return n
}

// drawable reports whether the point can be drawn on a logarithmic axis.
func (p Point) drawable() bool { return finite(p.X) && p.X >= 0 && p.Y > 0 && finite(p.Y) }

// Scatter is a chart of settings: throughput from 0 to the right, latency upwards
// on a logarithmic axis. The SLA is the upper edge of its row: points beyond it lie
// above that row. A point that is neither positive nor finite is left out.
type Scatter struct {
	Points   []Point
	SLA      float64
	SLALabel string // drawn on the row of the SLA, such as "SLA 20"
	XUnit    string // at the end of the x axis, such as "/s"
	MinX     float64
	Empty    string // shown if there is no point
}

// Draw draws the chart in w x h cells.
func (s Scatter) Draw(w, h int, sym Symbols) *Grid {
	return draw(w, h, sym, func(g *Grid) { s.drawOnto(g) })
}

// scatterPlot is a scatter chart on its grid.
type scatterPlot struct {
	g    *Grid
	y    scale
	x    axisX
	left int // first column of the plot
}

func (s Scatter) drawOnto(g *Grid) {
	p, ok := s.plot(g)
	if !ok {
		return
	}
	shown := slices.DeleteFunc(slices.Clone(s.Points), func(p Point) bool { return !p.drawable() })
	slices.SortStableFunc(shown, func(a, b Point) int { return a.priority() - b.priority() })
	yAxis(g, p.y)
	p.x.draw(g, p.left, p.y.rows, s.XUnit)
	for _, point := range shown {
		p.errorBars(point)
	}
	for _, point := range shown {
		part := point.part()
		p.g.set(p.column(point.X), p.row(point.Y), point.rune(), part)
	}
	for _, point := range slices.Backward(shown) {
		p.name(point)
	}
	slaLabel(g, p.y, s.SLALabel)
	if len(shown) == 0 {
		row := p.y.rows / 2
		if p.y.slaRow >= 0 && row == p.y.rows-1-p.y.slaRow {
			row++
		}
		g.centered(row, s.Empty, PartText)
	}
}

// plot chooses the axes for the points.
func (s Scatter) plot(g *Grid) (scatterPlot, bool) {
	left := labelWidth + 1
	if g.W < minLabelled {
		left = 1
	}
	rows, cols := g.H-1, g.W-left
	if rows < 2 || cols < 2 {
		return scatterPlot{}, false
	}
	lowest, highest, right := math.NaN(), math.NaN(), max(s.MinX, 0)
	for _, p := range s.Points {
		if !p.drawable() {
			continue
		}
		for _, v := range []float64{p.Y, p.YLow, p.YHigh} {
			if v > 0 && finite(v) {
				v = min(max(v, minMagnitude), maxMagnitude)
				lowest, highest = lower(v, lowest), Max.join([]float64{highest, v})
			}
		}
		for _, v := range []float64{p.X, p.XHigh} {
			if finite(v) {
				right = max(right, v)
			}
		}
	}
	if math.IsNaN(lowest) {
		lowest, highest = 1, 1
		if usable(s.SLA) {
			lowest, highest = s.SLA, s.SLA
		}
	}
	return scatterPlot{
		g: g, left: left,
		y: spreadScale(lowest, highest, s.SLA, rows),
		x: axisX{high: roundUp(min(right, maxMagnitude) * dataHeadroom), cols: cols},
	}, true
}

func (p scatterPlot) column(x float64) int { return p.left + p.x.column(x) }
func (p scatterPlot) row(y float64) int    { return p.y.rows - 1 - p.y.row(y) }

// partAt is the part of an error bar in a row of the grid: an error bar has the
// failing color where it is beyond the SLA.
func (p scatterPlot) partAt(y int, of Point) Part {
	switch {
	case of.Predicted:
		return PartFaint
	case p.y.over(p.y.rows - 1 - y):
		return PartOver
	}
	return PartData
}

func (p scatterPlot) errorBars(of Point) {
	x, y := p.column(of.X), p.row(of.Y)
	if of.XLow > 0 && of.XHigh >= of.XLow && finite(of.XHigh) {
		from, to := p.column(of.XLow), p.column(of.XHigh)
		for at := from; at <= to; at++ {
			p.g.set(at, y, '─', p.partAt(y, of))
		}
		p.end(from < x, from, y, '├', of)
		p.end(to > x, to, y, '┤', of)
	}
	if of.YLow > 0 && of.YHigh >= of.YLow && finite(of.YHigh) {
		top, bottom := p.row(of.YHigh), p.row(of.YLow)
		for at := top; at <= bottom; at++ {
			p.g.set(x, at, '│', p.partAt(at, of))
		}
		p.end(top < y, x, top, '┬', of)
		p.end(bottom > y, x, bottom, '┴', of)
	}
}

// end draws the end of an error bar unless it is in the cell of the point.
func (p scatterPlot) end(apart bool, x, y int, r rune, of Point) {
	if apart {
		p.g.set(x, y, r, p.partAt(y, of))
	}
}

// name writes the text of a point to its right or left, over blanks and error bars
// only.
func (p scatterPlot) name(of Point) {
	text := oneCellEach(of.Text)
	n := runes(text)
	if n == 0 {
		return
	}
	x, y := p.column(of.X), p.row(of.Y)
	for _, at := range []int{x + 2, x - 1 - n} {
		if at >= p.left && at+n <= p.g.W && p.free(at, y, n) {
			p.g.text(at, y, text, of.part())
			return
		}
	}
}

func (p scatterPlot) free(x, y, n int) bool {
	for i := range n {
		switch p.g.at(x+i, y).Rune {
		case ' ', '─', '┄':
		default:
			return false
		}
	}
	return true
}

// axisX is a linear x axis from 0.
type axisX struct {
	high float64
	cols int
}

func (a axisX) column(x float64) int {
	at := math.Round(max(x, 0) / a.high * float64(a.cols-1))
	return int(min(at, float64(a.cols-1)))
}

// draw draws the axis in row y of the grid, with numbers at 1, 2 or 5 times a power
// of ten and the unit at its end.
func (a axisX) draw(g *Grid, left, y int, unit string) {
	g.set(left-1, y, '└', PartAxis)
	for x := range a.cols {
		g.set(left+x, y, '─', PartAxis)
	}
	end := g.W
	if unit = oneCellEach(unit); unit != "" && runes(unit)+2 < a.cols/2 {
		end -= runes(unit) + 2
		g.text(end, y, " "+unit+" ", PartAxis)
	}
	const apart = 9 // columns between two numbers
	m, e := step125(a.high * apart / float64(a.cols))
	from := left
	for i := 0; ; i++ {
		v := decimal(float64(i)*m, e)
		if v > a.high {
			return
		}
		text := trimmed(label(v))
		x := max(left+a.column(v)-len(text)/2, left)
		if x < from || x+len(text) >= end {
			continue
		}
		g.text(x, y, text, PartAxis)
		from = x + len(text) + 1
	}
}
