package chart

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Headroom above the data and above the SLA.
const (
	dataRoom = 1.05
	slaRoom  = 1.25
)

// Wanted is the top of the y axis that values and SLA (0 is none) ask for; 0
// when there is nothing to show. Feed it to [Axis.Next].
func Wanted(values []float64, sla float64) float64 {
	want := peak(values)
	if math.IsNaN(want) {
		want = 0
	}
	want = min(max(want, 0), huge) * dataRoom
	if usable(sla) {
		want = max(want, slaRoom*sla)
	}
	return want
}

func usable(sla float64) bool { return sla >= tiny && sla <= huge }

// An axis shrinks when its data stayed under shrinkBelow of it for shrinkAfter.
const (
	shrinkBelow = .6
	shrinkAfter = 10 * time.Second
)

// Axis remembers the top of a y axis between frames. It grows at once and
// shrinks late, so that the picture does not breathe. It is a value: keep what
// Next returns. The zero value is a new axis.
type Axis struct {
	Top float64 // goes into Spec.Top

	low   bool      // the data has been low since
	since time.Time // this moment
	most  float64   // and asked for no more than this
}

// Next is the axis for a frame drawn at now whose data wants this top.
func (a Axis) Next(now time.Time, want float64) Axis {
	switch {
	case !finite(want):
		return a
	case want >= a.Top:
		return Axis{Top: want}
	case want > shrinkBelow*a.Top:
		return Axis{Top: a.Top}
	case !a.low:
		return Axis{Top: a.Top, low: true, since: now, most: want}
	}
	a.most = max(a.most, want)
	if now.Sub(a.since) >= shrinkAfter {
		return Axis{Top: a.most}
	}
	return a
}

// scale is a y axis from 0 in row 0 to top in row rows.
type scale struct {
	top  float64
	rows int
	sla  int     // the row of the SLA, exactly; 0 is none
	peak float64 // largest value to draw; NaN without any
}

// clips tells whether values lie beyond the axis.
func (s scale) clips() bool { return s.peak > s.top }

// at is the value of a row.
func (s scale) at(row int) float64 { return s.top * float64(row) / float64(s.rows) }

// fit chooses the axis for values up to peak that ends at floor or above.
//
// With an SLA the top is stretched until the SLA lies on a row: row k of n is
// the SLA when top = SLA n/k, and the largest k that leaves room for the data
// wastes least. Data beyond n times the SLA is clipped rather than squeezing
// the SLA into row 0.
func fit(peak, floor, sla float64, rows int) scale {
	s := scale{rows: rows, peak: peak}
	want := Wanted([]float64{peak}, 0)
	if finite(floor) && floor > 0 {
		floor = min(floor, huge)
		if !(peak > floor) {
			want = 0 // the floor has its own headroom
		}
		want = max(want, floor)
	}
	if !usable(sla) || rows < 2 {
		s.top = nice(want)
		return s
	}
	want = max(want, slaRoom*sla)
	s.sla = min(max(int(float64(rows)*sla/want), 1), rows-1)
	s.top = sla * float64(rows) / float64(s.sla)
	return s
}

// nice is the next number at or above v that reads well on an axis; 1 for
// nothing.
func nice(v float64) float64 {
	if v < tiny {
		return 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10} {
		if m*unit >= v*(1-1e-9) {
			return m * unit
		}
	}
	return 12 * unit
}

// decimals is how many decimals the labels of an axis need: enough to tell its
// rows apart exactly, as far as numberWidth allows.
func (s scale) decimals() int {
	most := numberWidth - 2
	for limit := 10.; most > 0 && s.top >= limit; limit *= 10 {
		most--
	}
	step := s.at(1)
	for d := range most {
		n := step * math.Pow(10, float64(d))
		if math.Abs(n-math.Round(n)) < 1e-6 && n > .5 {
			return d
		}
	}
	return most
}

// number formats v >= 0 right-aligned in exactly w cells: with as many of the
// decimals as fit, else in thousands, millions and so on.
func number(v float64, w, decimals int) string {
	for _, unit := range []string{"", "k", "M", "G", "T", "P", "E"} {
		for d := decimals; d >= 0; d-- {
			if text := strconv.FormatFloat(v, 'f', d, 64) + unit; len(text) <= w {
				return strings.Repeat(" ", w-len(text)) + text
			}
		}
		v, decimals = v/1000, 1
	}
	return strings.Repeat("#", w)
}
