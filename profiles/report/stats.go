package report

import (
	"encoding/json"
	"io"
	"strings"

	"sweetspot/engine/knob"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/trial"
)

// metric is one entry of stats_metrics.json, as CloudWatch reads it.
type metric struct {
	Name       string      `json:"MetricName"`
	Dimensions []dimension `json:"Dimensions"`
	Unit       string      `json:"Unit"`
	Value      trial.Num   `json:"Value"`
}

type dimension struct {
	Name  string `json:"Name"`
	Value string `json:"Value"`
}

// statsMetrics are the metrics of stats_metrics.json, with the columns that they are from.
var statsMetrics = []struct{ column, name, unit string }{
	{"TS throughput", "throughput", "Count/Second"},
	{"TS latency P50", "total_latency_P50", "Milliseconds"},
	{"TS latency P90", "total_latency_P90", "Milliseconds"},
	{"TS latency P99", "total_latency_P99", "Milliseconds"},
	{"Model_p50", "model_latency_P50", "Milliseconds"},
	{"Model_p90", "model_latency_P90", "Milliseconds"},
	{"Model_p99", "model_latency_P99", "Milliseconds"},
	{"Queue time p50", "queue_time_P50", "Milliseconds"},
	{"Queue time p90", "queue_time_P90", "Milliseconds"},
	{"Queue time p99", "queue_time_P99", "Milliseconds"},
	{"memory_percentage_mean", "memory_percentage_mean", "Percent"},
	{"cpu_percentage_mean", "cpu_percentage_mean", "Percent"},
	{"gpu_percentage_mean", "gpu_percentage_mean", "Percent"},
	{"gpu_memory_used_mean", "gpu_memory_used_mean", "Megabytes"},
}

// stats writes stats_metrics.json of the suite for all rows. Unlike the suite it has the model's
// name without a dot at its end, a dimension for each varied knob, so that settings do not
// collide, and no entry for a figure that was not measured.
func (ss sections) stats(w io.Writer) error {
	all := []metric{}
	for i := range ss {
		for _, r := range ss[i].byTrial {
			all = append(all, ss[i].metrics(r)...)
		}
	}
	return writeJSON(w, all)
}

func (s *section) metrics(r rank.Row) []metric {
	values := map[string]string{}
	for i, text := range abRow(s, r) {
		values[abColumns[i].name] = text
	}
	var out []metric
	for _, m := range statsMetrics {
		var v trial.Num
		if text := values[m.column]; text == notMeasured || json.Unmarshal([]byte(text), &v) != nil {
			continue
		}
		out = append(out, metric{Name: s.metricModel() + "_" + m.name, Dimensions: s.dimensions(r), Unit: m.unit, Value: v})
	}
	return out
}

// metricModel returns the name of the model file without its extension, as the suite means it.
func (s *section) metricModel() string {
	name := s.profile.Header.Model.Source
	if name == "" {
		name = s.profile.Header.Model.Name
	}
	for _, ext := range []string{".mar", ".onnx", ".tar.gz"} {
		name = strings.TrimSuffix(name, ext)
	}
	return name[strings.LastIndexAny(name, "/:")+1:]
}

// dimensions are the batch size and the number of workers, and the other knobs that vary.
func (s *section) dimensions(r rank.Row) []dimension {
	settings := r.Joined.Settings
	out := []dimension{
		{string(knob.BatchSize), settings.Display(knob.BatchSize)}, {string(knob.Workers), settings.Display(knob.Workers)},
	}
	for _, k := range s.varied {
		if k.Name != knob.BatchSize && k.Name != knob.Workers {
			out = append(out, dimension{string(k.Name), settings.Display(k.Name)})
		}
	}
	if len(s.loads()) > 1 {
		out = append(out, dimension{"load", r.Joined.Load.String()})
	}
	return out
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
