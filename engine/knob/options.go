package knob

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
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
// them. The zero value is the default of every one. No backend has them all: it
// refuses those that it lacks, so that what is recorded was in force.
type Options struct {
	Rule       Rule   `json:"rule"`
	Session    string `json:"session,omitempty"`     // shared, own; "" lets the backend choose
	Spin       string `json:"spin,omitempty"`        // on, off; "" is off when workers x threads exceed the cores
	Pin        bool   `json:"pin,omitempty"`         // one worker, one core
	Graph      string `json:"graph,omitempty"`       // off, basic, extended, all; "" is all
	InterOp    int    `json:"inter_op,omitempty"`    // operators run side by side in one batch; 0 and 1 run them in turn
	Arena      string `json:"arena,omitempty"`       // on, off: keep freed memory for the next run; "" is on
	TF32       string `json:"tf32,omitempty"`        // on, off: shortened FP32 on a GPU; "" is the runtime's choice
	CUDAGraphs bool   `json:"cuda_graphs,omitempty"` // replay a run's GPU work as one
}

// Config is what a backend opens a model with.
type Config struct {
	Settings
	Options
}

// mostInterOp is a bound against slips; nobody has as many cores.
const maxInterOp = 1024

// option is one of the options beside the rule, as text.
type option struct {
	name  string   // in JSON and YAML
	values []string // the values it takes; nil for a number
	get   func(Options) string
	set   func(*Options, string)
}

// options are those beside the rule, in the order in which people read them.
func options() []option {
	onOff := []string{"on", "off"}
	text := func(name string, field func(*Options) *string, words ...string) option {
		return option{
			name, words,
			func(o Options) string { return *field(&o) },
			func(o *Options, v string) { *field(o) = v },
		}
	}
	flag := func(name string, field func(*Options) *bool) option {
		return option{
			name,
			[]string{"true", "false"},
			func(o Options) string {
				if *field(&o) {
					return "true"
				}
				return ""
			},
			func(o *Options, v string) { *field(o) = v == "true" },
		}
	}
	return []option{
		text("session", func(o *Options) *string { return &o.Session }, "shared", "own"),
		text("spin", func(o *Options) *string { return &o.Spin }, onOff...),
		flag("pin", func(o *Options) *bool { return &o.Pin }),
		text("graph", func(o *Options) *string { return &o.Graph }, "off", "basic", "extended", "all"),
		{
			"inter_op", nil,
			func(o Options) string {
				if o.InterOp == 0 {
					return ""
				}
				return strconv.Itoa(o.InterOp)
			},
			func(o *Options, v string) { o.InterOp, _ = strconv.Atoi(v) }, // checked by then
		},
		text("arena", func(o *Options) *string { return &o.Arena }, onOff...),
		text("tf32", func(o *Options) *string { return &o.TF32 }, onOff...),
		flag("cuda_graphs", func(o *Options) *bool { return &o.CUDAGraphs }),
	}
}

// OptionNames are the options beside the rule, in the order in which people read
// them, as JSON and YAML name them.
func OptionNames() []string {
	var out []string
	for _, o := range options() {
		out = append(out, o.name)
	}
	return out
}

// Option returns the text of one option, in the form SetOption reads; "" is its default.
func (o Options) Option(name string) string {
	for _, x := range options() {
		if x.name == name {
			return x.get(o)
		}
	}
	return ""
}

// SetOption changes one option from text.
func (o *Options) SetOption(name, text string) error {
	for _, x := range options() {
		if x.name != name {
			continue
		}
		if err := x.check(text); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		x.set(o, text)
		return nil
	}
	return fmt.Errorf("%q: unknown option%s", name, Suggest(name, OptionNames()))
}

// check checks one value; "" is the default of every option.
func (x option) check(text string) error {
	if text == "" || slices.Contains(x.values, text) {
		return nil
	}
	if x.values != nil {
		return fmt.Errorf("%q: want %s or %s", text, strings.Join(x.values[:len(x.values)-1], ", "), x.values[len(x.values)-1])
	}
	if n, err := strconv.Atoi(text); err != nil || n < 0 || n > maxInterOp {
		return fmt.Errorf("%q: want a whole number from 0 to %d", text, maxInterOp)
	}
	return nil
}

// Faults are the options with a value that they do not take, by name.
func (o Options) Invalid() map[string]error {
	out := map[string]error{}
	for _, x := range options() {
		if err := x.check(x.get(o)); err != nil {
			out[x.name] = err
		}
	}
	return out
}

// Only reports, joined, every option that differs from its default and is not
// among those that a backend has.
func (o Options) CheckSupported(has ...string) error {
	var errs []error
	for _, x := range options() {
		if x.get(o) != "" && !slices.Contains(has, x.name) {
			errs = append(errs, fmt.Errorf("options: %s: not available in this engine", x.name))
		}
	}
	return errors.Join(errs...)
}

// Words are the options in words: "torchserve rule, session own, inter_op 2".
func (o Options) Describe() string {
	var text strings.Builder
	text.WriteString(o.Rule.String() + " rule")
	for _, x := range options() {
		if v := x.get(o); v != "" {
			text.WriteString(", " + x.name + " " + v)
		}
	}
	return text.String()
}
