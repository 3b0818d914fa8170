package chart

import (
	"math"
	"strings"
	"time"
)

// Sparkline is a one-row trend of exactly w cells over an axis from 0 to the
// largest value, newest at the right. Several values in a cell are joined by
// Max; gaps, and cells before the first value, are blank.
func Sparkline(values []float64, w int, ascii bool) string {
	steps := []rune("▁▂▃▄▅▆▇█")
	if ascii {
		steps = []rune("_.-=+*%#")
	}
	cells := Bucket(values, w, Max)
	largest := peak(cells)
	out := []rune(strings.Repeat(" ", max(w, 0)))
	for i, v := range cells {
		if math.IsNaN(v) {
			continue
		}
		level := 0
		if v > 0 { // then largest is above 0 too
			level = int(v / largest * float64(len(steps)))
		}
		out[w-len(cells)+i] = steps[min(level, len(steps)-1)]
	}
	return string(out)
}

// Gauge is a bar of exactly w cells, full at 100 percent. NaN gives "n/a".
func Gauge(percent float64, w int, ascii bool) string {
	w = max(w, 0)
	if math.IsNaN(percent) {
		return ("n/a" + strings.Repeat(" ", w))[:w]
	}
	full, rest := "█", "░"
	parts := []string{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"} // eighths of a cell
	if ascii {
		full, rest, parts = "#", ".", parts[:1]
	}
	n := int(min(max(percent, 0), 100) / 100 * float64(w*len(parts)))
	bar := strings.Repeat(full, n/len(parts)) + parts[n%len(parts)]
	used := n / len(parts)
	if n%len(parts) > 0 {
		used++
	}
	return bar + strings.Repeat(rest, w-used)
}

// Spark is a sparkline with colors: one value per cell, as many of the newest as fit,
// over an axis from 0 to the largest of them. It has one row.
type Spark struct {
	Values []float64
	SLA    float64 // values beyond it have the failing color; 0 is none
}

// Draw draws the sparkline in the first row of w x h cells.
func (s Spark) Draw(w, h int, sym Symbols) *Grid {
	return draw(w, h, sym, func(g *Grid) {
		values := s.Values[max(len(s.Values)-g.W, 0):]
		x := g.W - len(values)
		for i, r := range []rune(Sparkline(values, len(values), sym == ASCII)) {
			part := PartData
			if usable(s.SLA) && values[i] > s.SLA {
				part = PartOver
			}
			if r != ' ' {
				g.set(x+i, 0, r, part)
			}
		}
	})
}

// TimeAxis is the time axis of sparklines, with marks. It has one row.
type TimeAxis struct {
	Values int           // number of values
	Marks  []Mark        // oldest first
	Every  time.Duration // time between two values
	Right  string        // the right end, such as "now"
}

// Draw draws the axis in the first row of w x h cells.
func (t TimeAxis) Draw(w, h int, sym Symbols) *Grid {
	return draw(w, h, sym, func(g *Grid) {
		if g.W < 1 || t.Values < 0 {
			return
		}
		spec := Spec{Marks: t.Marks, Every: t.Every, Right: t.Right, Seq: t.Values, Foot: MarkFoot}
		win := spec.window(g.W, 1)
		win.size, win.firstNumber = t.Values, 0
		p := plot{g: g, f: layout{cols: g.W, foot: MarkFoot}, sub: 1, levels: 1}
		p.foot(win, spec)
	})
}
