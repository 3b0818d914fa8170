package profiles

import (
	"fmt"
	"slices"
	"strings"

	"sweetspot/sweep/trial"
)

// operatorsLine returns the operators with the largest shares of the time of a run, in
// one line.
func operatorsLine(o trial.Operators) string {
	const most = 5
	head := fmt.Sprintf("%s: %s ms a run of batch %d, %d runs", o.Settings, FormatFigure(o.RunMS), o.BatchSize, o.Runs)
	parts := make([]string, 0, most+1)
	for i, p := range o.Operators {
		if i == most {
			parts = append(parts, fmt.Sprintf("%d more", len(o.Operators)-most))
			break
		}
		parts = append(parts, fmt.Sprintf("%s %.0f%%", p.Name, 100*p.Share))
	}
	return strings.Join(append([]string{head}, parts...), ", ")
}

// withBareShare inserts a column into the table of trials, before the verdict: the throughput
// as a share of the bare rate. It does nothing if no trial has a bare rate.
func withBareShare(t table, trials []trial.Trial) table {
	if !slices.ContainsFunc(trials, func(r trial.Trial) bool { return r.BareRPS.OK() }) {
		return t
	}
	at := slices.IndexFunc(t.columns, func(c column) bool { return c.title == "verdict" })
	t.columns = slices.Insert(t.columns, at, column{title: "of bare", drop: 7})
	for i := range t.rows {
		t.rows[i] = slices.Insert(t.rows[i], at, bareShare(trials[i].Result))
	}
	return t
}

// bareShare returns the throughput as a share of the bare rate.
func bareShare(r trial.Result) string {
	v, ok := r.BareShare().Get()
	if !ok {
		return "-"
	}
	return fmt.Sprintf("%.0f%%", 100*v)
}
