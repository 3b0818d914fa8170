// Package judge turns measurements into figures and compares them with goals.
//
// A [Figure] is one number with its unit, its interval if it has one, and a
// detail about its data. [Goals] is the table of goals. A [Report] prints each
// figure with its goal and [Status], one per line, and ends a finished run with
// the number of figures of each status. [Paired] compares two sides that are
// measured in turns.
//
// How a figure is judged:
//
//   - a count, or a share of time, by its value;
//   - a figure with an interval by the whole interval: ok if every value in it
//     meets the goal, falls short if none does, otherwise undecided;
//   - a figure without a goal is not judged.
//
// The types here are not safe for concurrent use.
package judge

import (
	"fmt"
	"math"
	"path"
	"strconv"

	"sweetspot/sweep/stat"
)

// Compare is how a figure is compared with the number of its goal.
type Compare uint8

// The comparisons. A goal with None is not judged.
const (
	None Compare = iota
	AtLeast
	AtMost
	Exactly
)

var signs = [...]string{None: "-", AtLeast: ">=", AtMost: "<=", Exactly: "="}

// String is the sign; "-" for None.
func (c Compare) String() string { return signs[c] }

// Goal is what the figures of a name must reach.
type Goal struct {
	Name    string // of the figures, a pattern of path.Match: "serve.duty.*"
	Compare Compare
	Number  float64
}

// String is the goal without blanks: ">=0.98", "-".
func (g Goal) String() string {
	if g.Compare == None {
		return g.Compare.String()
	}
	return g.Compare.String() + strconv.FormatFloat(g.Number, 'f', -1, 64)
}

// Judge compares the interval from low to high with the goal. An end that is NaN
// is open: nothing is known about it.
func (g Goal) Judge(low, high float64) Status {
	if math.IsNaN(low) {
		low = math.Inf(-1)
	}
	if math.IsNaN(high) {
		high = math.Inf(1)
	}
	above, below := low > g.Number, high < g.Number
	var met, missed bool // by every value of the interval
	switch g.Compare {
	case None:
		return NoGoal
	case AtLeast:
		met, missed = low >= g.Number, below
	case AtMost:
		met, missed = high <= g.Number, above
	case Exactly:
		met, missed = low == g.Number && high == g.Number, above || below
	}
	switch {
	case met:
		return OK
	case missed:
		return FallsShort
	}
	return Undecided
}

// Goals is a table of goals. The first one whose name matches a figure is used.
type Goals []Goal

// Find returns the goal of a figure, or a goal with None if the table has none.
func (gs Goals) Find(name string) Goal {
	for _, g := range gs {
		if g.matches(name) {
			return g
		}
	}
	return Goal{Name: name}
}

// matches reports whether the goal is for figures of this name. It panics on a
// malformed pattern, because the table is part of the program.
func (g Goal) matches(name string) bool {
	match, err := path.Match(g.Name, name)
	if err != nil {
		panic(fmt.Sprintf("judge: goal %q: %v", g.Name, err))
	}
	return match
}

// Status is the result of comparing a figure with its goal.
type Status uint8

// The statuses.
const (
	NoGoal Status = iota
	OK
	Undecided
	FallsShort
)

var statuses = [...]string{NoGoal: "-", OK: "ok", Undecided: "undecided", FallsShort: "falls short"}

// String is the status as it is printed in lines.
func (s Status) String() string { return statuses[s] }

// MarshalText returns the status as it is printed in lines.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Figure is one measured number.
type Figure struct {
	Name   string // bench.what[.case]; stable
	Value  float64
	Unit   string
	Detail string // about its data, without parentheses

	Interval *stat.Interval // its 95% interval; nil if the figure is judged by its value
	AA       *stat.Interval // the same comparison of each side with itself; nil if there is none
}

// Status judges the figure by g.
func (f Figure) Status(g Goal) Status {
	if f.Interval != nil {
		return g.Judge(f.Interval.Low, f.Interval.High)
	}
	return g.Judge(f.Value, f.Value)
}
