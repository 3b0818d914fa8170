package knob

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Rule is the batching rule: when a batch is sent. Package batching implements the two rules.
type Rule uint8

// The batching rules. The zero value means that the target does not report its rule. It is the zero
// value because options that nobody filled in must not claim a rule: a target that reports nothing
// needs no code for that, and an absent rule in a file is read as one that is not reported. Plans,
// flags and the engine refuse it; code that simulates the rule is used only if it is known.
const (
	RuleUnreported Rule = iota
	TorchServe          // exactly TorchServe's: one collector; the delay starts when it takes the first row
	Eager               // work-conserving; the delay starts at the arrival of the oldest row
)

var ruleNames = []string{RuleUnreported: "n/a", TorchServe: "torchserve", Eager: "eager"}

// String returns torchserve, eager or n/a.
func (r Rule) String() string { return ruleNames[r] }

// MarshalText returns the name of the rule; "" if it is not reported.
func (r Rule) MarshalText() ([]byte, error) {
	if r == RuleUnreported {
		return nil, nil
	}
	return []byte(r.String()), nil
}

// ParseRule reads the name of a rule that a person wrote. Unlike UnmarshalText it refuses "".
func ParseRule(text string) (Rule, error) {
	var r Rule
	err := r.UnmarshalText([]byte(text))
	if err == nil && r == RuleUnreported {
		err = errors.New(`rule "": want torchserve or eager`)
	}
	return r, err
}

// UnmarshalText reads the name of a rule; "" is not reported.
func (r *Rule) UnmarshalText(b []byte) error {
	switch strings.ToLower(string(b)) {
	case "":
		*r = RuleUnreported
	case "torchserve":
		*r = TorchServe
	case "eager":
		*r = Eager
	default:
		return fmt.Errorf("rule %q: want torchserve or eager", b)
	}
	return nil
}

// Options are always recorded with the settings, but varied only when a plan names them. The zero
// value of each field but the rule is its default; if the target is not our engine, it means that
// the target does not report the option. No backend supports all options. A backend refuses those that
// it does not support, so that the recorded options were in force.
type Options struct {
	Rule       Rule   `json:"rule,omitzero"`
	Session    string `json:"session,omitempty"`     // shared, own; "" lets the backend choose
	Spin       string `json:"spin,omitempty"`        // on, off; "" is off when workers x threads exceed the cores
	Pin        bool   `json:"pin,omitempty"`         // each worker has cores of its own, as many as threads
	Graph      string `json:"graph,omitempty"`       // optimization of the graph: off, basic, extended, all; "" is all
	InterOp    int    `json:"inter_op,omitempty"`    // operators of one batch executed at the same time; 0 and 1 are one
	Arena      string `json:"arena,omitempty"`       // on, off: keep freed memory for the next run; "" is on
	TF32       string `json:"tf32,omitempty"`        // on, off: FP32 with a shorter mantissa on a GPU; "" is the default of the runtime
	CUDAGraphs bool   `json:"cuda_graphs,omitempty"` // record the GPU operations of a run and replay them as one
	Provider   string `json:"provider,omitempty"`    // cuda, tensorrt, webgpu: how the runtime uses the GPU; "" is the best usable one
	// GPUMemoryMB limits the memory of each session on a GPU, in MB; 0 is no limit.
	GPUMemoryMB int `json:"gpu_memory_mb,omitempty"`
}

// Config is the configuration with which a backend opens a model.
type Config struct {
	Settings
	Options
}

// maxInterOp detects typing errors: no machine has more cores.
const maxInterOp = 1024

// maxGPUMemoryMB is a terabyte.
const maxGPUMemoryMB = 1_000_000

// option converts one option other than the rule to text and back.
type option struct {
	name   string   // in JSON and YAML
	values []string // the valid values; nil if it is a number
	most   int      // the largest number
	get    func(Options) string
	set    func(*Options, string)
}

// options returns the options other than the rule, in the order in which they are shown.
func options() []option {
	onOff := []string{"on", "off"}
	text := func(name string, field func(*Options) *string, values ...string) option {
		return option{
			name: name, values: values,
			get: func(o Options) string { return *field(&o) },
			set: func(o *Options, v string) { *field(o) = v },
		}
	}
	flag := func(name string, field func(*Options) *bool) option {
		return option{
			name:   name,
			values: []string{"true", "false"},
			get: func(o Options) string {
				if *field(&o) {
					return "true"
				}
				return ""
			},
			set: func(o *Options, v string) { *field(o) = v == "true" },
		}
	}
	number := func(name string, most int, field func(*Options) *int) option {
		return option{
			name: name, most: most,
			get: func(o Options) string {
				if *field(&o) == 0 {
					return ""
				}
				return strconv.Itoa(*field(&o))
			},
			set: func(o *Options, v string) { *field(o), _ = strconv.Atoi(v) }, // SetOption has checked v
		}
	}
	return []option{
		text("session", func(o *Options) *string { return &o.Session }, "shared", "own"),
		text("spin", func(o *Options) *string { return &o.Spin }, onOff...),
		flag("pin", func(o *Options) *bool { return &o.Pin }),
		text("graph", func(o *Options) *string { return &o.Graph }, "off", "basic", "extended", "all"),
		number("inter_op", maxInterOp, func(o *Options) *int { return &o.InterOp }),
		text("arena", func(o *Options) *string { return &o.Arena }, onOff...),
		text("tf32", func(o *Options) *string { return &o.TF32 }, onOff...),
		flag("cuda_graphs", func(o *Options) *bool { return &o.CUDAGraphs }),
		text("provider", func(o *Options) *string { return &o.Provider }, "cuda", "tensorrt", "webgpu"),
		number("gpu_memory_mb", maxGPUMemoryMB, func(o *Options) *int { return &o.GPUMemoryMB }),
	}
}

// OptionNames returns the names of the options other than the rule in JSON and YAML, in the order
// in which they are shown.
func OptionNames() []string {
	var out []string
	for _, o := range options() {
		out = append(out, o.name)
	}
	return out
}

// Option returns the value of one option as SetOption reads it; "" is the default.
func (o Options) Option(name string) string {
	for _, x := range options() {
		if x.name == name {
			return x.get(o)
		}
	}
	return ""
}

// SetOption sets one option from text.
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

// check reports an invalid value; "" is the default of every option.
func (x option) check(text string) error {
	if text == "" || slices.Contains(x.values, text) {
		return nil
	}
	if x.values != nil {
		return fmt.Errorf("%q: want %s or %s", text, strings.Join(x.values[:len(x.values)-1], ", "), x.values[len(x.values)-1])
	}
	if n, err := strconv.Atoi(text); err != nil || n < 0 || n > x.most {
		return fmt.Errorf("%q: want a whole number from 0 to %d", text, x.most)
	}
	return nil
}

// Invalid returns an error for each option with an invalid value, by name.
func (o Options) Invalid() map[string]error {
	out := map[string]error{}
	for _, x := range options() {
		if err := x.check(x.get(o)); err != nil {
			out[x.name] = err
		}
	}
	return out
}

// CheckSupported returns a joined error for every option that differs from its default and is not
// one of the supported ones.
func (o Options) CheckSupported(supported ...string) error {
	var errs []error
	for _, x := range options() {
		if x.get(o) != "" && !slices.Contains(supported, x.name) {
			errs = append(errs, fmt.Errorf("options: %s: not available in this engine", x.name))
		}
	}
	return errors.Join(errs...)
}

// Describe returns the rule for people: "torchserve rule".
func (r Rule) Describe() string {
	if r == RuleUnreported {
		return "rule n/a"
	}
	return r.String() + " rule"
}

// Describe returns the options that differ from their defaults, for people: "torchserve rule,
// session own, inter_op 2".
func (o Options) Describe() string {
	var text strings.Builder
	text.WriteString(o.Rule.Describe())
	for _, x := range options() {
		if v := x.get(o); v != "" {
			text.WriteString(", " + x.name + " " + v)
		}
	}
	return text.String()
}
