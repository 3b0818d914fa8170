package profiles

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/trial"
)

// WriteList writes a list of profiles as text.
func WriteList(w io.Writer, list []Summary, s Style) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "no profiles yet; sweetspot MODEL --sweep creates one")
		return err
	}
	t := table{columns: []column{
		{title: "id", left: true},
		{title: "created", left: true, drop: 4},
		{title: "kind", left: true, drop: 6},
		{title: "model", left: true},
		{title: "promise", left: true, drop: 3},
		{title: "trials", drop: 5},
		{title: "req/s ±"},
		{title: "P99 ms"},
		{title: "verdict", left: true, drop: 1},
		{title: "state", left: true},
		{title: "best settings", left: true, drop: 2},
	}}
	tagged := slices.ContainsFunc(list, func(p Summary) bool { return len(p.Tags) > 0 })
	if tagged {
		t.columns = append(t.columns, column{title: "tags", left: true, drop: 1})
	}
	for _, p := range list {
		row := listRow(p)
		if tagged {
			row = append(row, strings.Join(p.Tags, " "))
		}
		t.rows = append(t.rows, row)
	}
	if err := t.write(w, s); err != nil {
		return err
	}
	for _, p := range list {
		if p.Error != "" {
			if _, err := io.WriteString(w, s.wrap(p.ID+": ", p.Error)); err != nil {
				return err
			}
		}
	}
	return nil
}

func listRow(p Summary) []string {
	row := []string{p.ID, date(p.Created), string(p.Kind), p.Model, "-", strconv.Itoa(p.Trials), "-", "-", "-", string(p.State), "-"}
	switch {
	case p.Shard != nil:
		row[2] = "shard " + p.Shard.String()
	case p.Merged:
		row[2] = "merged"
	}
	if p.SLA != nil {
		row[4] = fmt.Sprintf("P%g %s <= %v", p.SLA.Percentile, p.SLA.Latency, p.SLA.Limit)
	}
	if b := p.Best; b != nil {
		row[6], row[7], row[8], row[10] = plusMinus(b.Throughput), FormatFigure(b.P99.Value), b.Verdict.Label(), b.Settings.String()
	}
	if p.Error != "" {
		row[9] = "damaged"
	}
	return row
}

func date(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04")
}

// WriteListJSON writes the list as a JSON array.
func WriteListJSON(w io.Writer, list []Summary) error {
	if list == nil {
		list = []Summary{}
	}
	return writeJSON(w, list)
}

// WriteShow writes one profile as text: its origin, its trials, its choice, and its events.
func WriteShow(w io.Writer, p *Profile, s Style) error {
	var b strings.Builder
	for _, f := range summaryLines(p) {
		if f[1] != "" {
			b.WriteString(s.wrap(fmt.Sprintf("%-9s ", f[0]), f[1]))
		}
	}
	if _, err := fmt.Fprintln(w, b.String()); err != nil {
		return err
	}
	if err := WriteTrials(w, p, s); err != nil {
		return err
	}
	b.Reset()
	for _, period := range p.Hold {
		b.WriteString(s.wrap("", period.Text(p.holdPlanned())))
	}
	for _, e := range p.Events {
		b.WriteString(s.wrap(fmt.Sprintf("%s %s ", date(e.At), e.What), e.Detail))
	}
	for _, m := range p.Warnings {
		b.WriteString(s.wrap("warning: ", m))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteTrials writes only the table of the settings of a profile: one row for all runs of a
// setting under a load. For a live recording, or with Style.Trials, it has one row per
// trial.
func WriteTrials(w io.Writer, p *Profile, s Style) error {
	if s.Trials || p.Header.Kind == Live {
		return trialTable(p).write(w, s)
	}
	return settingTable(p).write(w, s)
}

// summaryLines returns the lines above the trials, as names and texts.
func summaryLines(p *Profile) [][2]string {
	h := p.Header
	out := [][2]string{
		{"profile", fmt.Sprintf("%s, %s, %s", h.ID, h.Kind, p.State())},
		{"created", fmt.Sprintf("%s UTC by %s", date(h.Created), h.Tool)},
		{"model", strings.TrimSuffix(fmt.Sprintf("%s, from %s, sha256 %.12s", h.Model.Name, h.Model.Source, h.Model.SHA256), ", sha256 ")},
		{"machine", h.Machine.String()},
	}
	if sla, ok := p.SLA(); ok {
		out = append(out, [2]string{"promise", fmt.Sprintf("%s, errors <= %g%%", sla, sla.MaxErrorRate*100)})
	}
	if h.Resumes != nil {
		out = append(out, [2]string{"resumes", *h.Resumes})
	}
	for _, line := range p.ShardLines() {
		out = append(out, [2]string{line.Label, line.Text})
	}
	if tags := p.Tags(); len(tags) > 0 {
		out = append(out, [2]string{"tags", strings.Join(tags, " ")})
	}
	for _, t := range p.Trials {
		if s, ok := p.Series[t.N]; ok {
			out = append(out, [2]string{"series", fmt.Sprintf("trial %d: %s", t.N, s)})
		}
	}
	for _, o := range p.Operators {
		out = append(out, [2]string{"operators", operatorsLine(o)})
	}
	if c, ok := p.Choice(); ok {
		out = append(out, [2]string{"choice", fmt.Sprintf("trial %d by %s: %s", c.N, c.By, c.Settings)}, [2]string{"", describeChoice(c.Why)})
		for _, line := range c.Why.Lines {
			out = append(out, [2]string{line.Label, line.Text})
		}
	}
	for _, line := range p.HoldLines() {
		out = append(out, [2]string{line.Label, line.Text})
	}
	return out
}

// describeChoice returns the explanation of a choice in one line.
func describeChoice(y trial.Explanation) string {
	var parts []string
	if y.Limit != "" {
		parts = append(parts, "limited by "+y.Limit)
	}
	if v, ok := y.Headroom.Get(); ok {
		parts = append(parts, fmt.Sprintf("headroom %.0f%%", v*100))
	}
	if len(y.RunnersUp) > 0 {
		parts = append(parts, fmt.Sprintf("runners-up %s", strings.Trim(fmt.Sprint(y.RunnersUp), "[]")))
	}
	if y.Text != "" && y.Lines == nil { // if there are lines, they replace the text
		parts = append(parts, y.Text)
	}
	return strings.Join(parts, "; ")
}

// settingTable returns the table of the settings of a profile: how often each was run, the
// figures of all its runs, and the verdict that is based on them. A star marks a
// validated choice.
func settingTable(p *Profile) table {
	t := table{columns: []column{
		{title: "n"},
		{title: "runs", drop: 1},
		{title: "workers"},
		{title: "batch"},
		{title: "delay ms"},
		{title: "precision", left: true, drop: 7},
		{title: "device", left: true, drop: 8},
		{title: "load", left: true, drop: 5},
		{title: "req/s"},
		{title: "range", left: true, drop: 3},
		{title: "P50 ms", drop: 6},
		{title: "P99 ms"},
		{title: "model P99", drop: 4},
		{title: "verdict", left: true},
		{title: "note", left: true, drop: 2},
	}}
	chosen, _ := p.Choice()
	sla, _ := p.SLA()
	var joined []trial.Trial
	for _, row := range rank.Rows(p.Trials) {
		r, s := row.Joined, row.Joined.Settings
		joined = append(joined, r)
		verdict := r.ShortVerdict(sla.MaxErrorRate)
		if row.Validated && chosenRow(p, row, chosen) {
			verdict += " *"
		}
		t.rows = append(t.rows, []string{
			strconv.Itoa(r.N), strconv.Itoa(len(row.Runs)), s.Display(knob.Workers), s.Display(knob.BatchSize), s.Display(knob.BatchDelay),
			s.Display(knob.FP16), s.Display(knob.Device), r.Load.String(),
			FormatFigure(r.Throughput.Value), formatRange(row.Range), FormatFigure(r.Latency.P50.Value), LatencyCell(r), FormatFigure(r.Model.P99),
			verdict, rowNote(p, row, chosen),
		})
	}
	return withOwnKnobs(withBareShare(withCorrected(t, joined), joined), settingsOf(joined))
}

// formatRange formats a range of throughputs; "" if an end is not known.
func formatRange(e trial.Estimate) string {
	if !e.Low.OK() || !e.High.OK() {
		return ""
	}
	return FormatFigure(e.Low) + "-" + FormatFigure(e.High)
}

// chosenRow reports whether one of the runs of a row is the chosen trial.
func chosenRow(p *Profile, row rank.Row, chosen trial.Choice) bool {
	return slices.ContainsFunc(row.Runs, func(i int) bool { return p.Trials[i].N == chosen.N && chosen.N > 0 })
}

// rowNote returns the remarks on a row: whether it is chosen and validated, and the error
// or the first warning of the trial that represents it.
func rowNote(p *Profile, row rank.Row, chosen trial.Choice) string {
	var parts []string
	if chosenRow(p, row, chosen) {
		parts = append(parts, "chosen")
	}
	r := row.Joined
	switch {
	case row.Validated:
		parts = append(parts, "validated")
	case row.Validations > 0 && r.Verdict.Result == trial.Undecided:
		parts = append(parts, "validation undecided")
	}
	switch {
	case r.Error != "":
		parts = append(parts, "error: "+r.Error)
	case r.Answers != nil && r.Answers.Differ > 0:
		parts = append(parts, r.Answers.Problem())
	case undecidedWhy(r) != "":
		parts = append(parts, undecidedWhy(r))
		fallthrough
	default:
		if len(r.Warnings) > 0 {
			parts = append(parts, r.Warnings[0].Text)
		}
	}
	return strings.Join(parts, "; ")
}

// undecidedWhy is why the verdict of a trial is undecided; "" if it is not.
func undecidedWhy(t trial.Trial) string {
	if t.Verdict.Result != trial.Undecided {
		return ""
	}
	return t.Verdict.Why
}

// trialTable returns the table of the trials of a profile.
func trialTable(p *Profile) table {
	t := table{columns: []column{
		{title: "n"},
		{title: "workers"},
		{title: "batch"},
		{title: "delay ms"},
		{title: "precision", left: true, drop: 5},
		{title: "device", left: true, drop: 6},
		{title: "load", left: true, drop: 3},
		{title: "req/s ±"},
		{title: "P50 ms", drop: 4},
		{title: "P99 ms"},
		{title: "model P99", drop: 2},
		{title: "verdict", left: true},
		{title: "note", left: true, drop: 1},
	}}
	chosen, _ := p.Choice()
	sla, _ := p.SLA()
	for _, r := range p.Trials {
		note := r.Reason
		if len(r.Warnings) > 0 {
			note = r.Warnings[0].Text
		}
		if why := undecidedWhy(r); why != "" {
			note = strings.TrimSuffix(why+"; "+note, "; ")
		}
		if r.Answers != nil && r.Answers.Differ > 0 {
			note = r.Answers.Problem()
		}
		if r.Error != "" {
			note = "error: " + r.Error
		}
		if r.N == chosen.N && r.N > 0 {
			note = strings.TrimSuffix("chosen; "+note, "; ")
		}
		s := r.Settings
		t.rows = append(t.rows, []string{
			strconv.Itoa(r.N), s.Display(knob.Workers), s.Display(knob.BatchSize), s.Display(knob.BatchDelay),
			s.Display(knob.FP16), s.Display(knob.Device), r.Load.String(),
			plusMinus(r.Throughput), FormatFigure(r.Latency.P50.Value), LatencyCell(r), FormatFigure(r.Model.P99),
			r.ShortVerdict(sla.MaxErrorRate), note,
		})
	}
	return withOwnKnobs(withBareShare(withCorrected(t, p.Trials), p.Trials), settingsOf(p.Trials))
}

func settingsOf(trials []trial.Trial) []knob.Settings {
	out := make([]knob.Settings, len(trials))
	for i, t := range trials {
		out[i] = t.Settings
	}
	return out
}

// String describes the machine in one line.
func (m Machine) String() string {
	parts := []string{m.CPU, fmt.Sprintf("%d cores", m.Cores)}
	if m.Remote != "" {
		parts = []string{"remote " + m.Remote}
	}
	if m.Remote != "" && m.Cores > 0 {
		parts = append(parts, fmt.Sprintf("%d cores", m.Cores))
	}
	if mb, ok := m.MemoryMB.Get(); ok {
		parts = append(parts, fmt.Sprintf("%.0f MB", mb))
	}
	for _, g := range m.GPUs {
		parts = append(parts, g.Name)
	}
	if m.Runtime != "" {
		parts = append(parts, m.Runtime)
	}
	if class := strings.TrimPrefix(m.Class, "sha256:"); class != "" {
		parts = append(parts, fmt.Sprintf("class %.12s", class))
	}
	return strings.Join(parts, ", ")
}

// Shown is a profile as one JSON object: its unchanged lines, by kind, with the fields that this
// version does not know.
type Shown struct {
	Header    json.RawMessage   `json:"header"`
	State     State             `json:"state"`
	Probes    []json.RawMessage `json:"probes"`
	Trials    []json.RawMessage `json:"trials"`
	Operators []json.RawMessage `json:"operators"`
	Events    []json.RawMessage `json:"events"`
	Choice    json.RawMessage   `json:"choice"`         // the last one; nil if there is none
	Hold      []json.RawMessage `json:"hold,omitempty"` // periods of the hold after a sweep
	Held      json.RawMessage   `json:"held,omitempty"` // its result
	End       json.RawMessage   `json:"end"`            // nil if it is still written, or was interrupted
	Other     []json.RawMessage `json:"other"`          // lines of kinds that this version does not know
	Warnings  []string          `json:"warnings"`       // what could not be read
}

// WriteShowJSON writes the profile as JSON, see [Shown].
func WriteShowJSON(w io.Writer, p *Profile) error {
	out := Shown{
		State: p.State(), Probes: []json.RawMessage{}, Operators: []json.RawMessage{}, Trials: []json.RawMessage{}, Events: []json.RawMessage{},
		Other: []json.RawMessage{}, Warnings: append([]string{}, p.Warnings...),
	}
	for i, l := range p.Lines {
		switch {
		case i == 0:
			out.Header = l.Raw
		case l.Kind == "probe":
			out.Probes = append(out.Probes, l.Raw)
		case l.Kind == "trial":
			out.Trials = append(out.Trials, l.Raw)
		case l.Kind == "operators":
			out.Operators = append(out.Operators, l.Raw)
		case l.Kind == "event":
			out.Events = append(out.Events, l.Raw)
		case l.Kind == "choice":
			out.Choice = l.Raw
		case l.Kind == "hold":
			out.Hold = append(out.Hold, l.Raw)
		case l.Kind == "held":
			out.Held = l.Raw
		case l.Kind == "end":
			out.End = l.Raw
		default:
			out.Other = append(out.Other, l.Raw)
		}
	}
	return writeJSON(w, out)
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
