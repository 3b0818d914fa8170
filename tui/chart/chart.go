// Package chart draws time series, bars and sparklines as terminal text of an
// exact size.
//
// [Line] is the main function: it turns a [Spec] into exactly Height lines of
// exactly Width cells, whatever the data. Around it stand [Bucket], which fits
// a history into columns without losing a spike; [Axis], which keeps the y axis
// from breathing and is the only state; [Sparkline] and [Gauge] for one row.
//
// The y axis starts at 0. A promise ([Spec].SLA) lies exactly on a row, so no
// value within it is ever drawn in the colour for values beyond it. The height
// of a row is the resolution all the same: a verdict is a number, never read
// off the chart.
//
// Everything here is a pure function, safe for concurrent use, and never
// panics. The package knows no units: the caller's title names them.
package chart

import "math"

// Join says how values that share a column become one.
type Join uint8

// The two ways. Max is the zero value: it hides nothing.
const (
	Max  Join = iota // latencies: the worst value stays visible
	Mean             // rates and utilization
)

// Foot is what stands under the plot.
type Foot uint8

// The feet, by height.
const (
	NoFoot   Foot = iota // nothing
	MarkFoot             // one row: the time line with its marks
	TimeFoot             // two rows: time line, then Left, Right and the marks' text
)

// Mark points at a value, such as an applied change.
type Mark struct {
	At   int // index into Spec.Values; marks out of sight are not drawn
	Text string
}

// Spec is one chart. Text in it is drawn one rune per cell; what is not one
// cell wide becomes a question mark.
type Spec struct {
	Width, Height int // cells of the whole chart with labels and foot

	// Values are equally spaced in time, newest last, and stand at the right
	// end. NaN and infinities are gaps, negative values are drawn as 0.
	Values []float64
	Join   Join
	// Span is how many of the newest values have to be visible: when the plot
	// has fewer columns, values share them. 0 is one value per column, as many
	// as fit.
	Span int
	// Seq counts all values ever recorded, Values being the newest of them. It
	// keeps shared columns from changing while a ring buffer moves on; 0 is
	// len(Values).
	Seq int

	// Top is where the y axis ends at least, such as 100 for a percentage or
	// an Axis' Top; 0 fits the data.
	Top      float64
	SLA      float64 // the promise in the values' unit; 0 is none
	SLALabel string  // stands on its row, such as "SLA 20"

	Foot        Foot
	Marks       []Mark // oldest first
	Left, Right string // ends of the time axis, such as "-75s" and "now"
	Empty       string // shown while there is no value

	ASCII  bool   // draw with ASCII only
	Colors Colors // the zero value is no colour
}

// Smallest and largest magnitudes drawn: what lies beyond is drawn at them.
const (
	tiny = 1e-9
	huge = 1e15
)

// labelWidth is fixed: a label column as wide as its widest label would make
// the plot jump sideways when 99 becomes 101. Narrower charts than minLabelled
// cells leave the labels out.
const (
	labelWidth  = 1 + numberWidth // the first cell is for the mark of the SLA's row
	numberWidth = 4
	minLabelled = labelWidth + 1 + 10
)

// frame is how the cells of a chart are given out.
type frame struct {
	labels int  // cells of the label column, 0 or labelWidth
	cols   int  // plot columns right of the axis
	rows   int  // plot rows
	foot   Foot // what is left of it when rows are scarce
}

func (s Spec) frame() frame {
	f := frame{rows: s.Height - int(s.Foot), foot: s.Foot}
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

// Shown is how many values the width of the chart stands for: what to call its
// left end.
func (s Spec) Shown() int {
	f := s.frame()
	if f.cols < 1 {
		return 0
	}
	return f.cols * s.window(f.cols).per
}

// Line draws a line chart: exactly Height strings of exactly Width cells.
func Line(s Spec) []string {
	s.Foot = min(s.Foot, TimeFoot)
	return guard(s.Width, s.Height, s.ASCII, s.Colors, s.draw)
}

// guard draws on a fresh canvas. A panic, which only a fault in this package or
// below it can raise, costs the picture and not the program.
func guard(w, h int, ascii bool, colors Colors, draw func(*canvas)) (lines []string) {
	defer func() {
		if recover() != nil {
			c := newCanvas(w, h)
			c.text(0, 0, "cannot draw this chart", inkText)
			lines = c.lines(ascii, colors)
		}
	}()
	c := newCanvas(w, h)
	draw(c)
	return c.lines(ascii, colors)
}

func (s Spec) draw(c *canvas) {
	f := s.frame()
	if f.cols < 1 || f.rows < 2 {
		return
	}
	win := s.window(f.cols)
	cols := win.join(s.Values, s.Join)
	sc := fit(peak(cols), s.Top, s.SLA, f.rows-1)
	p := plot{c, f, sc, cols}
	p.line()
	p.labels()
	if sc.sla > 0 {
		p.slaText(s.SLALabel)
	}
	if sc.clips() {
		p.clipMarks()
	}
	if math.IsNaN(sc.peak) {
		p.empty(s.Empty)
	}
	if f.foot > NoFoot {
		p.foot(win, s.Marks, s.Left, s.Right)
	}
}
