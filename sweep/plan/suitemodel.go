package plan

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sweetspot/engine/knob"
)

// modelFile reads the plans of a model file that a suite file lists.
func (s suiteFile) modelFile(name string, data []byte) ([]Plan, error) {
	root, err := newDecoder(name).root(data)
	switch {
	case err != nil:
		return nil, err
	case !isModelFile(root):
		return nil, fmt.Errorf("%s:1:1: not a model file of the benchmark suite; want model, mode, and keys such as url and workers", name)
	}
	return s.plans(name, root)
}

// isModelFile reports whether root is a model file of the suite: maps of models, modes and keys.
func isModelFile(root *node) bool {
	hasKey := false
	for _, model := range root.keys {
		for _, mode := range model.value.keys {
			if mode.value.kind != mapping {
				return false
			}
			for _, key := range []string{"url", "workers", "batch_size"} {
				hasKey = hasKey || mode.value.find(key) != nil
			}
		}
		if model.value.kind != mapping {
			return false
		}
	}
	return hasKey
}

// plans reads a model file, in the order in which the suite runs its trials. It omits models that
// are not for the hardware; without a suite file that is any hardware.
func (s suiteFile) plans(name string, root *node) ([]Plan, error) {
	var (
		plans []Plan
		errs  []error
	)
	for _, model := range root.keys {
		for _, mode := range model.value.keys {
			r := newEntryReader(name, s, mode.name+"_"+model.name)
			matches, err := r.read(mode.value)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			if matches {
				p := r.plan
				p.Name = model.name + " " + mode.name
				p.Notes = slices.Insert(p.Notes, 0, fmt.Sprintf(
					"read as TorchServe's benchmark suite: model %s, mode %s; the file has no SLA and no time budget", model.name, mode.name))
				plans = append(plans, p)
			}
		}
	}
	sortPlans(plans)
	return plans, errors.Join(errs...)
}

// entryReader reads one mode of a model file, or one JSON file of benchmark-ab.py.
type entryReader struct {
	*decoder
	suite      suiteFile
	plan       Plan
	processors []processor
	unused     []string // keys without an effect here, with the reasons
}

// processor is one entry of processors. device is "" if this program has no engine for it.
type processor struct{ name, folder, device string }

func newEntryReader(name string, s suiteFile, group string) *entryReader {
	r := &entryReader{decoder: newDecoder(name), suite: s, plan: Default()}
	p := &r.plan
	p.Suite = &Suite{Group: group, Hardware: s.hardware, Commands: s.commands}
	p.Strategy, p.Knobs = "grid", map[knob.Name]string{}
	p.Budget.Time, p.Trial.MaxRequests = 0, 0
	r.unknown = func(_, key string, _ pos, _ []string) { r.ignore(key, "the suite has no such key") }
	return r
}

// ignore notes that a key has no effect here.
func (r *entryReader) ignore(key, why string) {
	r.unused = append(r.unused, fmt.Sprintf("%s is not used: %s", oneLine(key), why))
}

// read reads one mode. matches is false if it is not for the hardware.
func (r *entryReader) read(n *node) (matches bool, err error) {
	r.mapping("", n, append(r.commonFields(), field{"processors", r.eachItem(r.processor)}))
	matches = r.setDevices()
	return matches, r.finish()
}

// as reads a value like the plan's field of that path, so that later errors have its position.
func (r *entryReader) as(path string, read readFunc) readFunc {
	return func(_ string, n *node) {
		r.positions[path] = n.at
		read(path, n)
	}
}

// commonFields are the keys of a mode and of a JSON file.
func (r *entryReader) commonFields() []field {
	p := &r.plan
	return append([]field{
		{"url", r.as("model", r.text(&p.Model))},
		{"input", r.text(&p.Input)},
		{"content_type", r.text(&p.ContentType)},
		{"workers", r.knobRange(p, knob.Workers)},
		{"batch_size", r.knobRange(p, knob.BatchSize)},
		{"batch_delay", r.knobRange(p, knob.BatchDelay)},
		{"concurrency", r.as("load: concurrency", func(path string, n *node) {
			p.Loads = nil
			r.eachItem(r.concurrency(&p.Loads))(path, n)
		})},
		{"requests", r.as("trial: requests", r.integer(&p.Trial.Requests))},
	}, r.ignoredFields()...)
}

// ignoredFields are the keys that have no effect here. Values with which nothing is lost are not
// noted.
func (r *entryReader) ignoredFields() []field {
	off := func(key, why string) field {
		return field{key, func(_ string, n *node) {
			if text := strings.ToLower(n.text); text != "false" && text != "" {
				r.ignore(key, why)
			}
		}}
	}
	always := func(key, why string) field {
		return field{key, func(string, *node) { r.ignore(key, why) }}
	}
	engine := func(key string) field {
		return always(key, "the load is sent by this program: a closed load on kept connections, as with ab")
	}
	return []field{
		engine("benchmark_engine"), engine("benchmark_backend"),
		{"exec_env", func(_ string, n *node) {
			if n.text == "docker" {
				r.ignore("exec_env docker", "no container is started; --target torchserve measures one that runs")
			}
		}},
		off("backend_profiling", "it is for Python workers; the screen shows the time of each operator"),
		off("handler_profiling", "the times of decoding, execution and encoding are measured always"),
		off("generate_graphs", "sweetspot report --format svg or png draws the charts"),
		off("image", "no container is started"), off("docker_runtime", "no container is started"),
		always("retry_attempts", "it belongs to workflows, and the suite ignores it too"),
		always("timeout_ms", "it belongs to workflows, and the suite ignores it too; --timeout sets the limit of a request"),
		off("config_properties", "settings are those of the plan; sweetspot check FILE says what such a file does"),
		always("report_location", "--out is the folder of the results"),
		always("tmp_dir", "no temporary files are needed"),
	}
}

// processor reads one entry of processors: cpu, gpu, neuron, neuronx, or a map such as {gpus: all}.
func (r *entryReader) processor(_ string, n *node) {
	gpus := n.find("gpus")
	switch {
	case n.text == "cpu" || n.text == "gpu":
		r.processors = append(r.processors, processor{n.text, n.text, n.text})
	case gpus == nil:
		r.processors = append(r.processors, processor{n.text, n.text, ""})
	default:
		r.gpus(gpus)
	}
}

// gpus reads the GPUs of an entry: all, or the number of one.
func (r *entryReader) gpus(n *node) {
	device := "gpu"
	if _, err := strconv.Atoi(n.text); err == nil {
		device = "gpu:" + n.text
	}
	r.processors = append(r.processors, processor{"gpus " + n.text, "gpu", device})
}

// setDevices sets the devices of the processors that match the hardware, and reports whether
// there are any. As in the suite, a later GPU entry replaces an earlier one, because their trials
// have the same names.
func (r *entryReader) setDevices() bool {
	folder := r.suite.folder()
	if len(r.processors) == 0 {
		return folder == "" || folder == "cpu"
	}
	var used []processor
	for _, p := range r.processors {
		if folder != "" && p.folder != folder {
			continue
		}
		if i := slices.IndexFunc(used, func(u processor) bool { return u.folder == p.folder }); i >= 0 {
			if used[i].name != p.name {
				r.ignore("processor "+used[i].name, fmt.Sprintf("as in the suite, %s replaces it", p.name))
			}
			used[i] = p
			continue
		}
		used = append(used, p)
	}
	var devices []string
	for _, p := range used {
		if p.device != "" {
			devices = append(devices, p.device)
			continue
		}
		r.plan.Suite.neuron = p.name
	}
	if len(devices) > 0 {
		if other := r.plan.Suite.neuron; other != "" {
			r.ignore("processor "+other, "there is no engine for it here")
		}
		r.plan.Suite.neuron = ""
		r.plan.Knobs[knob.Device] = normalize(knob.Device, strings.Join(devices, ","))
	}
	return len(used) > 0
}

// finish puts the grid into the order of the suite, adds the notes, and returns all errors.
func (r *entryReader) finish() error {
	p := &r.plan
	for n, end := range map[knob.Name]string{knob.Workers: "_", knob.BatchSize: "."} {
		if text, ok := p.Knobs[n]; ok {
			p.Knobs[n] = nameOrder(text, end)
		}
	}
	if strings.HasSuffix(strings.ToLower(p.Model), ".war") {
		p.Suite.workflow = "a workflow archive (.war) chains several models; a sweep tunes one model: give each model of it a plan of its own"
	}
	r.addFieldErrors(p.check())
	p.Notes = append(append(p.Notes, r.suite.notes...), r.unused...)
	if _, ok := p.Knobs[knob.BatchDelay]; ok {
		p.Notes = append(p.Notes, "batch_delay is in force here; the suite records it but never applies it")
	}
	if why := p.Refusal(); why != "" {
		p.Notes = append(p.Notes, "it can be listed with --dry-run but not run: "+why)
	}
	return r.joined()
}
