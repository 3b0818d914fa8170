package chart

import (
	"math"
	"time"
)

// Strip is a chart of the distribution of latencies over time. Each cell has a shade
// for the share of its column's values. The SLA is the upper edge of its row.
type Strip struct {
	Seconds [][]Bin // one element per time, newest last; without values it is a gap
	// Span, Seq, Foot, Marks, Every and Right are those of a Spec.
	Span, Seq int
	Foot      Foot
	Marks     []Mark
	Every     time.Duration
	Right     string
	SLA       float64
	SLALabel  string
	Empty     string
}

// Draw draws the chart in w x h cells.
func (s Strip) Draw(w, h int, sym Symbols) *Grid {
	return draw(w, h, sym, func(g *Grid) { s.drawOnto(g, sym) })
}

// spec is the line chart with the same time axis.
func (s Strip) spec() Spec {
	return Spec{
		Values: make([]float64, len(s.Seconds)), Span: s.Span, Seq: s.Seq,
		Foot: s.Foot, Marks: s.Marks, Every: s.Every, Right: s.Right,
	}
}

func (s Strip) drawOnto(g *Grid, sym Symbols) {
	spec := s.spec()
	f := spec.layout(g.W, g.H)
	if f.cols < 1 || f.rows < 2 {
		return
	}
	sub, levels := spec.resolution(sym)
	win := spec.window(f.cols, sub)
	sc := s.scale(win, f.rows)
	p := plot{g, f, sc, sub, levels}
	yAxis(g, sc)
	counts := make([]int, f.rows*f.cols) // column by column
	for i, bins := range s.Seconds {
		x := win.column(i)
		if x < 0 {
			continue
		}
		for _, b := range bins {
			if b.N > 0 && finite(b.High) {
				counts[x*f.rows+sc.row(b.High)] += b.N
			}
		}
	}
	empty := true
	for x := range f.cols {
		empty = !p.shades(x, counts[x*f.rows:(x+1)*f.rows]) && empty
	}
	slaLabel(g, sc, s.SLALabel)
	if empty {
		p.empty(s.Empty)
	}
	if f.foot > NoFoot {
		p.foot(win, spec)
	}
}

// scale is the y axis. With an SLA it is always the same; values beyond it are drawn
// at its ends.
func (s Strip) scale(win window, rows int) scale {
	if usable(s.SLA) && rows > 1 {
		return logScale(octavesBelow, octavesAbove, s.SLA, rows)
	}
	var all []Bin
	for i, bins := range s.Seconds {
		if win.slot(i) >= 0 {
			all = append(all, bins...)
		}
	}
	sc, _ := binScale(all, 0, rows)
	return sc
}

// shades draws a column with the number of values of each row. It reports whether
// there is any.
func (p plot) shades(x int, counts []int) bool {
	total := 0
	for _, n := range counts {
		total += n
	}
	for row, n := range counts {
		if n > 0 {
			p.g.set(p.f.left+x, p.y(row), shade(float64(n)/float64(total)), p.part(row))
		}
	}
	return total > 0
}

// shade is darker for a larger share. The lowest shares are the interesting ones: a
// P99 is decided by 1%.
func shade(share float64) rune {
	switch {
	case share >= .3:
		return '█'
	case share >= .1:
		return '▓'
	case share >= .02:
		return '▒'
	case math.IsNaN(share):
		return ' '
	}
	return '░'
}
