package tui

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"sweetspot/engine/knob"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// Summary is what is worth keeping of a session, as plain text for the normal
// screen: what was in force and what it gave, the sweep's answer, the files
// written, and how to go on with a sweep that did not end. written are paths
// that Deps.Exported was told. It is empty for a session that never served.
func Summary(s *session.Snapshot, written ...string) string {
	if s == nil || s.Info.Model.Name == "" {
		return ""
	}
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-11s %s\n", name, fmt.Sprintf(format, args...))
	}
	b.WriteString(s.Info.Model.Name)
	if s.Settings.Has(knob.BatchSize) { // else nothing is known of how it batches
		fmt.Fprintf(&b, ", %s rule", s.Info.Limits.Rule)
	}
	b.WriteByte('\n')
	row("settings", "%v", s.Settings)
	row("load", "%v", s.Load.For(s.Settings.Workers*s.Settings.BatchSize))
	own := s.Phase != session.Sweeping // else the traffic is the sweep's, at its settings
	if own {
		row("promise", "%s: %s", promise(s.SLA), verdictText(s))
	}
	if own && s.Live.RPS.OK() {
		row("throughput", "%s/s, formed batch %s%s", na(s.Live.RPS), s.Live.Batch.Text(1), ofBatch(s.Settings))
	}
	t := s.Live.Totals
	row("requests", "%s sent, %s ok, %s refused, %s failed, %s timeout",
		group(t.Sent), group(t.OK), group(t.Refused), group(t.Failed), group(t.Timeout))
	if s.Sweep != nil {
		sweepRows(s.Sweep, row)
	}
	for _, path := range written {
		row("written", "%s", path)
	}
	if s.Phase == session.Down {
		row("problem", "%s", firstLine(s.Problem))
	}
	return b.String()
}

// verdictText is the live verdict in words, with its number.
func verdictText(s *session.Snapshot) string {
	v := s.Live.Verdict
	switch {
	case !v.ValueMS.OK():
		return "not enough answers to tell"
	case v.Result == trial.Undecided:
		return fmt.Sprintf("too close to call at %s ms", na(v.ValueMS))
	}
	return fmt.Sprintf("%s at %s ms %s", v.Result.Label(), na(v.ValueMS), share(v.ValueMS, limitMS(s.SLA)))
}

func sweepRows(w *session.Sweep, row func(name, format string, args ...any)) {
	row("sweep", "%v, %s of %d", w.State, plural(len(w.Trials), "trial"), max(w.Total, len(w.Trials)))
	if t := bestOf(w); t != nil {
		row("best", "trial #%d: %s/s%s at P99 %s ms: %v", t.N, na(t.Throughput.Value), inRuns(w, t), na(t.Latency.P99.Value), t.Settings)
	} else if t := leadOf(w); t != nil {
		row("best", "none validated; most promising is trial #%d: %s/s%s at P99 %s ms: %v", t.N, na(t.Throughput.Value), inRuns(w, t), na(t.Latency.P99.Value), t.Settings)
	} else if len(w.Trials) > 0 {
		row("best", "no setting is known to meet the promise")
	}
	if w.Choice != nil && w.Choice.Why.Text != "" {
		const room = 66 // of 80 columns, beside the names
		for i, line := range explained(w.Choice.Why) {
			name := "why"
			if i > 0 {
				name = ""
			}
			row(name, "%s", strings.ReplaceAll(ansi.Wordwrap(line, room, ""), "\n", "\n"+strings.Repeat(" ", 14)))
		}
	}
	if w.Path != "" {
		row("profile", "%s", w.Path)
	}
	if w.ID != "" && w.State != session.Done {
		row("resume", "sweetspot --sweep --resume=%s", w.ID)
	}
}

// inRuns says of how many runs a row's figures are, where there are several.
func inRuns(w *session.Sweep, t *trial.Trial) string {
	row := rowOf(w, t)
	if len(row.Runs) < 2 {
		return ""
	}
	return fmt.Sprintf(" (%s, %d runs)", between(row.Range), len(row.Runs))
}
