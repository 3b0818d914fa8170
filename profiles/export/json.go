package export

import (
	"bytes"
	"encoding/json"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// Choice is the content of the JSON format. Its names are those of profiles.
type Choice struct {
	Format   string           `json:"format"`
	Version  int              `json:"version"`
	Tool     string           `json:"tool"`
	Date     time.Time        `json:"date"`
	Profile  string           `json:"profile"`
	Model    profiles.Model   `json:"model"`
	Machine  profiles.Machine `json:"machine"`
	Server   string           `json:"measured_on"` // which server the figures are from, in words
	SLA      *trial.SLA       `json:"sla"`
	Settings knob.Settings    `json:"settings"`
	Options  knob.Options     `json:"options"`
	Measured *measurement     `json:"measured"`              // null if these settings were not measured
	Others   []string         `json:"other_loads,omitempty"` // under which other loads these settings were not measured, not validated, or fail, in words
	Servers  []server         `json:"servers"`               // the settings with the names and units of other servers
}

type measurement struct {
	Trial      int                  `json:"trial"`
	Load       load.Spec            `json:"load"`
	Throughput trial.Estimate       `json:"throughput_rps"`
	Latency    trial.Latencies      `json:"latency_ms"`
	ModelTime  trial.ModelLatencies `json:"model_ms"`
	ErrorRate  trial.Num            `json:"error_rate"`
	Verdict    trial.Verdict        `json:"verdict"`
}

func writeJSON(s Source) []byte {
	c := Choice{
		Format: "sweetspot-choice", Version: 1, Tool: s.Tool, Date: s.Date.UTC().Truncate(time.Second), Profile: s.Profile,
		Model: s.Model, Machine: s.Machine, Server: MeasuredOn(s), SLA: s.SLA, Settings: s.Settings, Options: s.Options, Others: s.OtherLoads, Servers: servers(s),
	}
	if t := s.Trial; t != nil {
		c.Measured = &measurement{t.N, t.Load, t.Throughput, t.Latency, t.Model, t.Counts.ErrorRate(), t.Verdict}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(c); err != nil {
		panic("export: " + err.Error()) // all its values can be encoded
	}
	return b.Bytes()
}

func jsonFields(s Source) []field {
	var out []field
	for _, k := range knob.TableOf(s.Settings) {
		out = append(out, field{string(k.Name), s.Settings.Get(k.Name)})
	}
	out = append(out, field{"rule", s.Options.Rule.String()}, field{"model", s.Model.Name})
	for _, v := range servers(s) {
		for _, k := range v.Keys {
			out = append(out, field{v.Server + " " + k.Key, text(k.Value)})
		}
	}
	return out
}

// text returns a number or a string as JSON.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("export: " + err.Error()) // the table has only numbers and strings
	}
	return string(b)
}

func readJSON(data []byte, _ Source) (map[string]string, error) {
	var c Choice
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	dec.UseNumber()
	if err := dec.Decode(&c); err != nil {
		return nil, err
	}
	out := map[string]string{"rule": c.Options.Rule.String(), "model": c.Model.Name}
	for _, k := range knob.TableOf(c.Settings) {
		out[string(k.Name)] = c.Settings.Get(k.Name)
	}
	for _, v := range c.Servers {
		for _, k := range v.Keys {
			out[v.Server+" "+k.Key] = text(k.Value)
		}
	}
	return out, nil
}
