package report

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/trial"
)

// CSV writes one line per trial, in the order of the profile and with the control trials.
// The first line has the names of the columns with their units. The settings have their
// names and values of JSON; own knobs of the target follow the common ones. Unknown
// values are empty.
func CSV(w io.Writer, p *profiles.Profile) error {
	out := csv.NewWriter(w)
	columns := csvColumns(p)
	titles := make([]string, len(columns))
	for i, c := range columns {
		titles[i] = c.name
	}
	_ = out.Write(titles) // Error returns the first error of a csv.Writer
	for _, t := range p.Trials {
		row := make([]string, len(columns))
		for i, c := range columns {
			row[i] = c.value(t)
		}
		_ = out.Write(row)
	}
	out.Flush()
	return out.Error()
}

// csvColumn is one column.
type csvColumn struct {
	name  string
	value func(trial.Trial) string
}

func csvColumns(p *profiles.Profile) []csvColumn {
	columns := []csvColumn{
		{"n", func(t trial.Trial) string { return strconv.Itoa(t.N) }},
		{"role", func(t trial.Trial) string { return string(t.Role) }},
	}
	var all []knob.Settings
	for _, t := range p.Trials {
		all = append(all, t.Settings)
	}
	for _, k := range knob.TableOf(all...) {
		columns = append(columns, csvColumn{string(k.Name), func(t trial.Trial) string {
			if !t.Settings.Has(k.Name) {
				return ""
			}
			return t.Settings.Get(k.Name)
		}})
	}
	columns = append(columns,
		csvColumn{"load", func(t trial.Trial) string { return t.Load.String() }},
		csvColumn{"verdict", func(t trial.Trial) string { return t.Verdict.Result.String() }},
		csvColumn{"sent", func(t trial.Trial) string { return strconv.Itoa(t.Counts.Sent) }},
		csvColumn{"ok", func(t trial.Trial) string { return strconv.Itoa(t.Counts.OK) }},
	)
	columns = append(columns, figureColumns(csvFigures)...)
	columns = append(columns, figureColumns(csvMoreFigures)...)
	return append(columns, csvRemarks(p)...)
}

// csvFigure is a column of numbers.
type csvFigure struct {
	name  string
	value func(trial.Trial) trial.Num
}

// csvFigures are the columns of the first version; others follow them, so that numbers of columns
// stay as they are.
var csvFigures = []csvFigure{
	{"error_rate", func(t trial.Trial) trial.Num { return t.Verdict.ErrorRate }},
	{"throughput_rps", func(t trial.Trial) trial.Num { return t.Throughput.Value }},
	{"throughput_low_rps", func(t trial.Trial) trial.Num { return t.Throughput.Low }},
	{"throughput_high_rps", func(t trial.Trial) trial.Num { return t.Throughput.High }},
	{"bare_rps", func(t trial.Trial) trial.Num { return t.BareRPS }},
	{"request_mean_ms", func(t trial.Trial) trial.Num { return t.Latency.Mean }},
	{"request_p50_ms", func(t trial.Trial) trial.Num { return t.Latency.P50.Value }},
	{"request_p90_ms", func(t trial.Trial) trial.Num { return t.Latency.P90.Value }},
	{"request_p95_ms", func(t trial.Trial) trial.Num { return t.Latency.P95.Value }},
	{"request_p99_ms", func(t trial.Trial) trial.Num { return t.Latency.P99.Value }},
	{"request_p99_low_ms", func(t trial.Trial) trial.Num { return t.Latency.P99.Low }},
	{"request_p99_high_ms", func(t trial.Trial) trial.Num { return t.Latency.P99.High }},
	{"request_p999_ms", func(t trial.Trial) trial.Num { return t.Latency.P999.Value }},
	{"p99_corrected_ms", func(t trial.Trial) trial.Num { return t.P99Corrected }},
	{"model_p50_ms", func(t trial.Trial) trial.Num { return t.Model.P50 }},
	{"model_p99_ms", func(t trial.Trial) trial.Num { return t.Model.P99 }},
	{"batch_mean", func(t trial.Trial) trial.Num { return t.Batches.Mean }},
	{"cpu_percent", func(t trial.Trial) trial.Num { return t.Use.CPUPercent }},
	{"rss_mb", func(t trial.Trial) trial.Num { return t.Use.RSSMB }},
}

var csvMoreFigures = []csvFigure{
	{"seconds", func(t trial.Trial) trial.Num { return above0(t.Seconds) }},
	{"refused", count(func(c trial.Counts) int { return c.Refused })},
	{"failed", count(func(c trial.Counts) int { return c.Failed })},
	{"timeout", count(func(c trial.Counts) int { return c.Timeout })},
	{"concurrency", func(t trial.Trial) trial.Num { return above0(float64(t.Load.Concurrency)) }},
	{"rate_rps", func(t trial.Trial) trial.Num { return above0(t.Load.Rate) }},
	{"promised_ms", func(t trial.Trial) trial.Num { return t.Verdict.ValueMS }},
	{"promised_low_ms", func(t trial.Trial) trial.Num { return t.Verdict.LowMS }},
	{"promised_high_ms", func(t trial.Trial) trial.Num { return t.Verdict.HighMS }},
	{"limit_ms", func(t trial.Trial) trial.Num { return above0(t.Verdict.LimitMS) }},
	{"request_max_ms", func(t trial.Trial) trial.Num { return t.Latency.Max }},
	{"model_p90_ms", func(t trial.Trial) trial.Num { return t.Model.P90 }},
	{"decode_ms", func(t trial.Trial) trial.Num { return t.Breakdown.Decode }},
	{"queue_ms", func(t trial.Trial) trial.Num { return t.Breakdown.Queue }},
	{"formation_ms", func(t trial.Trial) trial.Num { return t.Breakdown.Formation }},
	{"execution_ms", func(t trial.Trial) trial.Num { return t.Breakdown.Execution }},
	{"encode_ms", func(t trial.Trial) trial.Num { return t.Breakdown.Encode }},
	{"generator_cpu_percent", func(t trial.Trial) trial.Num { return t.Use.GeneratorCPUPercent }},
	{"generator_lag_p99_ms", func(t trial.Trial) trial.Num { return t.Lag.P99 }},
	{"gpu_percent", func(t trial.Trial) trial.Num { return t.Use.GPU.PercentMean }},
	{"gpu_memory_mb", func(t trial.Trial) trial.Num { return t.Use.GPU.MemoryMB }},
	{"gpu_power_w", func(t trial.Trial) trial.Num { return t.Use.GPU.PowerW }},
	{"gpu_energy_j", func(t trial.Trial) trial.Num { return t.Use.GPU.EnergyJ }},
	{"requests_per_joule", rank.PerJoule},
	{"gpu_throttled_share", func(t trial.Trial) trial.Num { return t.Use.GPU.ThrottledShare }},
	{"blocks_disturbed", func(t trial.Trial) trial.Num { return trial.NumOf(float64(t.Blocks.Disturbed)) }},
	{"blocks_rejected", func(t trial.Trial) trial.Num { return trial.NumOf(float64(t.Blocks.Rejected)) }},
}

// count returns the function of a column of counts.
func count(of func(trial.Counts) int) func(trial.Trial) trial.Num {
	return func(t trial.Trial) trial.Num {
		if t.Counts.Sent == 0 {
			return trial.Num{} // results of TorchServe's suite have no counts
		}
		return trial.NumOf(float64(of(t.Counts)))
	}
}

// above0 returns a number that is missing if it is 0.
func above0(v float64) trial.Num {
	if v == 0 {
		return trial.Num{}
	}
	return trial.NumOf(v)
}

// csvRemarks are the columns of texts at the end.
func csvRemarks(p *profiles.Profile) []csvColumn {
	choice, _ := p.Choice()
	yes := func(is bool) string {
		if is {
			return "yes"
		}
		return ""
	}
	return []csvColumn{
		{"latency", func(t trial.Trial) string { return t.Verdict.Latency.String() }},
		{"rule", func(t trial.Trial) string { return t.Options.Rule.String() }},
		{"chosen", func(t trial.Trial) string { return yes(t.N == choice.N && choice.N > 0) }},
		{"generator_limited", func(t trial.Trial) string { return yes(t.GeneratorLimited) }},
		{"error", func(t trial.Trial) string { return t.Error }},
		{"warnings", func(t trial.Trial) string {
			var out []string
			for _, w := range t.Warnings {
				out = append(out, w.Text)
			}
			return strings.Join(out, "; ")
		}},
		{"at", func(t trial.Trial) string {
			if t.At.IsZero() {
				return ""
			}
			return t.At.UTC().Format(time.RFC3339)
		}},
		{"model", func(trial.Trial) string { return p.Header.Model.Name }},
		{"profile", func(trial.Trial) string { return p.Header.ID }},
	}
}

// figureColumns returns the columns of numbers.
func figureColumns(fs []csvFigure) []csvColumn {
	out := make([]csvColumn, 0, len(fs))
	for _, f := range fs {
		out = append(out, csvColumn{f.name, func(t trial.Trial) string {
			v, ok := f.value(t).Get()
			if !ok {
				return ""
			}
			return strconv.FormatFloat(v, 'g', 6, 64)
		}})
	}
	return out
}
