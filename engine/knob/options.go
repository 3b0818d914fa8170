package knob

import (
	"fmt"
	"strings"
)

// Rule says how a batch forms; package batching holds the two rules.
type Rule uint8

// The batching rules. TorchServe is the zero value because the product of a
// sweep is a config.properties for it.
const (
	TorchServe Rule = iota // exactly TorchServe's: one collector, delay from the first take
	Eager                  // work-conserving: delay from the oldest arrival
)

func (r Rule) String() string {
	if r == Eager {
		return "eager"
	}
	return "torchserve"
}

// MarshalText renders the rule by name.
func (r Rule) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads a rule's name.
func (r *Rule) UnmarshalText(b []byte) error {
	switch strings.ToLower(string(b)) {
	case "torchserve":
		*r = TorchServe
	case "eager":
		*r = Eager
	default:
		return fmt.Errorf("rule %q: want torchserve or eager", b)
	}
	return nil
}

// Options are recorded beside the settings and swept only when a plan names
// them. The zero value is the default of every one.
type Options struct {
	Rule    Rule   `json:"rule"`
	Session string `json:"session,omitempty"` // shared, own; "" lets the backend choose
	Spin    string `json:"spin,omitempty"`    // on, off; "" is off when workers x threads exceed the cores
	Pin     bool   `json:"pin,omitempty"`     // one worker, one core
	Graph   string `json:"graph,omitempty"`   // off, basic, extended, all; "" is all
}

// Config is what a backend opens a model with.
type Config struct {
	Settings
	Options
}
