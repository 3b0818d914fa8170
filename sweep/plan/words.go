package plan

import (
	"fmt"
	"strings"
)

// Question is what a sweep answers.
type Question uint8

// The questions.
const (
	Throughput Question = iota // most throughput within the SLA at the plan's load
	Capacity                   // highest load within the SLA
)

var questions = []string{Throughput: "throughput", Capacity: "capacity"}

func (q Question) String() string { return questions[q] }

// MarshalText renders the question by name.
func (q Question) MarshalText() ([]byte, error) { return []byte(q.String()), nil }

// UnmarshalText reads a question's name.
func (q *Question) UnmarshalText(b []byte) error {
	return parseEnum(q, "question", questions, b)
}

// Order is the order in which a grid is walked.
type Order uint8

// The orders.
const (
	InOrder  Order = iota // nested loops over the ranges as written, the last knob fastest
	Shuffled              // the same points in an order drawn from the seed, so that drift cannot pose as a knob's effect
)

var orders = []string{InOrder: "plan", Shuffled: "shuffled"}

func (o Order) String() string { return orders[o] }

// MarshalText renders the order by name.
func (o Order) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads an order's name.
func (o *Order) UnmarshalText(b []byte) error { return parseEnum(o, "order", orders, b) }

// Objective is what is best among the settings that keep the promise.
type Objective uint8

// The objectives.
const (
	MostThroughput   Objective = iota // ok answers per second
	RequestsPerJoule                  // ok answers per joule of GPU energy
	FewestWorkers                     // fewest workers, then throughput
)

var objectives = []string{
	MostThroughput: "throughput", RequestsPerJoule: "requests_per_joule", FewestWorkers: "fewest_workers",
}

func (o Objective) String() string { return objectives[o] }

// MarshalText renders the objective by name.
func (o Objective) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads an objective's name.
func (o *Objective) UnmarshalText(b []byte) error { return parseEnum(o, "objective", objectives, b) }

// word sets dst to the index of text in names.
func parseEnum[T ~uint8](dst *T, what string, names []string, text []byte) error {
	for i, n := range names {
		if n == string(text) {
			*dst = T(i)
			return nil
		}
	}
	return fmt.Errorf("%s %q: want %s", what, text, orList(names))
}

// either lists alternatives: "a, b or c".
func orList(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
