package export

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"

	"sweetspot/engine/knob"
)

// modelConfig has the keys of a model-config.yaml that are written.
type modelConfig struct {
	MinWorkers      int    `yaml:"minWorkers"`
	MaxWorkers      int    `yaml:"maxWorkers"`
	BatchSize       int    `yaml:"batchSize"`
	MaxBatchDelay   int    `yaml:"maxBatchDelay"`
	ResponseTimeout int    `yaml:"responseTimeout"`
	StartupTimeout  int    `yaml:"startupTimeout"`
	JobQueueSize    int    `yaml:"jobQueueSize"`
	DeviceType      string `yaml:"deviceType"`
	DeviceIDs       []int  `yaml:"deviceIds,flow,omitempty"`

	// Handler is for a handler that reads its precision here.
	Handler *handlerConfig `yaml:"handler,omitempty"`
}

type handlerConfig struct {
	Precision knob.Precision `yaml:"precision"`
}

// writeModelConfig writes the part of a model-config.yaml for the frontend of TorchServe.
func writeModelConfig(s Source) []byte {
	kind := "cpu"
	if _, on := gpu(s.Settings.Device); on {
		kind = "gpu"
	}
	c := modelConfig{
		MinWorkers: s.Settings.Workers, MaxWorkers: s.Settings.Workers,
		BatchSize: s.Settings.BatchSize, MaxBatchDelay: delay(s),
		ResponseTimeout: s.ResponseTimeout, StartupTimeout: startupTimeout,
		JobQueueSize: s.Settings.QueueSize, DeviceType: kind, DeviceIDs: deviceIDs(s),
	}
	if inPython(s) && s.Settings.Precision == knob.HalfPrecision {
		c.Handler = &handlerConfig{s.Settings.Precision}
	}
	body, err := yaml.Marshal(c)
	if err != nil {
		panic("export: " + err.Error()) // numbers and strings can always be encoded
	}
	return append(heading("model-config.yaml for TorchServe", s, modelConfigNotes(s)), body...)
}

// deviceIDs returns the number of the GPU, if the settings have a number.
func deviceIDs(s Source) []int {
	id, _ := gpu(s.Settings.Device)
	n, err := strconv.Atoi(id)
	if err != nil || n < 0 {
		return nil
	}
	return []int{n}
}

func modelConfigNotes(s Source) []string {
	out := append(torchServeNotes(s, false), sizeNotes(s, false)...)
	id, on := gpu(s.Settings.Device)
	switch {
	case on && id != "" && deviceIDs(s) == nil:
		out = append(out, fmt.Sprintf("device %s has no key: deviceIds accepts numbers only; add deviceIds: [N] with the number of that GPU.", s.Settings.Device))
	case on:
		out = append(out, "If TorchServe finds no GPU, it uses the CPU without a message. If one number in deviceIds does not exist, it ignores all of them.")
	}
	if inPython(s) {
		out = append(out, "Add what else is in the model-config.yaml of the archive: its handler may read it.")
	}
	return append(out,
		fmt.Sprintf("TorchServe reads this file only inside the archive: pack it with torch-model-archiver --config-file model-config.yaml as %s.", archive(s)),
		"Its values have priority over config.properties. Only the batch size and delay of a registration through the management API have priority over it.",
	)
}

func modelConfigFields(s Source) []field {
	k := s.Settings
	kind := "cpu"
	if k.Device != "cpu" {
		kind = "gpu"
	}
	out := []field{
		{"minWorkers", k.Get(knob.Workers)},
		{"maxWorkers", k.Get(knob.Workers)},
		{"batchSize", k.Get(knob.BatchSize)},
		{"maxBatchDelay", k.Get(knob.BatchDelay)},
		{"responseTimeout", itoa(s.ResponseTimeout)},
		{"startupTimeout", itoa(startupTimeout)},
		{"jobQueueSize", k.Get(knob.QueueSize)},
		{"deviceType", kind},
		{"deviceIds", fmt.Sprint(deviceIDs(s))},
	}
	if inPython(s) && k.Precision == knob.HalfPrecision {
		out = append(out, field{"handler.precision", k.Precision.String()})
	}
	return out
}

func readModelConfig(data []byte, _ Source) (map[string]string, error) {
	var c modelConfig
	if err := yaml.UnmarshalWithOptions(data, &c, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("%s", strings.TrimSpace(yaml.FormatError(err, false, true)))
	}
	out := map[string]string{
		"minWorkers":      itoa(c.MinWorkers),
		"maxWorkers":      itoa(c.MaxWorkers),
		"batchSize":       itoa(c.BatchSize),
		"maxBatchDelay":   itoa(c.MaxBatchDelay),
		"responseTimeout": itoa(c.ResponseTimeout),
		"startupTimeout":  itoa(c.StartupTimeout),
		"jobQueueSize":    itoa(c.JobQueueSize),
		"deviceType":      c.DeviceType,
		"deviceIds":       fmt.Sprint(c.DeviceIDs),
	}
	if c.Handler != nil {
		out["handler.precision"] = c.Handler.Precision.String()
	}
	return out, nil
}
