package export

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"sweetspot/engine/knob"
)

// ovmsConfig is config.json of OpenVINO Model Server, whose schema allows no other keys, and no comments
// (docs/parameters.md of its repository).
type ovmsConfig struct {
	Models []ovmsModel `json:"model_config_list"`
}

type ovmsModel struct {
	Config ovmsModelConfig `json:"config"`
}

type ovmsModelConfig struct {
	Name         string            `json:"name"`
	BasePath     string            `json:"base_path"`
	BatchSize    int               `json:"batch_size,omitempty"` // 0 is that of the model
	TargetDevice string            `json:"target_device"`
	NIReq        int               `json:"nireq"`
	PluginConfig map[string]string `json:"plugin_config"`
}

// checkOVMS returns an error if OpenVINO Model Server cannot have these settings.
func checkOVMS(s Source, force bool) error {
	if err := checkFolder(s, "OpenVINO Model Server"); err != nil {
		return err
	}
	if s.Settings.BatchSize > 1 && !force {
		return fmt.Errorf("batch_size %d was measured with a server that joins requests, and OpenVINO Model Server joins none: its clients must send %d rows in each request; "+
			"choose a trial with batch size 1; %w", s.Settings.BatchSize, s.Settings.BatchSize, ErrRefused)
	}
	return nil
}

// ovmsModelOf returns the entry of the model. OpenVINO has one stream for each worker, and enough requests to keep
// all of them busy.
func ovmsModelOf(s Source) ovmsModelConfig {
	c := ovmsModelConfig{
		Name: s.Model.Name, BasePath: "/models/" + s.Model.Name, TargetDevice: "CPU", NIReq: s.Settings.Workers,
		PluginConfig: map[string]string{"NUM_STREAMS": itoa(s.Settings.Workers), "INFERENCE_PRECISION_HINT": "f32"},
	}
	if s.Model.BatchAxis != nil && *s.Model.BatchAxis {
		c.BatchSize = s.Settings.BatchSize
	}
	if s.Settings.Precision == knob.HalfPrecision {
		c.PluginConfig["INFERENCE_PRECISION_HINT"] = "f16"
	}
	if id, on := gpu(s.Settings.Device); on {
		c.TargetDevice = "GPU"
		if _, err := strconv.Atoi(id); err == nil {
			c.TargetDevice += "." + id
		}
		return c
	}
	if s.Settings.Threads > 0 {
		c.PluginConfig["INFERENCE_NUM_THREADS"] = itoa(s.Settings.Workers * s.Settings.Threads)
	}
	return c
}

func writeOVMS(s Source) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	if err := enc.Encode(ovmsConfig{[]ovmsModel{{ovmsModelOf(s)}}}); err != nil {
		panic("export: " + err.Error()) // all its values can be encoded
	}
	return b.Bytes()
}

func ovmsFields(s Source) []field { return ovmsList(ovmsModelOf(s)) }

// ovmsList returns the values of an entry by their keys.
func ovmsList(c ovmsModelConfig) []field {
	out := []field{
		{"name", c.Name}, {"base_path", c.BasePath}, {"batch_size", itoa(c.BatchSize)}, {"target_device", c.TargetDevice}, {"nireq", itoa(c.NIReq)},
	}
	for _, k := range slices.Sorted(maps.Keys(c.PluginConfig)) {
		out = append(out, field{"plugin_config." + k, c.PluginConfig[k]})
	}
	return out
}

// readOVMS parses config.json, in which an unknown key is an error, as in the server's schema.
func readOVMS(data []byte, _ Source) (map[string]string, error) {
	var c ovmsConfig
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return nil, err
	}
	if len(c.Models) != 1 {
		return nil, errors.New("model_config_list: want one model")
	}
	out := map[string]string{}
	for _, f := range ovmsList(c.Models[0].Config) {
		out[f.key] = f.want
	}
	return out, nil
}

// ovmsNotes says what has no key, and where the values come from, because the file has no comments.
func ovmsNotes(s Source) []string {
	out := []string{strings.Join(slices.DeleteFunc(origin("config.json for OpenVINO Model Server", s), func(l string) bool { return l == "" }), "; ")}
	out = append(append(out, verdictNotes(s)...), ownNotes(s)...)
	folder := fmt.Sprintf("Start the server with --config_path; the model is in the folder %s/1 there (base_path)", ovmsModelOf(s).BasePath)
	if s.originalName != "" {
		folder += fmt.Sprintf("; %q is not a suitable name for a folder", s.originalName)
	}
	out = append(out, folder+".")
	if s.Settings.BatchSize > 1 {
		out = append(out, fmt.Sprintf("OpenVINO Model Server does not join requests: with batch_size %d each request must have %d rows.", s.Settings.BatchSize, s.Settings.BatchSize))
	}
	out = append(out,
		fmt.Sprintf("batch delay %s ms has no key, because requests are not joined.", s.Settings.Get(knob.BatchDelay)),
		fmt.Sprintf("queue size %d has no key: nireq is the number of requests that are executed at once, and the others wait without a limit. Limit them outside.", s.Settings.QueueSize),
	)
	if s.Options.Rule == knob.RuleUnreported {
		out = append(out, unreportedRule+"OpenVINO Model Server.")
	}
	out = append(out, "The figures are of another runtime than OpenVINO: measure again with --target oip+http://HOST:PORT.")
	if _, on := gpu(s.Settings.Device); on {
		out = append(out, fmt.Sprintf("GPU is a GPU of Intel in OpenVINO, and threads %d has no meaning there.", s.Settings.Threads))
	}
	if s.Settings.Precision == knob.HalfPrecision {
		out = append(out, "FP16 is INFERENCE_PRECISION_HINT f16, which has an effect only on devices that calculate in FP16; others take FP32.")
	}
	return out
}
