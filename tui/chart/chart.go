// Package chart draws time series, bars and sparklines as terminal text of an
// exact size.
//
// [Line] is the main function: it turns a [Spec] into exactly Height lines of
// exactly Width cells, whatever the data. [Bucket] reduces a history to columns
// without losing a spike. [Axis] keeps the top of the y axis stable between
// frames; it is the only state. [Sparkline] and [Gauge] draw one row.
//
// The y axis starts at 0. The SLA ([Spec].SLA) lies exactly on a row, so no
// value within it is ever drawn in the color for values beyond it. The
// resolution is still the height of a row: read a verdict from its number, not
// from the chart.
//
// Every function is pure, safe for concurrent use, and never panics. Charts
// have no units: the caller's title names them.
package chart

import "math"

// Join is how several values in one column become one.
type Join uint8

// The two kinds of Join. Max is the zero value, because it hides no spike.
const (
	Max  Join = iota // latencies: the worst value stays visible
	Mean             // rates and utilization
)

// Foot is the footer below the plot.
type Foot uint8

// The footers. The value of each is its height in rows.
const (
	NoFoot   Foot = iota // nothing
	MarkFoot             // one row: the time axis with its marks
	TimeFoot             // two rows: the time axis, then Left, Right and the marks' text
)

// Mark marks the time of a value, for example of an applied change.
type Mark struct {
	At   int // index into Spec.Values; a mark outside the chart is not drawn
	Text string
}

// Spec describes one chart. Its text is drawn one rune per cell; a rune that is
// not one cell wide becomes a question mark.
type Spec struct {
	Width, Height int // cells of the whole chart, with labels and footer

	// Values are equally spaced in time, newest last; the newest is drawn at the
	// right end. NaN and infinities are gaps, negative values are drawn as 0.
	Values []float64
	Join   Join
	// Span is how many of the newest values must be visible. If the plot has
	// fewer columns, a column shows several values. 0 shows one value per
	// column, as many as fit.
	Span int
	// Seq counts all values ever recorded; Values are the newest of them. With
	// it the same values stay in one column when newer values arrive. 0 is
	// len(Values).
	Seq int

	// Top is the lowest end of the y axis, such as 100 for a percentage, or the
	// Top of an Axis; 0 uses the data only.
	Top      float64
	SLA      float64 // the limit in the unit of the values; 0 is none
	SLALabel string  // drawn on the row of the SLA, such as "SLA 20"

	Foot        Foot
	Marks       []Mark // oldest first
	Left, Right string // ends of the time axis, such as "-75s" and "now"
	Empty       string // shown if there is no value

	ASCII  bool   // draw with ASCII only
	Colors Colors // the zero value draws without color
}

// Charts narrower than minLabelled cells have no labels.
const minLabelled = labelWidth + 1 + 10

// layout is how many cells each part gets.
type layout struct {
	labels int  // cells of the label column, 0 or labelWidth
	cols   int  // plot columns to the right of the axis
	rows   int  // plot rows
	foot   Foot // smaller than Spec.Foot if there are too few rows
}

func (s Spec) layout() layout {
	f := layout{rows: s.Height - int(s.Foot), foot: s.Foot}
	for f.rows < 3 && f.foot > NoFoot {
		f.foot--
		f.rows++
	}
	if s.Width >= minLabelled {
		f.labels = labelWidth
	}
	f.cols = s.Width - f.labels - 1
	return f
}

// Shown is how many values fit into the width of the chart. Callers need it for
// the label of the left end.
func (s Spec) Shown() int {
	f := s.layout()
	if f.cols < 1 {
		return 0
	}
	return f.cols * s.window(f.cols).perColumn
}

// Line draws a line chart: exactly Height strings of exactly Width cells.
func Line(s Spec) []string {
	sym := Braille
	if s.ASCII {
		sym = ASCII
	}
	return s.Draw(s.Width, s.Height, sym).Lines(s.Colors)
}

// Draw draws the chart in w x h cells.
func (s Spec) Draw(w, h int, sym Symbols) *Grid {
	s.Width, s.Height, s.Foot = w, h, min(s.Foot, TimeFoot)
	return draw(w, h, sym, s.draw)
}

func (s Spec) draw(g *Grid) {
	f := s.layout()
	if f.cols < 1 || f.rows < 2 {
		return
	}
	win := s.window(f.cols)
	cols := win.join(s.Values, s.Join)
	sc := timeScale(peak(cols), s.Top, s.SLA, f.rows)
	p := plot{g, f, sc, cols}
	yAxis(g, sc)
	p.line()
	slaLabel(g, sc, s.SLALabel)
	if peak(cols) > sc.high {
		p.clipMarks()
	}
	if math.IsNaN(peak(cols)) {
		p.empty(s.Empty)
	}
	if f.foot > NoFoot {
		p.foot(win, s.Marks, s.Left, s.Right)
	}
}
