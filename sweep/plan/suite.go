package plan

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"sweetspot/engine/knob"
)

// Load reads the plans of a file with read, usually os.ReadFile: one of a plan file, or
// one for each model and mode of a file of TorchServe's benchmark suite. If the file
// lists model files, Load reads them too. It searches a name that is not absolute in the
// folder models_config next to the file, and then in the folder of the file.
func Load(name string, read func(path string) ([]byte, error)) ([]Plan, error) {
	data, err := read(name)
	if err != nil {
		return nil, err
	}
	root, err := newDecoder(name).root(data)
	if err != nil {
		return nil, err
	}
	if !isSuite(root) {
		return parseAll(name, data)
	}
	var (
		plans []Plan
		errs  []error
	)
	for _, model := range suiteModels(root) {
		path, data, err := readModel(name, model, read)
		if err == nil {
			var more []Plan
			more, err = modelFile(path, data, suiteHardware(root))
			plans = append(plans, more...)
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	switch {
	case len(errs) > 0:
		return nil, errors.Join(errs...)
	case len(plans) == 0:
		return nil, fmt.Errorf("%s:1:1: models: none of them runs on hardware %s", name, suiteHardware(root))
	}
	return plans, nil
}

// readModel finds and reads a model file that a suite file lists.
func readModel(suite, model string, read func(string) ([]byte, error)) (string, []byte, error) {
	dir := filepath.Dir(suite)
	paths := []string{filepath.Join(dir, "models_config", model), filepath.Join(dir, model)}
	if filepath.IsAbs(model) {
		paths = []string{model}
	}
	var first error
	for _, path := range paths {
		data, err := read(path)
		if err == nil {
			return path, data, nil
		}
		if first == nil {
			first = err
		}
	}
	return "", nil, fmt.Errorf("%s: models: %q cannot be read: %w", suite, model, first)
}

// modelFile reads the plans of a model file.
func modelFile(name string, data []byte, hardware string) ([]Plan, error) {
	root, err := newDecoder(name).root(data)
	switch {
	case err != nil:
		return nil, err
	case !isModelFile(root):
		return nil, fmt.Errorf("%s:1:1: not a model file of the benchmark suite; want model, mode, and keys such as url and workers", name)
	}
	return suitePlans(name, root, hardware)
}

// isSuite reports whether root is a suite file: it lists model files.
func isSuite(root *node) bool {
	models := root.find("models")
	return models != nil && models.kind == sequence && root.find("version") == nil
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

func suiteModels(root *node) []string {
	var out []string
	for _, item := range root.find("models").items {
		out = append(out, item.text)
	}
	return out
}

// suiteHardware returns the hardware of the trials that the suite would run. The suite treats an
// unknown value as cpu.
func suiteHardware(root *node) string {
	if h := root.find("hardware"); h != nil && slices.Contains([]string{"gpu", "neuron", "neuronx"}, h.text) {
		return h.text
	}
	return "cpu"
}

// suitePlans reads a model file. It omits models that are not for the hardware; "" is any hardware.
func suitePlans(name string, root *node, hardware string) ([]Plan, error) {
	var (
		plans []Plan
		errs  []error
	)
	for _, model := range root.keys {
		for _, mode := range model.value.keys {
			p, matches, err := suitePlan(name, mode.value, hardware)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			if matches {
				p.Name = model.name + " " + mode.name
				p.Notes = slices.Insert(p.Notes, 0, fmt.Sprintf(
					"read as TorchServe's benchmark suite: model %s, mode %s; the file has no SLA and no time budget", model.name, mode.name))
				plans = append(plans, p)
			}
		}
	}
	return plans, errors.Join(errs...)
}

// suitePlan reads one mode. matches is false if it is not for the hardware.
func suitePlan(name string, mode *node, hardware string) (p Plan, matches bool, err error) {
	p = Default()
	p.Strategy, p.Knobs = "grid", map[knob.Name]string{}
	p.Budget.Time, p.Trial.MaxRequests = 0, 0
	d := newDecoder(name)
	var unused []string
	d.unknown = func(_, key string, _ pos, _ []string) { unused = append(unused, key) }
	var devices []string
	// as reads a value like the plan's field of that path, so that later errors have its position.
	as := func(path string, read readFunc) readFunc {
		return func(_ string, n *node) {
			d.positions[path] = n.at
			read(path, n)
		}
	}
	clients := func(path string, n *node) {
		p.Loads = nil
		d.eachItem(d.concurrency(&p.Loads))(path, n)
	}
	d.mapping("", mode, []field{
		{"url", as("model", d.text(&p.Model))},
		{"input", d.text(&p.Input)},
		{"workers", d.knobRange(&p, knob.Workers)},
		{"batch_size", d.knobRange(&p, knob.BatchSize)},
		{"batch_delay", d.knobRange(&p, knob.BatchDelay)},
		{"concurrency", as("load: concurrency", clients)},
		{"requests", as("trial: requests", d.integer(&p.Trial.Requests))},
		{"processors", d.eachItem(readProcessor(&devices, &unused))},
	})
	matches = p.setDevices(devices, hardware)
	d.addFieldErrors(p.check())
	if len(unused) > 0 {
		p.Notes = append(p.Notes, "not used: "+strings.Join(unused, ", "))
	}
	if _, ok := p.Knobs[knob.BatchDelay]; ok {
		p.Notes = append(p.Notes, "batch_delay is in force here; the suite records it but never applies it")
	}
	return p, matches, d.joined()
}

// readProcessor reads one entry of processors: cpu, gpu, or a map such as {gpus: all}. Processors
// on which this program cannot run are added to unused.
func readProcessor(devices, unused *[]string) readFunc {
	return func(_ string, n *node) {
		gpus := n.find("gpus")
		switch {
		case n.text == "cpu" || n.text == "gpu":
			*devices = append(*devices, n.text)
		case gpus == nil:
			*unused = append(*unused, strings.TrimSpace("processor "+n.text))
		default:
			if _, err := strconv.Atoi(gpus.text); err == nil {
				*devices = append(*devices, "gpu:"+gpus.text)
			} else {
				*devices = append(*devices, "gpu")
			}
		}
	}
}

// setDevices sets the range of the device to the devices that match the hardware, and reports
// whether there are any.
func (p *Plan) setDevices(devices []string, hardware string) bool {
	if len(devices) == 0 {
		return hardware == "" || hardware == "cpu"
	}
	if hardware != "" {
		devices = slices.DeleteFunc(devices, func(d string) bool { return !strings.HasPrefix(d, hardware) })
	}
	if len(devices) > 0 {
		p.Knobs[knob.Device] = normalize(knob.Device, strings.Join(devices, ","))
	}
	return len(devices) > 0
}
