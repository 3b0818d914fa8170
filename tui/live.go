package tui

import (
	"fmt"
	"slices"
	"strings"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// drawLive draws the Live view in the wide and compact layouts.
func (m *model) drawLive(p pane, class sizeClass) {
	l := liveLayoutOf(m.w, m.h)
	m.drawVerdict(p.at(frameLayoutOf(m.w, m.h).verdict))
	if m.drawExpanded(p.at(frameLayoutOf(m.w, m.h).body), class) {
		return
	}
	for i, r := range []rect{l.p99, l.throughput, l.utilization} {
		p.at(r).onClick(func() { m.expanded = p99Chart + chartPanel(i) })
	}
	if class == wide {
		m.drawKnobs(p.at(l.knobs))
		m.drawLoad(p.at(l.load))
		m.drawResources(p.at(l.resources))
	} else {
		m.drawCompactKnobs(p.at(l.knobs))
	}
	m.drawP99(p.at(l.p99), class)
	m.drawThroughput(p.at(l.throughput))
	if class != wide {
		m.drawBare(p.at(l.throughput))
	}
	m.drawUtilization(p.at(l.utilization))
}

// loadText is the load of the current trial, or else the live load.
func (m *model) loadText() string {
	if c := m.currentTrial(); c != nil {
		return c.Point.Load.String()
	}
	text := m.currentLoad().For(m.snap.Settings.Workers * m.snap.Settings.BatchSize).String()
	if !m.snap.LoadOn {
		text += ", held"
	}
	return text
}

// drawKnobs draws the knobs in a column: the values in force and pending, notes on
// them, and the latest changes.
func (m *model) drawKnobs(p pane) {
	in := p.box("Knobs", m.knobsTitle()...)
	in.text(1, 0, "knob         in force  pending", styleDim)
	shown := m.shownKnobs()
	avail := max(in.h-4, 1) // the other rows are for the notes
	from := min(max(min(m.knobIndex, len(shown)-1)-avail+1, 0), max(len(shown)-avail, 0))
	end := min(from+avail, len(shown))
	for i, k := range shown[from:end] {
		m.drawKnob(in.sub(0, 1+i, in.w, 1), from+i, k)
	}
	y := 1 + end - from
	in.text(1, y, m.otherSettingsText(), styleDim)
	if notes := m.knobNotes(); len(notes) > 0 {
		y += 2
		for _, n := range notes {
			y = in.sub(1, 0, in.w-2, in.h).paragraph(0, y, n.s, n.style)
		}
	}
	y++
	for _, c := range slices.Backward(m.snap.Changes) {
		if y >= in.h {
			return
		}
		text := fmt.Sprintf("A%d %s (%s)", c.N, m.changeText(c.From, c.To), shortDuration(c.Took))
		y = in.sub(1, 0, in.w-2, in.h).paragraph(0, y, text, styleDim)
	}
}

func (m *model) knobsTitle() []span {
	switch {
	case m.currentTrial() != nil:
		return []span{{currentName(m.currentTrial()) + ", read-only", styleAccent}}
	case m.snap.Applying != nil:
		return []span{{m.spinner() + " applying", styleAccent}}
	case len(m.pending) > 0:
		return []span{{fmt.Sprintf("%d pending", len(m.pending)), styleAccent}}
	}
	return nil
}

// currentName is the number of a trial or of a probe, which are counted apart.
func currentName(c *sweep.Current) string {
	if c.Point.Role == trial.RoleProbe {
		return fmt.Sprintf("probe #%d", c.N)
	}
	return fmt.Sprintf("trial #%d", c.N)
}

// currentTrial is the trial or the probe that a running sweep measures now, or nil.
func (m *model) currentTrial() *sweep.Current {
	if s := m.snap.Sweep; m.snap.Phase == session.Sweeping && s != nil {
		return s.Current
	}
	return nil
}

// otherSettingsText is the settings that the Live view cannot change, as far as the
// target reports them.
func (m *model) otherSettingsText() string {
	s := m.inForce()
	var parts []string
	if s.Has(knob.Device) && !m.showsDevice() {
		parts = append(parts, s.Device)
	}
	for _, f := range []struct {
		name knob.Name
		text string
	}{{knob.Threads, "threads"}, {knob.QueueSize, "queue"}} {
		if s.Has(f.name) {
			parts = append(parts, f.text+" "+s.Get(f.name))
		}
	}
	if parts == nil {
		return "device, threads, queue n/a"
	}
	return strings.Join(parts, ", ")
}

func (m *model) drawKnob(p pane, i int, k knob.Knob) {
	n := k.Name
	p.onClick(func() { m.knobIndex = i })
	name := styleText
	if k.Name == m.selectedKnob().Name {
		p.text(0, 0, "▸", styleAccent)
		name = styleBold
	}
	if m.fixedReason(n) != "" {
		name = styleDim
	}
	end := p.text(1, 0, k.Label, name)
	current := knobValue(m.inForce(), n) + unitText(k)
	end = p.text(max(21-width(current), 13, end+1), 0, current, name)
	to, pending := m.shownPending(n)
	switch {
	case pending:
		p.line(max(22, end+1), 0, span{"→ " + m.pendingText(k, to) + reloadMark(k.Cost), styleAccent})
	case m.fixedReason(n) != "":
		p.text(24, 0, "n/a", styleDim)
	}
}

// shownPending is the pending value of a knob, if it differs from the value in force beside it.
func (m *model) shownPending(n knob.Name) (to string, ok bool) {
	to, ok = m.pending[n]
	return to, ok && to != m.inForce().Get(n)
}

func (m *model) pendingText(k knob.Knob, to string) string {
	if k.Name == knob.FP16 {
		return knobValue(m.pendingSettings(), k.Name)
	}
	return to + unitText(k)
}

// reloadMark is the sign beside a pending value whose change reloads the model.
func reloadMark(c knob.Cost) string {
	if c == knob.Reload {
		return " R"
	}
	return ""
}

// drawCompactKnobs draws the panel of knobs in the compact layout.
func (m *model) drawCompactKnobs(p pane) {
	hint := m.knobsTitle()
	if m.cannotApply() == "" {
		hint = append(hint, dim(" · enter apply · esc drop"))
	}
	in := p.box("Knobs", hint...)
	m.drawKnobsInRow(in.sub(1, 0, in.w-2, 1), "  ")
	var text strings.Builder
	style := styleDim
	for i, n := range m.knobNotes() {
		if i > 0 {
			text.WriteString(" · ")
		} else {
			style = n.style
		}
		text.WriteString(strings.TrimSuffix(n.s, "."))
	}
	in.sub(1, 0, in.w-2, in.h).text(0, 1, text.String(), style)
	p.bottomText(m.totals()...)
}

// shortLabels are the names of the standard knobs where the usual ones do not fit.
var shortLabels = map[knob.Name]string{knob.Workers: "wrk", knob.BatchSize: "bat", knob.BatchDelay: "delay", knob.FP16: "FP16"}

// drawKnobsInRow writes the knobs into one row, with their short names if they do not fit otherwise. If even
// then not all fit, the first ones are left out until the selected one is visible, and of the others those that do not fit whole.
func (m *model) drawKnobsInRow(p pane, gap string) {
	spans, needed := m.knobRow(false)
	if needed+len(gap)*(len(spans)-1) > p.w {
		spans, _ = m.knobRow(true)
	}
	selected := min(m.knobIndex, len(spans)-1)
	needed = spansWidth(spans[selected])
	for _, s := range spans[:selected] {
		needed += spansWidth(s) + len(gap)
	}
	const sign = 2 // cells for an ellipsis
	x, first := 0, 0
	if selected < len(spans)-1 {
		needed += sign
	}
	for needed > p.w-x && first < selected {
		needed -= spansWidth(spans[first]) + len(gap)
		first++
		x = sign
	}
	if first > 0 {
		p.text(0, 0, "…", styleDim)
	}
	for i, s := range spans[first:] {
		end := x + spansWidth(s)
		if first+i < len(spans)-1 {
			end += sign
		}
		if i > 0 && end > p.w {
			p.text(x, 0, "…", styleDim)
			return
		}
		from := x
		x = p.line(x, 0, s...)
		p.sub(from, 0, x-from, 1).onClick(func() { m.knobIndex = first + i })
		x += len(gap)
	}
}

// knobRow is the knobs with their values in force and pending, and their width without gaps.
func (m *model) knobRow(short bool) (spans [][]span, w int) {
	for _, k := range m.shownKnobs() {
		label := k.Label
		if s := shortLabels[k.Name]; short && s != "" {
			label = s
		}
		s := m.knobSpans(k, label)
		spans, w = append(spans, s), w+spansWidth(s)
	}
	return spans, w
}

// knobSpans is a knob with its values in force and pending.
func (m *model) knobSpans(k knob.Knob, label string) []span {
	sign, style := " ", styleText
	if k.Name == m.selectedKnob().Name {
		sign, style = "▸", styleBold
	}
	fixed := m.fixedReason(k.Name) != ""
	if fixed {
		style = styleDim
	}
	out := []span{{sign, styleAccent}, {label + " " + knobValue(m.inForce(), k.Name), style}}
	if to, ok := m.shownPending(k.Name); ok {
		out = append(out, span{"→" + strings.TrimSuffix(m.pendingText(k, to), unitText(k)) + reloadMark(k.Cost), styleAccent})
	}
	out = append(out, span{unitText(k), style})
	if fixed {
		out = append(out, span{" n/a", style})
	}
	return out
}

// knobNotes are the notes on the knobs in the current state, the most important first.
func (m *model) knobNotes() []span {
	switch {
	case m.returning() && len(m.pending) > 0:
		return []span{{plural(len(m.pending), "change") + " pending: " + returningText + ", then enter applies", styleAccent}}
	case m.returning():
		return []span{{returningText, styleAccent}}
	case m.snap.Phase == session.Sweeping && len(m.pending) > 0:
		return []span{{plural(len(m.pending), "change") + " pending: p pauses the sweep, then enter applies", styleAccent}}
	case m.snap.Phase == session.Sweeping:
		return []span{{"a sweep uses the engine; p pauses it to change settings", styleAccent}}
	case m.snap.Applying != nil:
		return []span{{m.applyingText(), styleAccent}}
	case m.applyError != "":
		return []span{{"✗ " + firstLine(m.applyError), styleFail}}
	case len(m.pending) > 0:
		return m.pendingNotes()
	}
	k := m.selectedKnob()
	n := k.Name
	fp16 := m.snap.FP16
	noFP16 := ""
	if n == knob.FP16 {
		noFP16 = m.whyNoFP16()
	}
	wrongFP16 := fp16 != nil && !fp16.All() && m.snap.Settings.Precision == knob.HalfPrecision
	switch {
	case wrongFP16:
		return []span{{"✗ FP16 " + fp16.Short() + " samples", styleFail}}
	case fp16 != nil && n == knob.FP16:
		return []span{dim("FP16 " + fp16.Short() + " samples")}
	case m.fixedReason(n) != "":
		return []span{warning(k.Label + ": " + m.fixedReason(n))}
	case noFP16 != "":
		return []span{warning("FP16: " + noFP16)}
	case n == knob.BatchDelay && m.snap.Settings.BatchSize == 1 && m.snap.Phase == session.Serving:
		return []span{dim("batch_delay has no effect at batch size 1")}
	}
	if e, n := m.snap.Effect, len(m.snap.Changes); e != nil && n > 0 && e.N == m.snap.Changes[n-1].N {
		return []span{plain(fmt.Sprintf("A%d: %s", e.N, e.Figures))}
	}
	return []span{dim(k.Help)}
}

// pendingNotes are the cost of applying the pending values and, if a sweep has
// measured these settings, the result. Predictions are not shown here.
func (m *model) pendingNotes() []span {
	cost := knob.Hot
	knobs := m.knobs()
	for n := range m.pending {
		k, _ := knobs.Get(n)
		if k.Cost == knob.CostUnreported {
			cost = knob.CostUnreported
			break
		}
		cost = max(cost, k.Cost)
	}
	out := []span{dim(m.costText(cost))}
	if t := m.measuredTrial(m.pendingSettings()); t != nil {
		out = append(out, span{m.measuredText(t), verdictStyle(t.Verdict.Result)})
	}
	return out
}

// costText is what a change of a cost means. How a remote server changes its own knobs
// is not known.
func (m *model) costText(c knob.Cost) string {
	if m.snap.Info.Machine != "" {
		return [...]string{knob.CostUnreported: "cost n/a", knob.Hot: "hot: no warm-up, no reload", knob.Warm: "warm: in force after a warm-up, no reload", knob.Reload: "R: reloads the model"}[c]
	}
	return [...]string{
		knob.CostUnreported: "cost n/a",

		knob.Hot: "hot: in force from the next batch", knob.Warm: "warm: workers warm up first, no reload",
		knob.Reload: "R: reloads the model while the old one serves",
	}[c]
}

// measuredText is the result of a trial with the pending settings. Its load is named if it is not the
// live load.
func (m *model) measuredText(t *trial.Trial) string {
	text := fmt.Sprintf("trial #%d: P99 %s ms, %s/s, %s", t.N, na(t.Latency.P99.Value), na(t.Throughput.Value), t.Verdict.Label())
	if t.Load != m.snap.Load.For(t.Settings.Workers*t.Settings.BatchSize) {
		text += fmt.Sprintf(", at %v", t.Load)
	}
	return text
}

func verdictStyle(a trial.Answer) styleID {
	return [...]styleID{trial.Undecided: styleWarn, trial.Pass: stylePass, trial.Fail: styleFail}[a]
}
