// Package chart draws charts as terminal text of an exact size: lines over time,
// settings, distributions, batches.
//
// Each kind of chart is a struct of data with a Draw method that returns a [Grid]
// of exactly the wanted size, whatever the data. [Spec] is the line chart; [Line]
// returns it as text. [Scatter] and [HeatMap] compare settings. [Histogram] and
// [Strip] show latencies, [Batches] the batches of workers. [Bucket] reduces a
// history to columns without losing a spike. [Axis] keeps the top of a y axis
// stable between frames; it is the only state. [Sparkline] and [Gauge] draw one row.
//
// The SLA is the upper edge of a row. A value within it is drawn in that row or
// below, in the color of data. A value beyond it is drawn above that row, in the
// failing color. The resolution is still the height of a level: read a verdict from
// its number, not from the chart.
//
// Every function is pure, safe for concurrent use, and never panics. Charts
// have no units: the caller's title names them.
package chart

import (
	"math"
	"time"
)

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
	MarkFoot             // one row: the time axis with its marks and labels
	TimeFoot             // two rows: the time axis with its marks, and the labels below
)

// Mark marks the time of a value, for example of an applied change.
type Mark struct {
	At   int // index into Spec.Values; a mark outside the chart is not drawn
	Text string
	Sign rune // on the time axis; 0 is ▲
	Part Part // its color; the zero value is PartMark
}

// Spec describes one line chart. Its text is drawn one rune per cell; a rune that is
// not one cell wide becomes a question mark.
type Spec struct {
	Width, Height int // cells of the whole chart, with labels and footer; for Line

	// Values are equally spaced in time, newest last; the newest is drawn at the
	// right end. NaN and infinities are gaps, negative values are drawn as 0.
	Values []float64
	// Before has other values of the same times, drawn faint behind Values.
	Before []float64
	Join   Join
	// Span is how many of the newest values must be visible. If the plot has
	// fewer slots, a slot shows several values. 0 shows one value per slot, as many
	// as fit.
	Span int
	// Seq counts all values ever recorded; Values are the newest of them. With
	// it the same values stay in one column when newer values arrive. 0 is
	// len(Values).
	Seq int

	Fill  bool // fill the area below the line
	Cells bool // draw a line of whole cells: enough where no limit is near

	// Top is the lowest end of the y axis, such as 100 for a percentage, or the
	// Top of an Axis; 0 uses the data only.
	Top      float64
	SLA      float64 // the limit in the unit of the values; 0 is none
	SLALabel string  // drawn on the row of the SLA, such as "SLA 20"

	Foot  Foot
	Marks []Mark        // oldest first
	Every time.Duration // time between two values: the time axis has labels; 0 is none
	// Left and Right are the ends of the time axis, such as "-75s" and "now". With
	// Every only Right is used.
	Left, Right string
	Empty       string // shown if there is no value

	ASCII  bool   // for Line: draw with ASCII only
	Colors Colors // for Line; the zero value draws without color
}

// Charts narrower than minLabelled cells have no labels.
const minLabelled = labelWidth + 1 + 10

// layout is how many cells each part gets.
type layout struct {
	left int  // the first plot column
	cols int  // plot columns to the right of the axis
	rows int  // plot rows
	foot Foot // smaller than Spec.Foot if there are too few rows
}

func (s Spec) layout(w, h int) layout {
	foot := min(s.Foot, TimeFoot)
	f := layout{rows: h - int(foot), foot: foot, left: axisColumn(w) + 1}
	for f.rows < 3 && f.foot > NoFoot {
		f.foot--
		f.rows++
	}
	f.cols = w - f.left
	return f
}

// resolution is the number of slots in a column and of levels in a row.
func (s Spec) resolution(sym Symbols) (sub, levels int) {
	switch {
	case s.Cells || sym == ASCII:
		return 1, 1
	case sym == Blocks:
		return 1, 8
	}
	return 2, 4
}

// Shown is how many values fit into a chart of w cells.
func (s Spec) Shown(w int, sym Symbols) int {
	win := s.windowOf(w, sym)
	return win.slots * win.perSlot
}

// Fits is the largest Span for which the time axis stays as it is in a chart of w
// cells. A chart of another width shows at least the same time with it.
func (s Spec) Fits(w int, sym Symbols) int {
	win := s.windowOf(w, sym)
	return max((win.slots-win.sub)*win.perSlot+1, 0)
}

func (s Spec) windowOf(w int, sym Symbols) window {
	sub, _ := s.resolution(sym)
	return s.window(max(w-axisColumn(w)-1, 1), sub)
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
	return draw(w, h, sym, func(g *Grid) { s.drawOnto(g, sym) })
}

func (s Spec) drawOnto(g *Grid, sym Symbols) {
	f := s.layout(g.W, g.H)
	if f.cols < 1 || f.rows < 2 {
		return
	}
	sub, levels := s.resolution(sym)
	win := s.window(f.cols, sub)
	slots := win.join(s.Values, s.Join)
	highest := peak(slots)
	p := plot{g, f, timeScale(highest, s.Top, s.SLA, f.rows), sub, levels}
	yAxis(g, p.sc)
	p.line(slots, s.Fill)
	if s.Before != nil {
		p.before(win.join(s.Before, s.Join))
	}
	slaLabel(g, p.sc, s.SLALabel)
	if highest > p.sc.high {
		p.clipMarks(slots, highest)
	}
	if math.IsNaN(highest) {
		p.empty(s.Empty)
	}
	if f.foot > NoFoot {
		p.foot(win, s)
	}
}
