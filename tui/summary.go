package tui

import (
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"sweetspot/engine/knob"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// Summary describes a session as plain text, for the terminal after the screen is
// closed: the settings in force and their live results, the result of the sweep, the
// files written, and the command that resumes a sweep that did not end. written are the
// paths passed to Deps.Exported. The result is empty if the model was never loaded.
func Summary(s *session.Snapshot, written ...string) string {
	if s == nil || s.Info.Model.Name == "" {
		return ""
	}
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-11s %s\n", name, fmt.Sprintf(format, args...))
	}
	b.WriteString(s.Info.Model.Name)
	if r := s.Info.Limits.Rule; r != knob.RuleUnreported {
		b.WriteString(", " + r.Describe())
	}
	b.WriteByte('\n')
	row("settings", "%v", s.Settings)
	row("load", "%v", s.Load.For(s.Settings.Workers*s.Settings.BatchSize))
	isLive := s.Phase != session.Sweeping // otherwise the traffic is of a trial, with other settings
	if isLive {
		row("promise", "%s: %s", promiseText(s.SLA), verdictText(s))
	}
	if isLive && s.Live.Silent > 0 {
		row("throughput", "0/s, %s", silentText(s))
	} else if isLive && s.Live.RPS.OK() {
		row("throughput", "%s/s, formed batch %s%s", na(s.Live.RPS), s.Live.Batch.Text(1), ofMaxBatch(s.Settings))
	}
	t := s.Live.Totals
	row("requests", "%s sent, %s ok, %s refused, %s failed, %s timeout",
		groupDigits(t.Sent), groupDigits(t.OK), groupDigits(t.Refused), groupDigits(t.Failed), groupDigits(t.Timeout))
	if s.Sweep != nil {
		sweepRows(s.Sweep, row)
	}
	for i, path := range written {
		if !slices.Contains(written[:i], path) {
			row("written", "%s", path)
		}
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
		return "not enough answers for a verdict"
	case v.Result == trial.Undecided:
		return fmt.Sprintf("undecided at %s ms", na(v.ValueMS))
	}
	return fmt.Sprintf("%s at %s ms %s", v.Result.Label(), na(v.ValueMS), percentOfLimit(v.ValueMS, limitMS(s.SLA)))
}

// sweepRows writes the rows of the summary on a sweep.
func sweepRows(w *session.Sweep, row func(name, format string, args ...any)) {
	row("sweep", "%v, %s of %d", w.State, plural(len(w.Trials), "trial"), max(w.Total, len(w.Trials)))
	if t := validatedBest(w); t != nil {
		row("best", "trial #%d: %s/s%s at %s %s ms: %v", t.N, na(t.Throughput.Value), runsText(w, t), percentileName(w.Plan.SLA), na(percentileOf(t, w.Plan.SLA)), t.Settings)
	} else if t := mostPromising(w); t != nil {
		row("best", "none validated; most promising is trial #%d: %s/s%s at %s %s ms: %v", t.N, na(t.Throughput.Value), runsText(w, t), percentileName(w.Plan.SLA), na(percentileOf(t, w.Plan.SLA)), t.Settings)
	} else if t := undecidedRow(w); t != nil {
		row("best", "none is known to pass; most promising is trial #%d: %s/s at %s %s ms: %v", t.N, na(t.Throughput.Value), percentileName(w.Plan.SLA), na(percentileOf(t, w.Plan.SLA)), t.Settings)
	} else if len(w.Trials) > 0 {
		row("best", "no setting passed the SLA")
	}
	if w.Choice != nil && w.Choice.Why.Text != "" {
		const avail = 66 // of 80 columns, to the right of the names
		for i, line := range explanationLines(w.Choice.Why) {
			name := "why"
			if i > 0 {
				name = ""
			}
			row(name, "%s", strings.ReplaceAll(ansi.Wordwrap(line, avail, ""), "\n", "\n"+strings.Repeat(" ", 14)))
		}
	}
	if w.Path != "" {
		row("profile", "%s", shortPath(w.Path))
	}
	if w.ID != "" && w.State != session.Done {
		row("resume", "sweetspot --sweep --resume=%s", w.ID)
	}
}

// runsText is the range of the throughput and the number of runs of a row with several.
func runsText(w *session.Sweep, t *trial.Trial) string {
	row := rowOf(w, t)
	if len(row.Runs) < 2 {
		return ""
	}
	return fmt.Sprintf(" (%s, %d runs)", estimateRange(row.Range), len(row.Runs))
}
