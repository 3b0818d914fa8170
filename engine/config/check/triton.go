package check

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sweetspot/engine/config"
	"sweetspot/engine/knob"
)

// The fields of Triton's messages that are checked. Triton refuses a file with another one.
var tritonFields = map[string][]string{
	"": strings.Fields(`name platform backend runtime version_policy max_batch_size input output batch_input batch_output optimization
		dynamic_batching sequence_batching ensemble_scheduling instance_group default_model_filename cc_model_filenames metric_tags
		parameters model_warmup model_operations model_transaction_policy model_repository_agents response_cache model_metrics`),
	"dynamic_batching": strings.Fields(`preferred_batch_size max_queue_delay_microseconds preserve_ordering priority_levels
		default_priority_level default_queue_policy priority_queue_policy`),
	"default_queue_policy": strings.Fields("timeout_action default_timeout_microseconds allow_timeout_override max_queue_size"),
	"instance_group":       strings.Fields("name kind count rate_limiter gpus secondary_devices profile passive host_policy"),
}

// Names that people write for a field, by message.
var tritonNames = map[string]string{
	"batch_size": "max_batch_size", "batchsize": "max_batch_size", "max_batch": "max_batch_size",
	"max_queue_delay": "max_queue_delay_microseconds", "max_queue_delay_us": "max_queue_delay_microseconds",
	"preferred_batch_sizes": "preferred_batch_size", "queue_size": "max_queue_size", "gpu": "gpus", "gpu_ids": "gpus",
	"inputs": "input", "outputs": "output", "instance_groups": "instance_group", "parameter": "parameters",
}

// Fields that stand once, with a number.
var tritonNumbers = strings.Fields(`max_batch_size max_queue_delay_microseconds priority_levels default_priority_level
	default_timeout_microseconds max_queue_size count`)

// tritonChecker checks a config.pbtxt.
type tritonChecker struct {
	file  string
	lines []string
	root  []*field
	list  []config.Finding
}

func (r *Report) triton(data []byte, folder string) {
	root, err := parsePbtxt(string(data))
	if err != nil {
		n, text, _ := strings.Cut(err.Error(), ": ")
		line, _ := strconv.Atoi(n)
		r.Findings = []config.Finding{{File: r.File, Line: line, Severity: config.Refuses, Does: text + ": Triton does not load the model"}}
		return
	}
	c := &tritonChecker{file: r.File, lines: strings.SplitAfter(string(data), "\n"), root: root}
	c.message("", root)
	c.folder(folder)
	c.batching()
	c.instances()
	c.tensors()
	c.options()
	slices.SortStableFunc(c.list, func(a, b config.Finding) int { return a.Line - b.Line })
	r.Findings = c.list
}

func (c *tritonChecker) add(s config.Severity, f *field, key, does, write string, edits ...config.Edit) {
	c.list = append(c.list, config.NewFinding(c.file, f.line, key, s, does, write, edits...))
}

// get returns the last field of a name, or nil.
func get(fields []*field, name string) *field {
	for _, f := range slices.Backward(fields) {
		if f.name == name {
			return f
		}
	}
	return nil
}

// inner returns the fields of a message by its path.
func inner(fields []*field, path ...string) []*field {
	for _, name := range path {
		f := get(fields, name)
		if f == nil {
			return nil
		}
		fields = f.fields
	}
	return fields
}

// number returns the number of a field; ok is false if it is not there or is none.
func number(fields []*field, name string) (n int64, f *field, ok bool) {
	if f = get(fields, name); f == nil {
		return 0, nil, false
	}
	n, err := strconv.ParseInt(f.text, 0, 64)
	return n, f, err == nil && !f.quoted
}

// message reports unknown fields, fields that stand twice and texts for numbers.
func (c *tritonChecker) message(name string, fields []*field) {
	known := tritonFields[name]
	seen := map[string]*field{}
	for _, f := range fields {
		path := strings.TrimPrefix(name+"."+f.name, ".")
		if known != nil && !slices.Contains(known, f.name) {
			c.unknown(f, path, known)
			continue
		}
		if slices.Contains(tritonNumbers, f.name) {
			c.once(f, path, seen[f.name])
			seen[f.name] = f
		}
		if f.message && tritonFields[f.name] != nil {
			c.message(f.name, f.fields)
		}
	}
}

func (c *tritonChecker) unknown(f *field, path string, known []string) {
	meant, near := tritonNames[strings.ToLower(f.name)]
	if near = near && slices.Contains(known, meant); !near {
		meant, near = knob.Nearest(f.name, known)
	}
	const does = "unknown field: Triton does not load the model"
	if !near {
		c.add(config.Refuses, f, path, does, "remove it", c.remove(f)...)
		return
	}
	c.add(config.Refuses, f, path, does+"; did you mean "+meant+"?", "write "+meant, c.rename(f, meant)...)
}

// once reports a number that stands twice, or is none.
func (c *tritonChecker) once(f *field, path string, before *field) {
	_, err := strconv.ParseInt(f.text, 0, 64)
	switch {
	case before != nil:
		c.add(config.Refuses, f, path, fmt.Sprintf("line %d has it already: Triton does not load the model", before.line), "remove one of them", c.remove(f)...)
	case f.message || f.quoted && err == nil:
		c.add(config.Refuses, f, path, "not a number: Triton does not load the model", "write "+strconv.Quote(f.text)+" without quotes", c.setText(f, f.text)...)
	case err != nil || f.quoted:
		c.add(config.Refuses, f, path, fmt.Sprintf("%q is not a whole number: Triton does not load the model", f.text), "write a whole number")
	}
}

// folder reports a name that is not that of the model's folder.
func (c *tritonChecker) folder(folder string) {
	if f := get(c.root, "name"); f != nil && folder != "" && f.text != folder {
		c.add(config.Note, f, "name", fmt.Sprintf("Triton loads the model only from a folder of this name; this one is in %q", folder), "")
	}
}

// batching checks how batches form.
func (c *tritonChecker) batching() {
	size, sizeField, hasSize := number(c.root, "max_batch_size")
	dynamic := get(c.root, "dynamic_batching")
	other := get(c.root, "sequence_batching") != nil || get(c.root, "ensemble_scheduling") != nil
	complete := get(c.root, "input") != nil && get(c.root, "output") != nil
	switch {
	case hasSize && size < 0:
		c.add(config.Refuses, sizeField, "max_batch_size", "below 0: Triton does not load the model", "write 0 for no batches, or more", c.setText(sizeField, "0")...)
	case dynamic != nil && size == 0 && complete:
		c.add(config.Differs, dynamic, "dynamic_batching", "has no effect without max_batch_size: requests are never joined", "write max_batch_size")
	case dynamic == nil && size > 1 && complete && !other:
		c.add(config.Differs, sizeField, "max_batch_size", fmt.Sprintf("%d without dynamic_batching: Triton never joins requests, and a batch is one request of several rows", size),
			"write dynamic_batching { }", config.Insert(len(c.lines)+1, "dynamic_batching { }"))
	case dynamic == nil && !complete && !other:
		at := &field{line: 1}
		if sizeField != nil {
			at = sizeField
		}
		c.add(config.Note, at, "dynamic_batching", "not in this file: where Triton completes input and output from the model (ONNX), it turns it on, with max_batch_size 4 unless given", "")
	}
	if dynamic != nil {
		c.dynamic(dynamic, size)
	}
}

// dynamic checks the fields of dynamic_batching.
func (c *tritonChecker) dynamic(d *field, size int64) {
	delay, delayField, hasDelay := number(d.fields, "max_queue_delay_microseconds")
	largest := int64(0)
	for _, f := range d.fields {
		if f.name != "preferred_batch_size" {
			continue
		}
		n, err := strconv.ParseInt(f.text, 0, 64)
		largest = max(largest, n)
		switch {
		case err != nil || n <= 0:
			c.add(config.Refuses, f, "preferred_batch_size", fmt.Sprintf("%q is not a size: Triton does not load the model", f.text), "remove it", c.remove(f)...)
		case n > size && size > 0:
			c.add(config.Refuses, f, "preferred_batch_size", fmt.Sprintf("%d is above max_batch_size %d: Triton does not load the model", n, size), "remove it", c.remove(f)...)
		}
	}
	if f := get(d.fields, "preferred_batch_size"); f != nil && largest > 0 && largest < size && delay == 0 {
		c.add(config.Hinders, f, "preferred_batch_size", fmt.Sprintf("without a delay no batch above %d forms: one is sent as soon as it has a preferred size", largest), "remove it", c.remove(f)...)
	}
	if hasDelay && delay > 0 && delay < 1000 {
		c.add(config.Note, delayField, "max_queue_delay_microseconds", fmt.Sprintf("the unit is microseconds: %d are %g ms", delay, float64(delay)/1000), "")
	}
	c.priorities(d)
	policy := inner(d.fields, "default_queue_policy")
	n, queueField, hasQueue := number(policy, "max_queue_size")
	switch {
	case !hasQueue:
		c.add(config.Note, d, "max_queue_size", "not in this file, so the queue has no limit", "")
	case n == 0:
		c.add(config.Differs, queueField, "max_queue_size", "0 is no limit", "write a limit, or remove it", c.remove(queueField)...)
	case n < size:
		c.add(config.Hinders, queueField, "max_queue_size", fmt.Sprintf("the queue holds %d requests, fewer than a batch of %d", n, size), fmt.Sprintf("write %d or more", size),
			c.setText(queueField, strconv.FormatInt(size, 10))...)
	}
}

func (c *tritonChecker) priorities(d *field) {
	levels, f, ok := number(d.fields, "priority_levels")
	if !ok || levels == 0 {
		return
	}
	if level, _, _ := number(d.fields, "default_priority_level"); level < 1 || level > levels {
		c.add(config.Refuses, f, "priority_levels", fmt.Sprintf("default_priority_level is not in 1-%d: Triton does not load the model", levels), "write default_priority_level")
	}
}

// instances checks where the instances run.
func (c *tritonChecker) instances() {
	found := false
	for _, g := range c.root {
		if g.name != "instance_group" {
			continue
		}
		found = true
		kind, gpus := "KIND_AUTO", get(g.fields, "gpus")
		if k := get(g.fields, "kind"); k != nil {
			kind = k.text
		}
		n, _, ok := number(g.fields, "count")
		switch {
		case gpus != nil && (kind == "KIND_CPU" || kind == "KIND_MODEL"):
			c.add(config.Refuses, gpus, "instance_group.gpus", "not allowed with "+kind+": Triton does not load the model", "remove it", c.remove(gpus)...)
		case gpus == nil && kind == "KIND_GPU":
			c.add(config.Note, g, "instance_group", "without gpus Triton starts count instances on each GPU", "")
		}
		if !ok || n < 1 {
			c.add(config.Note, g, "instance_group.count", "without a count Triton starts one instance, and two of an ONNX model on the CPU", "")
		}
	}
	if !found && get(c.root, "ensemble_scheduling") == nil {
		c.add(config.Note, &field{line: 1}, "instance_group", "not in this file: Triton starts one instance, on each GPU if there are any, and two of an ONNX model on the CPU", "")
	}
}

// tensors checks the dimensions of inputs and outputs.
func (c *tritonChecker) tensors() {
	size, _, _ := number(c.root, "max_batch_size")
	for _, t := range c.root {
		if t.name != "input" && t.name != "output" {
			continue
		}
		first := true
		for _, d := range t.fields {
			if d.name != "dims" {
				continue
			}
			n, err := strconv.ParseInt(d.text, 0, 64)
			switch {
			case err != nil || n < 1 && n != -1:
				c.add(config.Refuses, d, t.name+".dims", fmt.Sprintf("%q is not a size; -1 is any: Triton does not load the model", d.text), "")
			case first && n == -1 && size > 0:
				c.add(config.Note, d, t.name+".dims", "dims have no batch dimension, because max_batch_size is above 0: the first -1 is another one", "")
			}
			first = false
		}
		if first && t.message {
			c.add(config.Refuses, t, t.name, "has no dims: Triton does not load the model", "write dims")
		}
	}
}

// options checks parameters and optimizations.
func (c *tritonChecker) options() {
	for _, p := range c.root {
		if p.name != "parameters" {
			continue
		}
		for _, v := range inner(p.fields, "value") {
			if v.name != "string_value" {
				c.add(config.Refuses, v, "parameters.value."+v.name, "unknown field: a value is always a string_value: Triton does not load the model", "write string_value", c.rename(v, "string_value")...)
			} else if !v.quoted {
				c.add(config.Refuses, v, "parameters.value.string_value", "a text needs quotes: Triton does not load the model", "write "+strconv.Quote(v.text), c.setText(v, strconv.Quote(v.text))...)
			}
		}
	}
	if n, f, ok := number(inner(c.root, "optimization", "graph"), "level"); ok && n == 2 {
		c.add(config.Note, f, "optimization.graph.level", "2 turns all optimizations of ONNX Runtime off; 0 turns all on", "")
	}
	accelerators := inner(c.root, "optimization", "execution_accelerators")
	if f := get(accelerators, "gpu_execution_accelerator"); f != nil && c.onlyCPU() {
		c.add(config.Differs, f, "gpu_execution_accelerator", "has no effect on instances of KIND_CPU", "")
	}
}

func (c *tritonChecker) onlyCPU() bool {
	groups := 0
	for _, g := range c.root {
		if g.name != "instance_group" {
			continue
		}
		if k := get(g.fields, "kind"); k == nil || k.text != "KIND_CPU" {
			return false
		}
		groups++
	}
	return groups > 0
}

// The fixes change whole lines, and only if nothing else stands there.

// alone returns the line of a field if the field is all of its one line, else ok false.
func (c *tritonChecker) alone(f *field) (text string, ok bool) {
	if f.line != f.last || f.line > len(c.lines) {
		return "", false
	}
	text = strings.TrimRight(c.lines[f.line-1], "\r\n")
	fields, err := parsePbtxt(text)
	if err != nil || len(fields) == 0 || slices.ContainsFunc(fields, func(g *field) bool { return g.name != f.name }) {
		return "", false
	}
	return text, len(fields) == 1 || f.list
}

func (c *tritonChecker) remove(f *field) []config.Edit {
	if _, ok := c.alone(f); !ok {
		return nil
	}
	return []config.Edit{config.Remove(f.line)}
}

func (c *tritonChecker) rename(f *field, name string) []config.Edit {
	text := strings.TrimRight(c.lines[f.line-1], "\r\n")
	if strings.Count(text, f.name) != 1 || !strings.HasPrefix(strings.TrimLeft(text, " \t"), f.name) {
		return nil
	}
	return []config.Edit{config.Replace(f.line, strings.Replace(text, f.name, name, 1))}
}

func (c *tritonChecker) setText(f *field, value string) []config.Edit {
	text, ok := c.alone(f)
	if !ok || f.list || f.message {
		return nil
	}
	indent := text[:len(text)-len(strings.TrimLeft(text, " \t"))]
	comment := ""
	if i := strings.Index(text, "#"); i > 0 && !f.quoted {
		comment = "  " + strings.TrimSpace(text[i:])
	}
	return []config.Edit{config.Replace(f.line, indent+f.name+": "+value+comment)}
}
