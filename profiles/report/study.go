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
// table has both, and the promise says which one it limits.
//
// A configuration that was measured under several loads, or validated, has one row for each
// trial. An arrow marks the choice.
func Study(w io.Writer, p *profiles.Profile) error {
	trials := withoutControls(p)
	if len(trials) == 0 {
		return fmt.Errorf("profile %s has no trials", p.Header.ID)
	}
	slices.SortStableFunc(trials, func(a, b trial.Trial) int {
		return cmp.Compare(a.Throughput.Value.Or(0), b.Throughput.Value.Or(0))
	})
	choice, _ := p.Choice()
	rows := [][]string{{"", "configuration", "load", "requests/s", "model P99 ms", "request P99 ms", "SLA"}}
	for _, t := range trials {
		rows = append(rows, studyRow(t, t.N == choice.N))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n", p.Header.Model.Name)
	if sla, ok := p.SLA(); ok {
		fmt.Fprintf(&b, "SLA: %v. Model P99: the time of the batch of a request. Request P99: the time from the planned\n"+
			"send time to the last byte of the answer.\n\n", sla)
	}
	writeMarkdown(&b, rows)
	_, err := io.WriteString(w, b.String())
	return err
}

func studyRow(t trial.Trial, chosen bool) []string {
	mark, result := "", strings.ToUpper(t.Verdict.Result.String())
	if chosen {
		mark = "->"
	}
	if t.Verdict.Result == trial.Pass {
		result = "pass"
	}
	return []string{
		mark, configuration(t), t.Load.String(), number(t.Throughput.Value, 2, "n/a"),
		number(t.Model.P99, 1, "n/a"), number(t.Latency.P99.Value, 1, "n/a"), result,
	}
}

// configuration formats the settings as in the study: "GPU, 1 worker, batch 8, FP16".
func configuration(t trial.Trial) string {
	s := t.Settings
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
