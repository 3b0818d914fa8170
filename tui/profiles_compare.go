package tui

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/sweep/trial"
	"sweetspot/tui/chart"
)

// drawCompare draws the comparison of B with A, or why there is none and what to do.
func (m *model) drawCompare(p pane, hint span) {
	s := m.profiles
	in := p.boxWith("Compare", hint, dim("A against B · c swaps"))
	in = in.sub(1, 0, in.w-2, in.h)
	switch {
	case s.a == "" || s.b == "":
		in.paragraph(0, 0, "a and b choose two profiles of the list. Their choices are then compared, with intervals; ~ means that the data cannot tell them apart.", styleDim)
		return
	case s.compare == nil:
		in.text(0, 0, "comparing …", styleDim)
		return
	}
	lines := compareLines(s.compare, m.sideName(s.a), m.sideName(s.b), in.w, !m.Follow)
	for y, l := range lines[:min(len(lines), in.h)] {
		in.line(0, y, l...)
	}
	in.more(len(lines))
}

// sideName is a name for one of the compared profiles that fits above a column: that of the profile,
// or its time and kind.
func (m *model) sideName(id string) string {
	for _, p := range m.profiles.list {
		if p.ID == id && p.Name == "" {
			return when(p.Created, m.now) + " " + string(p.Kind)
		}
	}
	return m.nameOfProfile(id)
}

// The columns of a comparison.
const (
	compareLabel  = 14
	compareValue  = 19 // at most
	compareChange = 12
)

// compareLines are the lines of a comparison in w cells.
func compareLines(c *comparedProfiles, nameA, nameB string, w int, canSweep bool) [][]span {
	if c.err != nil {
		return whyNotLines(c, w, canSweep)
	}
	var out [][]span
	column := min(max((w-compareLabel-compareChange)/2, 8), compareValue)
	cell := func(s string) span { return plain(pad(cutTo(s, column-1), column)) }
	row := func(label, a, b string, change span) {
		out = append(out, []span{dim(pad(label, compareLabel)), cell(a), cell(b), change})
	}
	row("", "A "+nameA, "B "+nameB, plain("change"))
	for i := range c.result.Pairs {
		pair := &c.result.Pairs[i]
		if i > 0 {
			out = append(out, nil)
		}
		for _, k := range knob.TableOf(pair.A.Settings, pair.B.Settings) {
			a, b := knobValue(pair.A.Settings, k.Name), knobValue(pair.B.Settings, k.Name)
			if a != b || k.Name == knob.Workers || k.Name == knob.BatchSize {
				row(k.Label, a+unitText(k), b+unitText(k), knobChange(a, b))
			}
		}
		for _, f := range pair.Figures {
			row(f.Name+figureUnit(f.Unit), figureText(f.Unit, f.A), figureText(f.Unit, f.B), figureChange(f))
		}
		ta, _ := c.a.Trial(pair.A.Trial)
		tb, _ := c.b.Trial(pair.B.Trial)
		row("formed batch", ta.Batches.Mean.Text(1)+ofMaxBatch(ta.Settings), tb.Batches.Mean.Text(1)+ofMaxBatch(tb.Settings), span{})
		row("cpu %", na(ta.Use.CPUPercent), na(tb.Use.CPUPercent), span{})
		row("promise", pair.A.Verdict.Label(), pair.B.Verdict.Label(), span{})
	}
	for _, l := range compareNotes(c) {
		for _, text := range wrap(l.s, w) {
			out = append(out, []span{{text, l.style}})
		}
	}
	return out
}

// comparedSpans is a comparison in a few words, for a screen without room for its table: throughput and
// P99 of B against A, "~" if the data cannot tell, or why there is no comparison.
func comparedSpans(c *comparedProfiles) []span {
	switch {
	case c.err != nil:
		return []span{{"not comparable", styleFail}, dim(" " + c.reasons()[0])}
	}
	out := []span{bold("B:")}
	for i := range c.result.Pairs {
		for _, f := range c.result.Pairs[i].Figures {
			switch f.Unit {
			case profiles.PerSecond:
				out = append(out, dim(" /s "), figureChange(f))
			case profiles.Milliseconds:
				if f.Name == "P99" {
					out = append(out, dim(" P99 "), figureChange(f))
				}
			}
		}
	}
	return out
}

// cutTo cuts s to n cells.
func cutTo(s string, n int) string {
	head, tail := cut(s, n)
	if tail != "" {
		head, _ = cut(s, n-1)
		head += "…"
	}
	return head
}

// compareNotes are the remarks below a comparison.
func compareNotes(c *comparedProfiles) []span {
	var out []span
	if len(c.result.Differences) > 0 {
		out = append(out, warning("compared although not comparable: "+strings.Join(c.result.Differences, "; ")))
	} else {
		out = append(out, dim("comparable: same model, machine class and load"))
	}
	out = append(out, plain(c.result.Outcome.String()+": "+c.result.Why))
	for _, p := range c.result.Pairs {
		for _, text := range p.Caveats {
			out = append(out, warning(text))
		}
	}
	busy := 0
	for _, p := range []*profiles.Profile{c.a, c.b} {
		for i := range p.Trials {
			if p.Trials[i].Disturbed() {
				busy++
				break
			}
		}
	}
	if busy > 0 {
		out = append(out, warning([]string{"", "host busy with other work in one: read with care", "host busy with other work in both: read with care"}[busy]))
	}
	for _, n := range c.result.Notes {
		out = append(out, dim(n))
	}
	return out
}

// whyNotLines say why two profiles are not comparable, and what to do.
func whyNotLines(c *comparedProfiles, w int, canSweep bool) [][]span {
	var out [][]span
	add := func(text string, style styleID) {
		for _, l := range wrap(text, w) {
			out = append(out, []span{{l, style}})
		}
	}
	if !errors.Is(c.err, profiles.ErrNotComparable) {
		add(c.err.Error(), styleFail)
		return out
	}
	add("not comparable", styleFail)
	for _, r := range c.reasons() {
		add("• "+r, styleText)
		add("  "+comparableFix(r, canSweep), styleDim)
	}
	if c.cannotForce() == "" {
		out = append(out, nil, []span{bold("F"), dim(" compares them anyway")})
	}
	return out
}

// reasons are why two profiles are not comparable. That there is nothing to compare is the first, because nothing can be
// done about it with these two.
func (c *comparedProfiles) reasons() []string {
	_, reason, _ := strings.Cut(c.err.Error(), profiles.ErrNotComparable.Error()+": ")
	switch {
	case !errors.Is(c.err, profiles.ErrNotComparable):
		return []string{firstLine(c.err.Error())}
	case errors.Is(c.err, profiles.ErrNoPairs):
		return append([]string{reason}, c.result.Differences...)
	case len(c.result.Differences) > 0:
		return c.result.Differences
	}
	return []string{reason}
}

// cannotForce is why the comparison cannot be forced, or "".
func (c *comparedProfiles) cannotForce() string {
	switch {
	case c.err == nil:
		return ""
	case errors.Is(c.err, profiles.ErrNoPairs) || len(c.result.Differences) == 0:
		return "nothing to force: " + c.reasons()[0]
	}
	return ""
}

// comparableFix is what to do about a reason why profiles are not comparable. The keys of a sweep are named if the screen can
// start one.
func comparableFix(reason string, canSweep bool) string {
	what, _, _ := strings.Cut(reason, ":")
	under, key := "", ""
	if canSweep {
		under, key = ": s, then the field load", ": s"
	}
	switch {
	case what == "kind":
		return "choose two sweeps, or two recordings"
	case what == "model":
		return "choose two profiles of the same model file, or sweep this model again"
	case strings.Contains(reason, "no choice"):
		return "choose a sweep in which a setting kept its promise"
	case strings.Contains(reason, "different loads"):
		return "sweep again under the load of the other one" + under
	case strings.Contains(reason, "same settings"):
		return "choose recordings with the same settings and load"
	}
	return "sweep the model on this machine again" + key + ", then compare with the new profile"
}

func knobChange(a, b string) span {
	if a == b {
		return dim("=")
	}
	var x, y float64
	if _, err := fmt.Sscan(a, &x); err != nil {
		return bold("changed")
	}
	if _, err := fmt.Sscan(b, &y); err != nil {
		return bold("changed")
	}
	return bold(fmt.Sprintf("%+g", y-x))
}

func figureUnit(u profiles.Unit) string {
	switch u {
	case profiles.PerSecond:
		return " /s"
	case profiles.Milliseconds:
		return " ms"
	}
	return ""
}

// figureText is a value with its interval.
func figureText(u profiles.Unit, e trial.Estimate) string {
	if u == profiles.Share {
		return shareText(e.Value)
	}
	text := na(e.Value)
	low, high := e.Low, e.High
	switch {
	case low.OK() && high.OK():
		return text + " (" + na(low) + "-" + na(high) + ")"
	case low.OK():
		return text + " (>=" + na(low) + ")"
	case high.OK():
		return text + " (<=" + na(high) + ")"
	}
	return text
}

// figureChange is the change of a figure: "~" if the data cannot tell.
func figureChange(f profiles.Compared) span {
	switch f.Change {
	case profiles.Better:
		return span{ratioText(f) + " better", stylePass}
	case profiles.Worse:
		return span{ratioText(f) + " worse", styleFail}
	}
	if f.Unit == profiles.Share && f.A.Value.OK() && f.A.Value == f.B.Value {
		return dim("=") // the errors are counted
	}
	return warning("~")
}

func ratioText(f profiles.Compared) string {
	v, ok := f.Ratio.Value.Get()
	switch {
	case !ok:
		return ""
	case f.Unit == profiles.Share:
		return fmt.Sprintf("%+.2g%%", 100*v)
	}
	return changePercent(v)
}

// drawOverlay draws the recorded seconds of A and B over each other. Without two sides it draws
// those of the selected profile.
func (m *model) drawOverlay(p pane, hint span) {
	s := m.profiles
	var a, b *profiles.Profile
	if s.compare != nil {
		a, b = s.compare.a, s.compare.b
	}
	title := "P99 ms of the recorded seconds"
	right := []span{dim("A dotted  "), {"B", styleData}}
	if a == nil && b == nil && s.opened != nil {
		b, right = s.opened.profile, nil
	}
	valuesA, valuesB := recordedP99(a), recordedP99(b)
	if a != nil && b != nil {
		right = overlayLegend(valuesA, valuesB)
	}
	in := p.boxWith(title, hint, right...)
	if len(valuesA)+len(valuesB) == 0 {
		in.sub(1, 0, in.w-2, in.h).paragraph(0, 0, "No recorded seconds: sweeps have none."+howToRecord(!m.Follow), styleDim)
		return
	}
	spec := chart.Spec{Join: chart.Max, Foot: chart.TimeFoot, Left: "0 s"}
	if !hasValue(valuesA) && !hasValue(valuesB) { // a text would be drawn over the dots of A
		spec.Empty = "no recorded second has a P99"
	}
	if sla, ok := slaOf(b, a); ok {
		spec.SLA, spec.SLALabel = limitMS(sla), "SLA "+plainMS(limitMS(sla))
	}
	n := max(len(valuesA), len(valuesB))
	spec.Right = fmt.Sprintf("%d s", n)
	spec.Top = max(chart.Wanted(valuesA, spec.SLA), chart.Wanted(valuesB, spec.SLA))
	in.chart(overlay{spec, toLength(valuesA, n), toLength(valuesB, n)})
}

// howToRecord names the keys of a recording, if the screen can record.
func howToRecord(can bool) string {
	if !can {
		return ""
	}
	return " r records live traffic to a profile, r again ends it."
}

// overlayLegend explains how A and B are drawn, or says that one of them has nothing to draw.
func overlayLegend(a, b []float64) []span {
	missing := func(name string, values []float64) span {
		if len(values) == 0 {
			return warning(name + " has no recorded seconds")
		}
		return warning(name + "'s seconds have no P99")
	}
	switch hasA, hasB := hasValue(a), hasValue(b); {
	case hasA && !hasB:
		return []span{missing("B", b)}
	case hasB && !hasA:
		return []span{missing("A", a)}
	}
	return []span{dim("A dotted  "), {"B", styleData}}
}

// hasValue reports whether one of the values was measured.
func hasValue(values []float64) bool {
	return slices.ContainsFunc(values, func(v float64) bool { return !math.IsNaN(v) })
}

// slaOf is the promise of the first profile that has one.
func slaOf(all ...*profiles.Profile) (trial.SLA, bool) {
	for _, p := range all {
		if p != nil {
			if sla, ok := p.SLA(); ok {
				return sla, true
			}
		}
	}
	return trial.SLA{}, false
}

// recordedP99 is the P99 of each recorded second of a profile.
func recordedP99(p *profiles.Profile) []float64 {
	if p == nil {
		return nil
	}
	var out []float64
	for _, t := range p.Trials {
		for _, n := range p.Series[t.N].P99MS {
			out = append(out, n.Or(math.NaN()))
		}
	}
	return out
}

// toLength appends gaps, so that both recordings start at the left end.
func toLength(values []float64, n int) []float64 {
	for len(values) < n {
		values = append(values, math.NaN())
	}
	return values
}

// overlay draws two recordings of equal length over the whole width of a chart, a faint behind b.
type overlay struct {
	spec chart.Spec
	a, b []float64
}

// Draw implements plot.
func (o overlay) Draw(w, h int, sym chart.Symbols) *chart.Grid {
	s := o.spec
	n := s.Fits(w, sym)
	s.Values, s.Before = stretch(o.b, n), stretch(o.a, n)
	s.Span = len(s.Values)
	return s.Draw(w, h, sym)
}

// stretch repeats values so that they fill a chart of n values, whose time axis is that of all values.
func stretch(values []float64, n int) []float64 {
	if len(values) == 0 || len(values) >= n {
		return values
	}
	out := make([]float64, n)
	for i := range out {
		out[i] = values[i*len(values)/n]
	}
	return out
}
