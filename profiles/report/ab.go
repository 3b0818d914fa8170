package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/trial"
)

// abColumn is a column of ab_report.csv.
type abColumn struct {
	name  string
	value func(s *section, r rank.Row) string
}

// notMeasured is what ab_report.csv has for a figure that was not measured. TorchServe's tools
// convert most columns to a number, so that an empty cell is an error for them; 0 would be a
// figure.
const notMeasured = "nan"

// AB writes profiles as ab_report.csv of TorchServe's benchmark suite: one line per setting and
// load, with the 30 columns of the suite in their order, its three columns for handlers, and more
// columns after them. A figure that was not measured is nan.
//
// The file of the suite has one line; its tools read only the first one. [Tree] has a file for each
// setting.
func (ss sections) ab(w io.Writer) error {
	out := csv.NewWriter(w)
	_ = out.Write(abTitles()) // Error returns the first error of a csv.Writer
	for i := range ss {
		for _, r := range ss[i].byTrial {
			_ = out.Write(abRow(&ss[i], r))
		}
	}
	out.Flush()
	return out.Error()
}

func abTitles() []string {
	var out []string
	for _, c := range abColumns {
		out = append(out, c.name)
	}
	return out
}

func abRow(s *section, r rank.Row) []string {
	var out []string
	for _, c := range abColumns {
		out = append(out, c.value(s, r))
	}
	return out
}

// abNumber formats a figure of ab_report.csv.
func abNumber(n trial.Num) string {
	v, ok := n.Get()
	if !ok {
		return notMeasured
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// abFigure returns a column with a figure of the joined trial, rounded to 2 decimals as in the suite.
func abFigure(name string, of func(t trial.Trial) trial.Num) abColumn {
	return abColumn{name, func(_ *section, r rank.Row) string { return abNumber(round(of(r.Joined), 2)) }}
}

// abKnob returns a column with the value of a knob.
func abKnob(name string, n knob.Name) abColumn {
	return abColumn{name, func(_ *section, r rank.Row) string {
		if !r.Joined.Settings.Has(n) {
			return notMeasured
		}
		return r.Joined.Settings.Get(n)
	}}
}

// abColumns are the columns of ab_report.csv. The first 33 are those of the suite.
var abColumns = append([]abColumn{
	{"Benchmark", func(*section, rank.Row) string { return "sweetspot" }},
	{"TS failed requests", func(_ *section, r rank.Row) string {
		c := r.Joined.Counts
		return strconv.Itoa(c.Refused + c.Failed + c.Timeout)
	}},
	abFigure("TS throughput", func(t trial.Trial) trial.Num { return t.Throughput.Value }),
	abFigure("TS latency P50", func(t trial.Trial) trial.Num { return t.Latency.P50.Value }),
	abFigure("TS latency P90", func(t trial.Trial) trial.Num { return t.Latency.P90.Value }),
	abFigure("TS latency P99", func(t trial.Trial) trial.Num { return t.Latency.P99.Value }),
	abFigure("TS latency mean", func(t trial.Trial) trial.Num { return t.Latency.Mean }),
	abFigure("TS error rate", func(t trial.Trial) trial.Num { return scale(t.Counts.ErrorRate(), 100) }),
	abKnob("Batch size", knob.BatchSize),
	abKnob("Batch delay", knob.BatchDelay),
	abKnob("Workers", knob.Workers),
	{"Model", func(s *section, _ rank.Row) string { return link(s.profile.Header.Model.Source, "model") }},
	{"Concurrency", func(_ *section, r rank.Row) string {
		if l := r.Joined.Load; l.Mode == load.Closed {
			return strconv.Itoa(l.Concurrency)
		}
		return notMeasured
	}},
	{"Input", func(s *section, _ rank.Row) string {
		if s.plan.Input == "" {
			return "[input](made from the model's inputs)"
		}
		return "[input](" + s.plan.Input + ")"
	}},
	{"Requests", func(_ *section, r rank.Row) string { return strconv.Itoa(r.Joined.Counts.Sent) }},
	abFigure("Model_p50", func(t trial.Trial) trial.Num { return t.Model.P50 }),
	abFigure("Model_p90", func(t trial.Trial) trial.Num { return t.Model.P90 }),
	abFigure("Model_p99", func(t trial.Trial) trial.Num { return t.Model.P99 }),
	abFigure("Queue time p50", func(t trial.Trial) trial.Num { return t.QueueTimes.P50 }),
	abFigure("Queue time p90", func(t trial.Trial) trial.Num { return t.QueueTimes.P90 }),
	abFigure("Queue time p99", func(t trial.Trial) trial.Num { return t.QueueTimes.P99 }),
	abFigure("predict_mean", func(t trial.Trial) trial.Num { return t.Breakdown.Execution }),
	abFigure("handler_time_mean", func(t trial.Trial) trial.Num {
		return sum(t.Breakdown.Decode, t.Breakdown.Execution, t.Breakdown.Encode)
	}),
	abFigure("waiting_time_mean", func(t trial.Trial) trial.Num { return sum(t.Breakdown.Queue, t.Breakdown.Formation) }),
	abFigure("worker_thread_mean", func(trial.Trial) trial.Num { return trial.Num{} }), // a worker is no process of its own here
	{"cpu_percentage_mean", func(s *section, r rank.Row) string {
		return abNumber(round(s.cpuShare(r), 2))
	}},
	{"memory_percentage_mean", func(s *section, r rank.Row) string {
		return abNumber(round(scale(ratio(r.Joined.Use.RSSMB, s.profile.Header.Machine.MemoryMB), 100), 2))
	}},
	abFigure("gpu_percentage_mean", func(t trial.Trial) trial.Num { return t.Use.GPU.PercentMean }),
	{"gpu_memory_percentage_mean", func(s *section, r rank.Row) string {
		return abNumber(round(scale(ratio(r.Joined.Use.GPU.MemoryMB, s.gpuMemory()), 100), 2))
	}},
	abFigure("gpu_memory_used_mean", func(t trial.Trial) trial.Num { return t.Use.GPU.MemoryMB }),

	abFigure("handler_preprocess_mean", func(t trial.Trial) trial.Num { return t.Breakdown.Decode }),
	abFigure("handler_inference_mean", func(t trial.Trial) trial.Num { return t.Breakdown.Execution }),
	abFigure("handler_postprocess_mean", func(t trial.Trial) trial.Num { return t.Breakdown.Encode }),
}, ownColumns...)

// ownColumns follow the columns of the suite.
var ownColumns = []abColumn{
	{"name", func(s *section, r rank.Row) string { return s.trialName(r) }},
	{"profile", func(s *section, _ rank.Row) string { return s.profile.Header.ID }},
	{"model_name", func(s *section, _ rank.Row) string { return s.profile.Header.Model.Name }},
	{"model_sha256", func(s *section, _ rank.Row) string { return s.profile.Header.Model.SHA256 }},
	abKnob("precision", knob.FP16), abKnob("device", knob.Device), abKnob("threads", knob.Threads), abKnob("queue_size", knob.QueueSize),
	{"own_knobs", func(_ *section, r rank.Row) string { return string(r.Joined.Settings.Own) }},
	{"rule", func(_ *section, r rank.Row) string { return r.Joined.Options.Rule.String() }},
	{"load", func(_ *section, r rank.Row) string { return r.Joined.Load.String() }},
	{"promise", func(s *section, _ rank.Row) string { return s.promise() }},
	{"verdict", func(_ *section, r rank.Row) string { return r.Verdict().Result.String() }},
	{"verdict_value_ms", func(_ *section, r rank.Row) string { return abNumber(r.Verdict().ValueMS) }},
	{"verdict_low_ms", func(_ *section, r rank.Row) string { return abNumber(r.Verdict().LowMS) }},
	{"verdict_high_ms", func(_ *section, r rank.Row) string { return abNumber(r.Verdict().HighMS) }},
	{"runs", func(_ *section, r rank.Row) string { return strconv.Itoa(len(r.Runs)) }},
	{"validated", func(_ *section, r rank.Row) string { return strconv.FormatBool(r.Validated) }},
	{"chosen", func(s *section, r rank.Row) string {
		return strconv.FormatBool(s.choice >= 0 && s.rows[s.choice].Runs[0] == r.Runs[0])
	}},
	abFigure("throughput_low", func(t trial.Trial) trial.Num { return t.Throughput.Low }),
	abFigure("throughput_high", func(t trial.Trial) trial.Num { return t.Throughput.High }),
	abFigure("latency_p99_low", func(t trial.Trial) trial.Num { return t.Latency.P99.Low }),
	abFigure("latency_p99_high", func(t trial.Trial) trial.Num { return t.Latency.P99.High }),
	abFigure("latency_p999", func(t trial.Trial) trial.Num { return t.Latency.P999.Value }),
	{"refused", func(_ *section, r rank.Row) string { return strconv.Itoa(r.Joined.Counts.Refused) }},
	{"failed", func(_ *section, r rank.Row) string { return strconv.Itoa(r.Joined.Counts.Failed) }},
	{"timeout", func(_ *section, r rank.Row) string { return strconv.Itoa(r.Joined.Counts.Timeout) }},
	abFigure("queue_mean", func(t trial.Trial) trial.Num { return t.Breakdown.Queue }),
	abFigure("formation_mean", func(t trial.Trial) trial.Num { return t.Breakdown.Formation }),
	abFigure("batch_mean", func(t trial.Trial) trial.Num { return t.Batches.Mean }),
	abFigure("rss_mb", func(t trial.Trial) trial.Num { return t.Use.RSSMB }),
	{"error", func(_ *section, r rank.Row) string { return r.Joined.Error }},
}

// link returns a model as the suite does: a Markdown link whose text is the extension of the file.
func link(source, text string) string {
	if ext := path.Ext(source); ext != "" && !strings.Contains(ext, ":") {
		text = ext
	}
	return fmt.Sprintf("[%s](%s)", text, source)
}

// cpuShare returns the use of the processor in percent of the machine, as the suite reports it.
func (s *section) cpuShare(r rank.Row) trial.Num {
	cores := s.profile.Header.Machine.Cores
	if cores == 0 {
		return trial.Num{}
	}
	return scale(r.Joined.Use.CPUPercent, 1/float64(cores))
}

// gpuMemory returns the memory of the first GPU in MB.
func (s *section) gpuMemory() trial.Num {
	if gpus := s.profile.Header.Machine.GPUs; len(gpus) > 0 {
		return gpus[0].MemoryMB
	}
	return trial.Num{}
}
