package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/sweep/trial"
)

// Study writes the table of the published study as Markdown: one row per configuration, with
// requests per second and P99, lowest throughput first. The P99 of that study is that of
// the model latency, the time of one batch. Callers wait for the request latency. The
// table has both, and the promise says which one it limits. If the promise is about the P50 or the
// P90, the table has those instead of the P99.
//
// A configuration that was measured under several loads, or validated, has one row for each
// trial. An arrow marks the choice. What could not be measured has a row without figures; the
// reasons are below the table, also those of settings that were skipped.
func Study(w io.Writer, p *profiles.Profile) error {
	trials := withoutControls(p)
	if len(trials) == 0 {
		return fmt.Errorf("profile %s has no trials", p.Header.ID)
	}
	slices.SortStableFunc(trials, func(a, b trial.Trial) int {
		return cmp.Compare(a.Throughput.Value.Or(0), b.Throughput.Value.Or(0))
	})
	choice, _ := p.Choice()
	of := studyPercentile(p)
	rows := [][]string{{"", "configuration", "load", "requests/s", "model " + of.name + " ms", "request " + of.name + " ms", "SLA"}}
	for _, t := range trials {
		rows = append(rows, studyRow(t, of, t.N == choice.N))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n", p.Header.Model.Name)
	if sla, ok := p.SLA(); ok {
		fmt.Fprintf(&b, "SLA: %v. Model %s: the time of the batch of a request. Request %[2]s: the time from the planned\n"+
			"send time to the last byte of the answer.\n\n", sla, of.name)
	}
	writeMarkdown(&b, rows)
	writeUnmeasured(&b, trials, choice.Why.Skipped)
	_, err := io.WriteString(w, b.String())
	return err
}

// percentile is a percentile that trials have of both latencies.
type percentile struct {
	name           string
	model, request func(trial.Trial) trial.Num
}

// studyPercentile returns that of the promise, or the P99 if trials do not have it of both latencies.
func studyPercentile(p *profiles.Profile) percentile {
	sla, _ := p.SLA()
	switch sla.Percentile {
	case 50:
		return percentile{"P50", func(t trial.Trial) trial.Num { return t.Model.P50 }, func(t trial.Trial) trial.Num { return t.Latency.P50.Value }}
	case 90:
		return percentile{"P90", func(t trial.Trial) trial.Num { return t.Model.P90 }, func(t trial.Trial) trial.Num { return t.Latency.P90.Value }}
	}
	return percentile{"P99", func(t trial.Trial) trial.Num { return t.Model.P99 }, func(t trial.Trial) trial.Num { return t.Latency.P99.Value }}
}

func studyRow(t trial.Trial, of percentile, chosen bool) []string {
	mark, result := "", strings.ToUpper(t.Verdict.Result.String())
	if chosen {
		mark = "->"
	}
	switch {
	case t.Error != "":
		result = "not measured"
	case t.Verdict.Result == trial.Pass:
		result = "pass"
	}
	return []string{
		mark, configuration(t.Settings), t.Load.String(), number(t.Throughput.Value, 2, "n/a"),
		number(of.model(t), 1, "n/a"), number(of.request(t), 1, "n/a"), result,
	}
}

// writeUnmeasured writes why settings were not measured, those with the same reason together.
func writeUnmeasured(b *strings.Builder, trials []trial.Trial, skipped []trial.Skip) {
	var reasons []string
	of := map[string][]string{}
	add := func(s knob.Settings, why string) {
		if of[why] == nil {
			reasons = append(reasons, why)
		}
		if c := configuration(s); !slices.Contains(of[why], c) {
			of[why] = append(of[why], c)
		}
	}
	for _, t := range trials {
		if t.Error != "" {
			add(t.Settings, t.Error)
		}
	}
	for _, s := range skipped {
		add(s.Settings, s.Reason)
	}
	if len(reasons) > 0 {
		b.WriteString("\nNot measured:\n\n")
	}
	const most = 3 // configurations that are named
	for _, why := range reasons {
		all := of[why]
		names := strings.Join(all[:min(len(all), most)], "; ")
		if n := len(all) - most; n > 0 {
			names += fmt.Sprintf("; and %d more", n)
		}
		fmt.Fprintf(b, "- %s: %s\n", names, strings.Join(strings.Fields(why), " "))
	}
}

// configuration formats the settings as in the study: "GPU, 1 worker, batch 8, FP16".
func configuration(s knob.Settings) string {
	if s.Own != "" || !s.Has(knob.Workers) || !s.Has(knob.BatchSize) || !s.Has(knob.Device) || !s.Has(knob.FP16) {
		return s.String() // another server than that of the study
	}
	workers := "1 worker"
	if s.Workers > 1 {
		workers = fmt.Sprintf("%d workers", s.Workers)
	}
	return fmt.Sprintf("%s, %s, batch %d, %s", strings.ToUpper(s.Device), workers, s.BatchSize, strings.ToUpper(s.Precision.String()))
}

// writeMarkdown writes a table. The first row has the titles; numbers are aligned right.
func writeMarkdown(b *strings.Builder, rows [][]string) {
	const firstNumber, lastNumber = 3, 5
	right := func(i int) bool { return firstNumber <= i && i <= lastNumber }
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len(cell), 2)
		}
	}
	for n, row := range rows {
		for i, cell := range row {
			if right(i) {
				fmt.Fprintf(b, "| %*s ", widths[i], cell)
			} else {
				fmt.Fprintf(b, "| %-*s ", widths[i], cell)
			}
		}
		b.WriteString("|\n")
		if n > 0 {
			continue
		}
		for i, width := range widths {
			rule := strings.Repeat("-", width+1) + "-"
			if right(i) {
				rule = strings.Repeat("-", width+1) + ":"
			}
			b.WriteString("|" + rule)
		}
		b.WriteString("|\n")
	}
}
