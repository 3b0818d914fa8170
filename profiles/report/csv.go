package report

import (
	"encoding/csv"
	"io"
	"strconv"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
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
	for _, f := range []struct {
		name  string
		value func(trial.Trial) trial.Num
	}{
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
	} {
		columns = append(columns, csvColumn{f.name, func(t trial.Trial) string {
			v, ok := f.value(t).Get()
			if !ok {
				return ""
			}
			return strconv.FormatFloat(v, 'g', 6, 64)
		}})
	}
	return columns
}
