// Package judge turns measurements into figures that can be trusted, and holds
// them against goals.
//
// A [Figure] is one number with its unit, its interval where it has one, and
// what it was measured from. [Goals] is the table of what is wanted; a
// [Report] prints each figure with its goal and [Status], one per line, and
// closes a finished run with a count of them. [Paired] compares two things
// measured in turns.
//
// How a figure is judged:
//
//   - a count, or a share of one clock, by its value;
//   - one with an interval by all of it: ok if every value in it meets the
//     goal, falls short if none does, else undecided;
//   - without a goal not at all.
//
// Nothing here is safe for concurrent use.
package judge

import (
	"fmt"
	"math"
	"path"
	"strconv"

	"sweetspot/sweep/stat"
)

// Compare is how a figure is held against a number.
type Compare uint8

// The comparisons. None is a figure that is only told.
const (
	None Compare = iota
	AtLeast
	AtMost
	Exactly
)

var signs = [...]string{None: "-", AtLeast: ">=", AtMost: "<=", Exactly: "="}

// String is the sign; "-" for None.
func (c Compare) String() string { return signs[c] }

// Goal is what figures of some name have to reach.
type Goal struct {
	Name    string // of the figures, as in path.Match: "serve.duty.*"
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

// Judge holds everything from low to high against the goal. An end that is NaN
// is open: it may be anything.
func (g Goal) Judge(low, high float64) Status {
	if math.IsNaN(low) {
		low = math.Inf(-1)
	}
	if math.IsNaN(high) {
		high = math.Inf(1)
	}
	above, below := low > g.Number, high < g.Number
	var all, nothing bool
	switch g.Compare {
	case None:
		return NoGoal
	case AtLeast:
		all, nothing = low >= g.Number, below
	case AtMost:
		all, nothing = high <= g.Number, above
	case Exactly:
		all, nothing = low == g.Number && high == g.Number, above || below
	}
	switch {
	case all:
		return OK
	case nothing:
		return FallsShort
	}
	return Undecided
}

// Goals is a table of goals. The first whose name matches counts.
type Goals []Goal

// Find returns the goal of a figure; one that the table does not know has none.
func (gs Goals) Find(name string) Goal {
	for _, g := range gs {
		if g.names(name) {
			return g
		}
	}
	return Goal{Name: name}
}

// names panics on a malformed pattern: the table is part of the program.
func (g Goal) names(name string) bool {
	match, err := path.Match(g.Name, name)
	if err != nil {
		panic(fmt.Sprintf("judge: goal %q: %v", g.Name, err))
	}
	return match
}

// Status is what became of a goal.
type Status uint8

// The statuses.
const (
	NoGoal Status = iota
	OK
	Undecided
	FallsShort
)

var statuses = [...]string{NoGoal: "-", OK: "ok", Undecided: "undecided", FallsShort: "falls short"}

// String is the status as lines show it.
func (s Status) String() string { return statuses[s] }

// MarshalText renders the status as lines show it.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Figure is one measured number.
type Figure struct {
	Name   string // bench.what[.case]; stable
	Value  float64
	Unit   string
	Detail string // what it was measured from, without parentheses

	Interval *stat.Interval // its 95% interval; nil for what is judged as it is
	AA       *stat.Interval // the same comparison of a thing with itself; nil if there is none
}

// Status judges the figure by g.
func (f Figure) Status(g Goal) Status {
	if f.Interval != nil {
		return g.Judge(f.Interval.Low, f.Interval.High)
	}
	return g.Judge(f.Value, f.Value)
}
