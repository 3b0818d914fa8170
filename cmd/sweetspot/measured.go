package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"sweetspot/profiles"
	"sweetspot/sweep/trial"
)

// writeMeasuredJSON writes the result of compare --measure as JSON.
func writeMeasuredJSON(w io.Writer, m profiles.Measured) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(m)
}

// writeMeasured writes the result of compare --measure as text.
func writeMeasured(w io.Writer, m profiles.Measured) error {
	var b strings.Builder
	for _, s := range []struct {
		name string
		side profiles.MeasuredSide
	}{{"A", m.A}, {"B", m.B}} {
		fmt.Fprintf(&b, "%s         %v (trial %d of %s)\n", s.name, s.side.Settings, s.side.Trial, s.side.Profile)
	}
	fmt.Fprintf(&b, "load      %v, %d pairs of blocks in turns\n\n", m.Load, m.Pairs)
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "figure\tin A\tin B\tB/A\t95%\tA/A\tchange")
	row := func(name string, a, b trial.Num, r, aa trial.Estimate, change profiles.Change) {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s-%s\t%s-%s\t%s\n", name, profiles.FormatFigure(a), profiles.FormatFigure(b), decimals(r.Value),
			decimals(r.Low), decimals(r.High), decimals(aa.Low), decimals(aa.High), change)
	}
	row(fmt.Sprintf("P%g %s ms", m.SLA.Percentile, m.SLA.Latency), m.A.Percentile, m.B.Percentile, m.Percentile, m.PercentileAA, m.PercentileChange())
	row("throughput req/s", m.A.RPS, m.B.RPS, m.Throughput, m.ThroughputAA, m.ThroughputChange())
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(&b, "\nfailed    %d of %d in A, %d of %d in B\n", m.A.Failed, m.A.Sent, m.B.Failed, m.B.Sent)
	for _, n := range m.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	fmt.Fprintf(&b, "%s: %s\n", m.Outcome, m.Why)
	_, err := io.WriteString(w, b.String())
	return err
}

// decimals formats a ratio with three decimals; "?" is an open end.
func decimals(n trial.Num) string {
	if !n.OK() {
		return "?"
	}
	return n.Text(3)
}
