package chart

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// The headroom above the data and above the SLA, as factors.
const (
	dataHeadroom = 1.05
	slaHeadroom  = 1.25
)

// Wanted is the top of the y axis that values and SLA (0 is none) need; 0 if
// there is nothing to show. It is the argument of [Axis.Next].
func Wanted(values []float64, sla float64) float64 {
	want := peak(values)
	if math.IsNaN(want) {
		want = 0
	}
	want = min(max(want, 0), maxMagnitude) * dataHeadroom
	if usable(sla) {
		want = max(want, slaHeadroom*sla)
	}
	return want
}

func usable(sla float64) bool { return sla >= minMagnitude && sla <= maxMagnitude }

// An axis shrinks if its data stays under shrinkBelow of its top for shrinkAfter.
const (
	shrinkBelow = .6
	shrinkAfter = 10 * time.Second
)

// Axis stores the top of a y axis between frames. It grows at once and shrinks
// late, because an axis that changes often is hard to read. It is a value: keep
// the result of Next. The zero value is a new axis.
type Axis struct {
	Top float64 // for Spec.Top

	isLow     bool      // the data is under shrinkBelow
	lowSince  time.Time // since when isLow is true
	maxWanted float64   // the largest wanted top since then
}

// Next is the axis for a frame drawn at now. want is the result of [Wanted].
func (a Axis) Next(now time.Time, want float64) Axis {
	switch {
	case !finite(want):
		return a
	case want >= a.Top:
		return Axis{Top: want}
	case want > shrinkBelow*a.Top:
		return Axis{Top: a.Top}
	case !a.isLow:
		return Axis{Top: a.Top, isLow: true, lowSince: now, maxWanted: want}
	}
	a.maxWanted = max(a.maxWanted, want)
	if now.Sub(a.lowSince) >= shrinkAfter {
		return Axis{Top: a.maxWanted}
	}
	return a
}

// scale is a y axis from 0 in row 0 to top in row rows.
type scale struct {
	top    float64
	rows   int
	slaRow int     // the row of the SLA; 0 is none
	peak   float64 // largest value to draw; NaN without any
}

// clips reports whether values lie above the axis.
func (s scale) clips() bool { return s.peak > s.top }

// at is the value of a row.
func (s scale) at(row int) float64 { return s.top * float64(row) / float64(s.rows) }

// chooseScale chooses the axis for values up to peak that ends at floor or above.
//
// With an SLA the top is raised until the SLA lies on a row: row k of n is the
// SLA if top = SLA n/k. The largest k whose top is above the data wastes the
// fewest rows. Data beyond n times the SLA is clipped, because otherwise the SLA
// would lie on row 0.
func chooseScale(peak, floor, sla float64, rows int) scale {
	s := scale{rows: rows, peak: peak}
	want := Wanted([]float64{peak}, 0)
	if finite(floor) && floor > 0 {
		floor = min(floor, maxMagnitude)
		if !(peak > floor) {
			want = 0 // the floor has its own headroom
		}
		want = max(want, floor)
	}
	if !usable(sla) || rows < 2 {
		s.top = roundUp(want)
		return s
	}
	want = max(want, slaHeadroom*sla)
	s.slaRow = min(max(int(float64(rows)*sla/want), 1), rows-1)
	s.top = sla * float64(rows) / float64(s.slaRow)
	return s
}

// roundUp is the next number at or above v with few digits, which reads well on
// an axis; 1 if v is 0.
func roundUp(v float64) float64 {
	if v < minMagnitude {
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

// decimals is how many decimals the labels of an axis need: enough to write the
// value of each row exactly, if numberWidth allows.
func (s scale) decimals() int {
	maxDecimals := numberWidth - 2
	for limit := 10.; maxDecimals > 0 && s.top >= limit; limit *= 10 {
		maxDecimals--
	}
	step := s.at(1)
	for d := range maxDecimals {
		n := step * math.Pow(10, float64(d))
		if math.Abs(n-math.Round(n)) < 1e-6 && n > .5 {
			return d
		}
	}
	return maxDecimals
}

// number formats v >= 0 right-aligned in exactly w cells: with as many of the
// decimals as fit, otherwise in thousands (k), millions (M) and so on.
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
