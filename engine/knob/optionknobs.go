package knob

import (
	"fmt"
	"slices"
)

// optionKnobs describes the options that a plan may vary like knobs.
var optionKnobs = []Knob{
	{Name: "session", Label: "session", Help: "one session shared by all workers, or an own one for each, which needs more memory", Cost: Reload, Values: []string{"shared", "own"}},
	{Name: "spin", Label: "spin", Help: "threads wait for work in a busy loop: shorter waits, more CPU time", Cost: Reload, Values: []string{"on", "off"}},
	{Name: "pin", Label: "pin", Help: "each worker has cores of its own, as many as threads", Cost: Reload, Values: []string{"false", "true"}},
	{Name: "graph", Label: "graph", Help: "how much the runtime optimizes the graph", Cost: Reload, Values: []string{"off", "basic", "extended", "all"}},
	{Name: "inter_op", Label: "inter_op", Help: "operators of one batch executed at the same time", Cost: Reload, Min: 1, Max: maxInterOp},
	{Name: "arena", Label: "arena", Help: "keep freed memory for the next run: faster, more memory", Cost: Reload, Values: []string{"on", "off"}},
}

// OptionKnobs returns the descriptions of the options that a plan may vary like a target's own
// knobs. Their values are OwnValues in the settings.
func OptionKnobs() []Knob { return slices.Clone(optionKnobs) }

// IsOption reports whether n is one of the OptionKnobs.
func IsOption(n Name) bool {
	_, ok := Table(optionKnobs).Get(n)
	return ok
}

// With returns the options with the values of the OptionKnobs among own. It ignores other names.
func (o Options) With(own OwnValues) (Options, error) {
	for n, v := range own.All() {
		k, ok := Table(optionKnobs).Get(n)
		if !ok {
			continue
		}
		if _, err := k.canonicalOwn(v); err != nil {
			return o, err
		}
		if err := o.SetOption(string(n), v); err != nil {
			return o, fmt.Errorf("options: %w", err)
		}
	}
	return o, nil
}
