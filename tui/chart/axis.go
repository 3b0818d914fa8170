package chart

import "time"

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
