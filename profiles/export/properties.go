package export

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"sweetspot/engine/config"
	"sweetspot/engine/knob"
)

// writeProperties writes config.properties.
func writeProperties(s Source) []byte {
	return append(heading("config.properties for TorchServe", s, propertiesNotes(s)), properties(s).Encode()...)
}

// properties returns the content of the file. It has all values that affect performance,
// also if they are the defaults of TorchServe, because its defaults are not the same
// everywhere.
func properties(s Source) *config.File {
	f := &config.File{}
	f.Set("model_store", s.ModelStore)
	f.Set("load_models", s.Model.Name+"="+archive(s))
	f.Set("job_queue_size", itoa(s.Settings.QueueSize))
	f.Set("number_of_gpu", itoa(gpus(s)))
	if n := maxRequestSize(s); n > 0 {
		f.Set("max_request_size", itoa(n))
	}
	f.Set("models", config.ModelsValue([]config.Model{{
		Name: s.Model.Name, Version: s.Model.Version, MarName: archive(s),
		MinWorkers: s.Settings.Workers, MaxWorkers: s.Settings.Workers,
		BatchSize: s.Settings.BatchSize, MaxBatchDelay: delay(s),
		ResponseTimeout: s.ResponseTimeout, StartupTimeout: startupTimeout,
	}}))
	return f
}

// startupTimeout is TorchServe's default time limit for the start of a worker, in s. It is
// written, so that a default in another file cannot change it.
const startupTimeout = 120

// gpus returns the number of GPUs that may be used: one, as measured, or none.
func gpus(s Source) int {
	if _, on := gpu(s.Settings.Device); on {
		return 1
	}
	return 0
}

// defaultRequestSize is the largest request body in bytes that TorchServe takes unless
// max_request_size says otherwise.
const defaultRequestSize = 6553500

// maxRequestSize is max_request_size: what the measured server was told, or enough for the
// bodies that were sent, in whole MiB; 0 leaves TorchServe's default.
func maxRequestSize(s Source) int {
	const step = 1 << 20
	switch n := s.Model.LargestBody; {
	case s.Model.MaxRequestSize > 0:
		return int(s.Model.MaxRequestSize)
	case n > defaultRequestSize && n <= math.MaxInt32-step:
		return int((n + step - 1) / step * step)
	}
	return 0
}

// sizeNotes explain max_request_size; inFile says that the file has it.
func sizeNotes(s Source, inFile bool) []string {
	n := maxRequestSize(s)
	if n == 0 {
		return nil
	}
	text := fmt.Sprintf("max_request_size is %d, as the measured server was told.", n)
	if s.Model.MaxRequestSize == 0 {
		text = fmt.Sprintf("max_request_size is %d: the measured requests had up to %d bytes, and TorchServe takes %d unless it is told to.", n, s.Model.LargestBody, defaultRequestSize)
	}
	if !inFile {
		text += " It has no key here: write it into config.properties."
	}
	return []string{text}
}

// delay returns the batch delay in ms, at least 1.
func delay(s Source) int { return int(s.Settings.DelayMS()) }

func propertiesNotes(s Source) []string {
	out := append(torchServeNotes(s, false), sizeNotes(s, true)...)
	if id, on := gpu(s.Settings.Device); on && id != "" {
		out = append(out, fmt.Sprintf("device %s has no key: start TorchServe with CUDA_VISIBLE_DEVICES set to the number of that GPU.", s.Settings.Device))
	}
	return append(out,
		fmt.Sprintf("model_store is the folder that contains %s: change it to your folder, or use --model-store.", archive(s)),
		"These have priority over this file: the values of a model-config.yaml in the archive, with 120 s for missing timeouts; "+
			"a snapshot in logs/config, unless TorchServe is started with --ts-config FILE --ncs; later registrations through the management API.",
		fmt.Sprintf("The block applies only to exactly version %q. TorchServe ignores it for other versions, without a message.", s.Model.Version),
	)
}

func propertiesFields(s Source) []field {
	k := s.Settings
	out := []field{
		{"model_store", s.ModelStore},
		{"load_models", s.Model.Name + "=" + archive(s)},
		{"job_queue_size", k.Get(knob.QueueSize)},
		{"number_of_gpu", itoa(gpus(s))},
		{"minWorkers", k.Get(knob.Workers)},
		{"maxWorkers", k.Get(knob.Workers)},
		{"batchSize", k.Get(knob.BatchSize)},
		{"maxBatchDelay", k.Get(knob.BatchDelay)},
		{"responseTimeout", itoa(s.ResponseTimeout)},
		{"startupTimeout", itoa(startupTimeout)},
	}
	if n := maxRequestSize(s); n > 0 {
		out = append(out, field{"max_request_size", itoa(n)})
	}
	return out
}

// readProperties parses the file as TorchServe does. It returns an error if TorchServe would
// misread any value of the file.
func readProperties(data []byte, s Source) (map[string]string, error) {
	f, err := config.Parse("config.properties", data)
	if err != nil {
		return nil, err
	}
	t, warnings, err := f.TorchServe()
	if err != nil {
		return nil, err
	}
	if len(warnings) > 0 {
		return nil, errors.New(strings.Join(warnings, "\n"))
	}
	m, ok := t.Model(s.Model.Name, s.Model.Version)
	if !ok {
		return nil, fmt.Errorf("models: no %s version %q", s.Model.Name, s.Model.Version)
	}
	var loads []string
	for _, l := range t.LoadModels {
		loads = append(loads, l.Name+"="+l.File)
	}
	out := map[string]string{
		"model_store":     t.ModelStore,
		"load_models":     strings.Join(loads, ","),
		"job_queue_size":  itoa(t.QueueSize),
		"minWorkers":      itoa(m.MinWorkers),
		"maxWorkers":      itoa(m.MaxWorkers),
		"batchSize":       itoa(m.BatchSize),
		"maxBatchDelay":   itoa(m.MaxBatchDelay),
		"responseTimeout": itoa(m.ResponseTimeout),
		"startupTimeout":  itoa(m.StartupTimeout),
	}
	if t.MaxRequestSize > 0 {
		out["max_request_size"] = itoa(t.MaxRequestSize)
	}
	if t.NumberOfGPU != nil {
		out["number_of_gpu"] = itoa(*t.NumberOfGPU)
	}
	return out, nil
}
