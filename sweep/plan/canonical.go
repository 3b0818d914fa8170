package plan

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
)

// keyValue is a key with its value: a string, a literal, a []keyValue (a map in this order) or a
// []any (a list).
type keyValue struct {
	key   string
	value any
}

// literal is the text of a number or bool, which is written without quotes.
type literal string

// Canonical returns the canonical text of the plan: valid YAML with every key in a
// fixed order, every range as its values, and all defaults. Parse returns the same
// plan for it. The error of an invalid plan is that of Validate.
func (p Plan) Canonical() ([]byte, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	for _, f := range p.document() {
		if sub, ok := f.value.([]keyValue); ok && f.key == "knobs" && len(sub) > 0 {
			b.WriteString("knobs:\n")
			for _, k := range sub {
				fmt.Fprintf(&b, "  %s: %s\n", scalarText(k.key, plainKey), flowStyle(k.value))
			}
			continue
		}
		fmt.Fprintf(&b, "%s: %s\n", f.key, flowStyle(f.value))
	}
	return b.Bytes(), nil
}

// Hash identifies the plan: "sha256:" and the hash of its canonical text in hex. It
// is "" for an invalid plan.
func (p Plan) Hash() string {
	text, err := p.Canonical()
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// MarshalJSON writes the canonical document as JSON, with the keys and values of the YAML.
func (p Plan) MarshalJSON() ([]byte, error) { return jsonText(p.document()) }

// UnmarshalJSON reads what MarshalJSON of this or a later version wrote: it ignores
// unknown keys, and checks the types of values but not their ranges.
func (p *Plan) UnmarshalJSON(b []byte) error {
	root, err := readJSON(b)
	if err != nil || root.kind == null {
		return err
	}
	d := newDecoder("plan")
	d.unknown = func(string, string, pos, []string) {}
	q := Plan{Budget: Budget{LoadTests: Unset}}
	d.plan(root, &q)
	q.LoadGiven = false // every recorded plan has its loads
	q.dropUntaken()
	d.rejectOwnKnobs(&q)
	if q.Options.Rule == knob.RuleUnreported && q.hasNoOwnKnobs() {
		q.Options.Rule = knob.TorchServe // only a remote server may not report its rule
	}
	for _, e := range d.errs {
		err = errors.Join(err, errors.New("plan: "+e.text))
	}
	if err == nil {
		*p = q
	}
	return err
}

// document returns the tree that is written as YAML and JSON.
func (p Plan) document() []keyValue {
	doc := append([]keyValue{{"version", number(Version)}}, p.modelTree()...)
	add := func(key string, value any) { doc = append(doc, keyValue{key, value}) }
	add("target", p.Target)
	if p.Server != nil {
		add("server", p.Server.serverTree())
	}
	if p.Options.Rule != knob.RuleUnreported { // else the target does not report it
		add("rule", p.Options.Rule.String())
	}
	if options := p.optionsTree(); len(options) > 0 {
		add("options", options)
	}
	add("question", p.Question.String())
	if p.Cost != 0 {
		add("cost", decimal(p.Cost))
	}
	sla := []keyValue{
		{"percentile", decimal(p.SLA.Percentile)},
		{"limit", p.SLA.Limit.String()},
		{"latency", p.SLA.Latency.String()},
		{"max_error_rate", decimal(p.SLA.MaxErrorRate)},
	}
	if p.SLA.Horizon != 0 { // else it follows from the budget
		sla = append(sla, keyValue{"horizon", p.SLA.Horizon.String()})
	}
	add("sla", sla)
	if p.Timeout != 0 { // else it follows from the SLA
		add("timeout", p.Timeout.String())
	}
	if len(p.Loads) > 0 {
		add("load", p.loadsTree())
	}
	add("knobs", p.knobsTree())
	if p.Strategy != "" {
		add("strategy", p.Strategy)
	}
	add("order", p.Order.String())
	add("objective", p.Objective.String())
	add("constraints", []keyValue{
		{"memory_mb", number(p.Constraints.MemoryMB)},
		{"gpu_memory_mb", number(p.Constraints.GPUMemoryMB)},
	})
	if p.AcceptFP16 {
		add("accept_fp16", literal("true"))
	}
	add("budget", p.budgetTree())
	add("trial", p.trialTree())
	if p.Hold > 0 { // else plans without it keep their hashes
		add("hold", p.Hold.String())
	}
	add("seed", literal(strconv.FormatUint(p.Seed, 10)))
	return doc
}

// modelTree is the model, what is sent to it, and how its rows are made equal.
func (p Plan) modelTree() []keyValue {
	var doc []keyValue
	add := func(key string, value any) { doc = append(doc, keyValue{key, value}) }
	for _, f := range [...]struct{ key, value string }{
		{"model", p.Model},
		{"input", p.Input},
		{"content_type", p.ContentType},
		{"image", p.Image},
		{"handler", p.Handler},
		{"labels", p.Labels},
		{"vocab", p.Vocabulary},
	} {
		if f.value != "" {
			add(f.key, f.value)
		}
	}
	if p.MaxRequestSize != 0 {
		add("max_request_size", number(p.MaxRequestSize))
	}
	if len(p.Shapes)+len(p.Lengths) > 0 {
		add("shapes", p.shapesTree())
	}
	if len(p.Values) > 0 {
		add("values", p.valuesTree())
	}
	if p.NoBatch {
		add("no_batch", literal("true"))
	}
	if len(p.Pad) > 0 {
		add("pad", p.padTree())
	}
	if len(p.Buckets) > 0 {
		add("buckets", sizesTree(p.Buckets))
	}
	return doc
}

// trialTree leaves a least warm-up of 0 out, so that plans without one keep their hashes.
func (p Plan) trialTree() []keyValue {
	out := []keyValue{
		{"requests", number(p.Trial.Requests)},
		{"duration", p.Trial.Duration.String()},
		{"max_requests", number(p.Trial.MaxRequests)},
	}
	if p.Trial.Warmup > 0 {
		out = append(out, keyValue{"warmup", p.Trial.Warmup.String()})
	}
	return out
}

func (p Plan) shapesTree() []keyValue {
	var out []keyValue
	for _, name := range slices.Sorted(maps.Keys(p.Shapes)) {
		out = append(out, keyValue{name, sizesTree(p.Shapes[name])})
	}
	for _, name := range slices.Sorted(maps.Keys(p.Lengths)) {
		out = append(out, keyValue{name, p.Lengths[name]})
	}
	return out
}

// optionsTree returns the options that differ from their defaults. The rule has a key of its own.
func (p Plan) optionsTree() []keyValue {
	var out []keyValue
	for _, name := range knob.OptionNames() {
		switch v := p.Options.Option(name); {
		case v == "":
		case v == "true" || name == "inter_op":
			out = append(out, keyValue{name, literal(v)})
		default:
			out = append(out, keyValue{name, v})
		}
	}
	return out
}

// loadsTree returns one map, or a list of maps if there are several loads.
func (p Plan) loadsTree() any {
	out := []any{}
	loads := p.Loads
	if p.Question == Capacity {
		loads = p.pointLoads() // what is in force
	}
	for _, l := range loads {
		tree := []keyValue{{"mode", l.Mode.String()}}
		switch {
		case l.Mode == load.Open && l.Rate == 0: // the question searches it
			tree = append(tree, keyValue{"arrivals", l.Arrivals.String()})
		case l.Mode == load.Open:
			tree = append(tree, keyValue{"rate", decimal(l.Rate)}, keyValue{"arrivals", l.Arrivals.String()})
		case l.Mode == load.Ramp:
			tree = append(tree, keyValue{"from", decimal(l.From)}, keyValue{"to", decimal(l.To)},
				keyValue{"over", l.Over.String()}, keyValue{"arrivals", l.Arrivals.String()})
		case l.Mode == load.Trace:
			tree = append(tree, keyValue{"file", l.File})
			if l.SHA256 != "" {
				tree = append(tree, keyValue{"sha256", l.SHA256})
			}
		case l.Matched:
			tree = append(tree, keyValue{"concurrency", "matched"})
		default:
			tree = append(tree, keyValue{"concurrency", number(l.Concurrency)})
		}
		out = append(out, tree)
	}
	if len(out) == 1 {
		return out[0]
	}
	return out
}

// knobsTree returns the values of the ranges in the order of the table, so that "1-4"
// and "1,2,3,4" are the same plan. The target's own knobs follow by name. Their ranges
// are as the plan has them until it is resolved.
func (p Plan) knobsTree() []keyValue {
	out := []keyValue{}
	for _, k := range knob.All() {
		if text, ok := p.Knobs[k.Name]; ok {
			out = append(out, rangeTree(k.Name, normalize(k.Name, text), func(v string) bool { return k.Max > 0 && v != knob.Auto }))
		}
	}
	for _, n := range p.ownNames() {
		out = append(out, rangeTree(n, p.Knobs[n], knob.IsNumber))
	}
	return out
}

// rangeTree returns one knob with its value or its list of values.
func rangeTree(n knob.Name, text string, isNumber func(string) bool) keyValue {
	values := []any{}
	for v := range strings.SplitSeq(text, ",") {
		if isNumber(v) {
			values = append(values, literal(v))
		} else {
			values = append(values, v)
		}
	}
	if len(values) == 1 {
		return keyValue{string(n), values[0]}
	}
	return keyValue{string(n), values}
}

func (p Plan) budgetTree() []keyValue {
	out := []keyValue{{"time", p.Budget.Time.String()}}
	if p.Budget.LoadTests != Unset {
		out = append(out, keyValue{"load_tests", number(p.Budget.LoadTests)})
	}
	return append(out, keyValue{"trials", number(p.Budget.Trials)})
}

func number(v int) literal { return literal(strconv.Itoa(v)) }

func decimal(v float64) literal { return literal(strconv.FormatFloat(v, 'f', -1, 64)) }

// Texts that need no quotes in YAML, as a value and as a key.
var (
	plainValue = regexp.MustCompile(`^([A-Za-z/][A-Za-z0-9_./:-]*[A-Za-z0-9_./-]|[A-Za-z0-9][A-Za-z0-9.]*)$`)
	plainKey   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)
)

// flowStyle writes a value in the flow style of YAML.
func flowStyle(v any) string {
	switch v := v.(type) {
	case literal:
		return string(v)
	case string:
		return scalarText(v, plainValue)
	case []any:
		parts := make([]string, len(v))
		for i, item := range v {
			parts[i] = flowStyle(item)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case []keyValue:
		parts := make([]string, len(v))
		for i, f := range v {
			parts[i] = scalarText(f.key, plainKey) + ": " + flowStyle(f.value)
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	panic(fmt.Sprintf("plan: cannot write %T as YAML", v))
}

// scalarText quotes text that YAML could read as another type. The escapes of Go are valid in YAML.
func scalarText(s string, unquoted *regexp.Regexp) string {
	if unquoted.MatchString(s) && !strings.EqualFold(s, "null") {
		return s
	}
	return strconv.Quote(s)
}

// jsonText writes a value as JSON and keeps the order of keys.
func jsonText(v any) ([]byte, error) {
	switch v := v.(type) {
	case literal:
		return []byte(v), nil
	case []any:
		return jsonSequence('[', ']', len(v), func(i int) (string, any) { return "", v[i] })
	case []keyValue:
		return jsonSequence('{', '}', len(v), func(i int) (string, any) { return v[i].key, v[i].value })
	}
	return json.Marshal(v)
}

func jsonSequence(first, last byte, n int, at func(int) (string, any)) ([]byte, error) {
	out := []byte{first}
	for i := range n {
		if i > 0 {
			out = append(out, ',')
		}
		key, value := at(i)
		if first == '{' {
			k, err := json.Marshal(key)
			if err != nil {
				return nil, err
			}
			out = append(append(out, k...), ':')
		}
		v, err := jsonText(value)
		if err != nil {
			return nil, err
		}
		out = append(out, v...)
	}
	return append(out, last), nil
}
