package plan

import (
	"fmt"
	"strings"
)

// Question is the question that a sweep answers.
type Question uint8

// The questions.
const (
	Throughput Question = iota // the highest throughput within the SLA under the plan's loads
	Capacity                   // the highest load within the SLA
	Replicas                   // the fewest replicas of one setting that carry the open load of the plan within the SLA
)

var questions = []string{Throughput: "throughput", Capacity: "capacity", Replicas: "replicas"}

// SeeksRate reports whether the rate of the load is searched, so that settings have no load
// of the plan.
func (q Question) SeeksRate() bool { return q == Capacity || q == Replicas }

func (q Question) String() string { return questions[q] }

// MarshalText returns the name of the question.
func (q Question) MarshalText() ([]byte, error) { return []byte(q.String()), nil }

// UnmarshalText reads the name of a question.
func (q *Question) UnmarshalText(b []byte) error {
	return parseEnum(q, "question", questions, b)
}

// Order is the order of the points.
type Order uint8

// The orders.
const (
	InOrder  Order = iota // nested loops over the ranges as written; the last knob is the innermost
	Shuffled              // a random order from the seed, so that a drift of the machine does not look like the effect of a knob
)

var orders = []string{InOrder: "plan", Shuffled: "shuffled"}

func (o Order) String() string { return orders[o] }

// MarshalText returns the name of the order.
func (o Order) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads the name of an order.
func (o *Order) UnmarshalText(b []byte) error { return parseEnum(o, "order", orders, b) }

// Objective says which of the settings that meet the SLA is best.
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

// MarshalText returns the name of the objective.
func (o Objective) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads the name of an objective.
func (o *Objective) UnmarshalText(b []byte) error { return parseEnum(o, "objective", objectives, b) }

// parseEnum sets dst to the index of text in names.
func parseEnum[T ~uint8](dst *T, what string, names []string, text []byte) error {
	for i, n := range names {
		if n == string(text) {
			*dst = T(i)
			return nil
		}
	}
	return fmt.Errorf("%s %q: want %s", what, text, orList(names))
}

// orList formats alternatives: "a, b or c".
func orList(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
