package plan

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sweetspot/engine/knob"
)

// Parse reads one plan. name is the file name in errors. Keys that are missing in the
// file have the values of Default; but if there is a key knobs, it has all knobs that
// vary. Parse returns all errors, joined, each in one line:
//
//	plan.yaml:9:3: knobs: "batchsize": unknown knob; did you mean batch_size?
//
// A file without version may be a model file of TorchServe's benchmark suite; then
// Notes say so. A file with several models is an error; use Load.
func Parse(name string, data []byte) (Plan, error) {
	plans, err := parseAll(name, data)
	if err != nil {
		return Plan{}, err
	}
	if len(plans) > 1 {
		models := make([]string, len(plans))
		for i, p := range plans {
			models[i] = p.Model
		}
		return Plan{}, fmt.Errorf("%s:1:1: the file contains %d plans (%s); keep one of them", name, len(plans), oneLine(strings.Join(models, ", ")))
	}
	return plans[0], nil
}

// parseAll reads the plan of a plan file, or all plans of a model file of the suite.
func parseAll(name string, data []byte) ([]Plan, error) {
	d := newDecoder(name)
	root, err := d.root(data)
	if err != nil {
		return nil, err
	}
	switch {
	case isSuite(root):
		return nil, fmt.Errorf("%s:1:1: models: this key lists other files; give one of them: %s", name, oneLine(strings.Join(readSuite(name, root).models, ", ")))
	case isModelFile(root):
		return suiteFile{}.plans(name, root)
	case isTrialFile(root):
		p, err := trialPlan(name, root)
		return []Plan{p}, err
	}
	p := Default()
	if v := root.find("version"); root.kind == mapping && (v == nil || v.kind == null) {
		d.addError(pos{1, 1}, "", "the key version is missing; a plan starts with version: %d", Version)
	}
	d.plan(root, &p)
	d.rejectOwnKnobs(&p)
	d.addFieldErrors(p.check())
	return []Plan{p}, d.joined()
}

// rejectOwnKnobs reports and removes knobs that are none of the seven if the plan's target has no
// others. It runs after all keys are read, because the target may follow the knobs.
func (d *decoder) rejectOwnKnobs(p *Plan) {
	if !p.hasNoOwnKnobs() {
		return
	}
	for _, n := range slices.Sorted(maps.Keys(d.ownKeys)) {
		if p.hasOption(n) {
			continue
		}
		d.unknown("knobs", string(n), d.ownKeys[n], p.knobNames())
		delete(p.Knobs, n)
	}
}

// root reads the document. Its error has the file name and position.
func (d *decoder) root(data []byte) (*node, error) {
	root, err := readYAML(data)
	if p, ok := errors.AsType[*positionError](err); ok {
		d.errs = append(d.errs, *p)
		return nil, d.joined()
	}
	return root, err
}

// plan reads the keys of a plan into p. Missing keys do not change p.
func (d *decoder) plan(root *node, p *Plan) {
	version := Version
	d.mapping("", root, []field{
		{"version", d.integer(&version)},
		{"model", d.text(&p.Model)},
		{"input", d.text(&p.Input)},
		{"content_type", d.text(&p.ContentType)},
		{"image", d.text(&p.Image)},
		{"handler", d.text(&p.Handler)},
		{"labels", d.text(&p.Labels)},
		{"vocab", d.text(&p.Vocabulary)},
		{"max_request_size", d.integer(&p.MaxRequestSize)},
		{"shapes", d.shapes(p)},
		{"values", d.values(p)},
		{"no_batch", d.boolean(&p.NoBatch)},
		{"pad", d.pad(p)},
		{"buckets", d.buckets(p)},
		{"target", d.text(&p.Target)},
		{"server", d.server(p)},
		{"rule", d.enum((*writtenRule)(&p.Options.Rule))},
		{"options", d.options(p)},
		{"question", d.enum(&p.Question)},
		{"cost", d.number(&p.Cost)},
		{"sla", d.sla(p)},
		{"timeout", d.duration(&p.Timeout)},
		{"load", d.loads(p)},
		{"knobs", d.knobs(p)},
		{"strategy", d.text(&p.Strategy)},
		{"order", d.enum(&p.Order)},
		{"objective", d.enum(&p.Objective)},
		{"constraints", d.mapOf(
			field{"memory_mb", d.integer(&p.Constraints.MemoryMB)},
			field{"gpu_memory_mb", d.integer(&p.Constraints.GPUMemoryMB)},
		)},
		{"accept_fp16", d.boolean(&p.AcceptFP16)},
		{"budget", d.mapOf(
			field{"time", d.duration(&p.Budget.Time)},
			field{"load_tests", d.loadTests(p)},
			field{"trials", d.integer(&p.Budget.Trials)},
		)},
		{"trial", d.mapOf(
			field{"requests", d.integer(&p.Trial.Requests)},
			field{"duration", d.duration(&p.Trial.Duration)},
			field{"max_requests", d.integer(&p.Trial.MaxRequests)},
			field{"warmup", d.duration(&p.Trial.Warmup)},
		)},
		{"hold", d.duration(&p.Hold)},
		{"seed", d.unsigned(&p.Seed)},
	})
	if version != Version {
		d.addError(d.positions["version"], "version", "%d: this program reads version %d", version, Version)
	}
	d.serverDefaults(p)
}

// writtenRule reads a rule that a person wrote, which is not "".
type writtenRule knob.Rule

func (r *writtenRule) UnmarshalText(b []byte) error {
	rule, err := knob.ParseRule(string(b))
	if err == nil {
		*r = writtenRule(rule)
	}
	return err
}

// mapOf reads a map with the given fields.
func (d *decoder) mapOf(fields ...field) readFunc {
	return func(path string, n *node) { d.mapping(path, n, fields) }
}

// loadTests reads a number of load tests. The value of Unset is invalid in a file.
func (d *decoder) loadTests(p *Plan) readFunc {
	return func(path string, n *node) {
		v := 0
		d.integer(&v)(path, n)
		if v < 0 {
			d.addError(n.at, path, "%d is below 0; 0 is no limit", v)
			return
		}
		p.Budget.LoadTests = v
	}
}

func (d *decoder) sla(p *Plan) readFunc {
	return d.mapOf(
		field{"percentile", d.number(&p.SLA.Percentile)},
		field{"limit", d.duration(&p.SLA.Limit)},
		field{"latency", d.enum(&p.SLA.Latency)},
		field{"max_error_rate", d.number(&p.SLA.MaxErrorRate)},
		field{"horizon", d.duration(&p.SLA.Horizon)},
	)
}

func (d *decoder) options(p *Plan) readFunc {
	return d.mapOf(
		field{"session", d.text(&p.Options.Session)},
		field{"spin", d.onOff(&p.Options.Spin)},
		field{"pin", d.boolean(&p.Options.Pin)},
		field{"graph", d.text(&p.Options.Graph)},
		field{"inter_op", d.integer(&p.Options.InterOp)},
		field{"arena", d.onOff(&p.Options.Arena)},
		field{"tf32", d.onOff(&p.Options.TF32)},
		field{"cuda_graphs", d.boolean(&p.Options.CUDAGraphs)},
		field{"provider", d.text(&p.Options.Provider)},
		field{"gpu_memory_mb", d.integer(&p.Options.GPUMemoryMB)},
	)
}

// onOff reads on or off, or true or false, which mean the same in YAML.
func (d *decoder) onOff(dst *string) readFunc {
	return func(path string, n *node) {
		d.text(dst)(path, n)
		switch *dst {
		case "true":
			*dst = "on"
		case "false":
			*dst = "off"
		}
	}
}

func (d *decoder) shapes(p *Plan) readFunc {
	return func(path string, n *node) {
		if n.kind != mapping {
			d.addError(n.at, path, "want a map of input names, such as {input_ids: [64]}, not %s", n.kind)
			return
		}
		p.Shapes = map[string][]int64{}
		for _, e := range n.keys {
			d.positions[join(path, e.name)] = e.value.at
			if e.value.kind == scalar {
				if p.Lengths == nil {
					p.Lengths = map[string]string{}
				}
				p.Lengths[e.name] = e.value.text
				continue
			}
			dims := []int64{}
			if e.value.kind != sequence {
				d.addError(e.value.at, join(path, e.name), "want dimensions such as [64], a range such as 8..128, or @FILE, not %s", e.value.kind)
				continue
			}
			for _, item := range e.value.items {
				dim := 1
				d.integer(&dim)(join(path, e.name), item)
				dims = append(dims, int64(dim))
			}
			p.Shapes[e.name] = dims
		}
	}
}

// knobs reads the ranges; the map replaces the default. A name that is none of the seven and is a
// valid name of a target's own knob is kept with its text as it is.
func (d *decoder) knobs(p *Plan) readFunc {
	return func(path string, n *node) {
		p.Knobs = map[knob.Name]string{}
		var fields []field
		for _, k := range knob.All() {
			fields = append(fields, field{string(k.Name), d.knobRange(p, k.Name)})
		}
		for _, e := range n.keys {
			name := knob.Name(e.name)
			if _, isSeven := knob.Get(name); !isSeven && knob.CheckName(name) == nil {
				d.ownKeys[name] = e.at
				fields = append(fields, field{e.name, d.ownKnobRange(p, name)})
			}
		}
		d.mapping(path, n, fields)
	}
}

// ownKnobRange reads the text of a target's own knob: a value, a range, a list of both, or auto.
func (d *decoder) ownKnobRange(p *Plan, name knob.Name) readFunc {
	return func(_ string, n *node) {
		var all []string
		d.eachItem(func(path string, item *node) {
			if s, ok := d.scalar(path, item, "a value, a range, a list or auto"); ok {
				all = append(all, s)
			}
		})("knobs: "+string(name), n)
		if len(all) > 0 {
			p.Knobs[name] = normalizeOwn(strings.Join(all, ","))
		}
	}
}

// knobRange reads a value, a range, a list of both, or auto, and stores it normalized: the values in
// order, separated by commas.
func (d *decoder) knobRange(p *Plan, name knob.Name) readFunc {
	return func(_ string, n *node) {
		d.positions["knobs: "+string(name)] = n.at
		if n.kind == scalar && n.text == knob.Auto {
			p.Knobs[name] = knob.Auto
			return
		}
		var all []string
		d.eachItem(func(path string, item *node) {
			s, ok := d.scalar(path, item, "a value, a range, a list or auto")
			if !ok {
				return
			}
			values, err := knob.Expand(name, s)
			if err != nil {
				d.addError(item.at, "knobs", "%v", err)
				return
			}
			all = append(all, values...)
		})("knobs: "+string(name), n)
		if len(all) > 0 {
			p.Knobs[name] = normalize(name, strings.Join(all, ","))
		}
	}
}

// normalize returns the values of a range, separated by commas; the text itself if it is auto or
// invalid.
func normalize(name knob.Name, text string) string {
	values, err := knob.Expand(name, text)
	if text == knob.Auto || err != nil {
		return text
	}
	return strings.Join(values, ",")
}
