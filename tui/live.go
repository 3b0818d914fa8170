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

// drawLive is the Live view in the wide and compact sizes.
func (m *model) drawLive(p pane, room size) {
	l := liveOf(m.w, m.h)
	p.at(frameOf(m.w, m.h).verdict).line(1, 0, append(m.verdict(), m.burden()...)...)
	if room == wide {
		m.drawKnobs(p.at(l.knobs))
		m.drawLoad(p.at(l.load))
		m.drawUse(p.at(l.use))
	} else {
		m.drawStrip(p.at(l.knobs))
	}
	m.drawP99(p.at(l.p99), room)
	m.drawRate(p.at(l.rps))
	if room != wide {
		m.drawBare(p.at(l.rps))
	}
	m.drawBusy(p.at(l.busy))
}

// verdict begins the most important line of the program: the promise and the
// answer with its number.
func (m *model) verdict() []span {
	s := m.snap
	out := []span{dim("SLA "), plain(promise(s.SLA) + "  ")}
	if t := m.trialAtHand(); t != nil {
		out = append(out, span{fmt.Sprintf("trial #%d", t.N), inkAccent}, plain(" so far "+figure(t.P99MS, "—")+" ms "+share(t.P99MS, limitMS(s.SLA))))
		return out
	}
	return append(out, answer(s)...)
}

// burden ends that line: the load the verdict holds for and all errors so far.
func (m *model) burden() []span {
	style := inkDim
	n := errorsOf(m.snap.Live.Totals)
	if n > 0 {
		style = inkFail
	}
	return []span{dim("  load "), plain(m.loadText()), {"  " + plural(n, "error"), style}}
}

// answer is pass, FAIL or ? with the number, its share of the limit, and what
// the number doesn't say.
func answer(s *session.Snapshot) []span {
	v, limit := s.Live.Verdict, limitMS(s.SLA)
	number := ""
	if v.ValueMS.OK() {
		number = fmt.Sprintf(" %s ms %s", na(v.ValueMS), share(v.ValueMS, limit))
	}
	switch {
	case s.Phase == session.Starting || s.Phase == session.Down:
		return []span{dim("— " + s.Phase.String())}
	case !s.LoadOn:
		return []span{warning("— load held")}
	case v.Result == trial.Fail && v.ErrorRate > s.SLA.MaxErrorRate:
		// Too many errors fail whatever the percentile, even without one.
		return []span{{fmt.Sprintf("FAIL %.1f%% errors", v.ErrorRate*100), inkFail}, plain(number)}
	case !v.ValueMS.OK():
		return []span{warning("— "), dim(fmt.Sprintf("%d of 100 answers", min(s.Live.Answers, 99)))}
	case s.Live.Settling:
		return []span{warning("settling"), plain(number)}
	case v.Result == trial.Pass:
		return []span{{"PASS", inkPass}, plain(number)}
	case v.Result == trial.Fail:
		return []span{{"FAIL", inkFail}, plain(number)}
	}
	return []span{warning("?"), plain(number), dim(interval(v.LowMS, v.HighMS))}
}

// interval is what a close call lies between, an open end left open.
func interval(low, high trial.Num) string {
	if !low.OK() && !high.OK() {
		return ""
	}
	return " " + figure(low, "") + "–" + figure(high, "")
}

func errorsOf(c trial.Counts) int { return c.Refused + c.Failed + c.Timeout }

// loadText is the load in the words of the glossary.
func (m *model) loadText() string {
	if c := m.trialAtHand(); c != nil {
		return c.Point.Load.String()
	}
	text := m.loadNow().For(m.snap.Settings.Workers * m.snap.Settings.BatchSize).String()
	if !m.snap.LoadOn {
		text += ", held"
	}
	return text
}

// drawKnobs is the column of knobs: in force and pending side by side, what
// enter costs, what it gave, and what was changed before.
func (m *model) drawKnobs(p pane) {
	in := p.box("Knobs", m.knobsTitle()...)
	in.text(1, 0, "knob         in force  pending", inkDim)
	turned := m.turned()
	room := max(in.h-4, 1) // for what stands below
	from := min(max(min(m.knob, len(turned)-1)-room+1, 0), max(len(turned)-room, 0))
	end := min(from+room, len(turned))
	for i, k := range turned[from:end] {
		m.drawKnob(in.sub(0, 1+i, in.w, 1), from+i, k)
	}
	y := 1 + end - from
	in.text(1, y, m.untunedText(), inkDim)
	if notes := m.notes(); len(notes) > 0 {
		y += 2
		for _, n := range notes {
			y = in.sub(1, 0, in.w-2, in.h).lines(0, y, n.s, n.ink)
		}
	}
	y++
	for _, c := range slices.Backward(m.snap.Changes) {
		if y >= in.h {
			return
		}
		text := fmt.Sprintf("A%d %s (%s)", c.N, m.difference(c.From, c.To), took(c.Took))
		in.sub(0, 0, in.w-1, in.h).text(1, y, text, inkDim)
		y++
	}
}

func (m *model) knobsTitle() []span {
	switch {
	case m.trialAtHand() != nil:
		return []span{{fmt.Sprintf("trial #%d, read-only", m.trialAtHand().N), inkAccent}}
	case m.snap.Applying != nil:
		return []span{{m.spin() + " applying", inkAccent}}
	case len(m.edits) > 0:
		return []span{{fmt.Sprintf("%d pending", len(m.edits)), inkAccent}}
	}
	return nil
}

// trialAtHand is what a sweep measures now, or nil while the person has the
// engine.
func (m *model) trialAtHand() *sweep.Current {
	if s := m.snap.Sweep; m.snap.Phase == session.Sweeping && s != nil {
		return s.Current
	}
	return nil
}

// untunedText is what Live does not turn, as far as it is known.
func (m *model) untunedText() string {
	s := m.inForce()
	var parts []string
	if s.Has(knob.Device) {
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
	p.click(func() { m.knob = i })
	name := inkText
	if k.Name == m.selected().Name {
		p.text(0, 0, "▸", inkAccent)
		name = inkBold
	}
	if m.fixed(n) != "" {
		name = inkDim
	}
	end := p.text(1, 0, k.Label, name)
	now := value(m.inForce(), n) + unit(k)
	end = p.text(max(21-width(now), 13, end+1), 0, now, name)
	to, pending := m.edits[n]
	switch {
	case pending:
		p.line(max(22, end+1), 0, span{"→ " + m.pendingText(k, to) + mark(k.Cost), inkAccent})
	case m.fixed(n) != "":
		p.text(24, 0, "n/a", inkDim)
	}
}

func (m *model) pendingText(k knob.Knob, to string) string {
	if k.Name == knob.FP16 {
		return value(m.draft(), k.Name)
	}
	return to + unit(k)
}

// mark doubles in the knobs' rows that a change reloads the model.
func mark(c knob.Cost) string {
	if c == knob.Reload {
		return " R"
	}
	return ""
}

// drawStrip is the knobs in one row, for the compact size.
func (m *model) drawStrip(p pane) {
	hint := m.knobsTitle()
	if len(m.edits) > 0 && m.snap.Applying == nil {
		hint = append(hint, dim(" · enter apply · esc drop"))
	}
	in := p.box("Knobs", hint...)
	m.knobRow(in.sub(1, 0, in.w-2, 1), "   ")
	var text strings.Builder
	style := inkDim
	for i, n := range m.notes() {
		if i > 0 {
			text.WriteString(" · ")
		} else {
			style = n.ink
		}
		text.WriteString(strings.TrimSuffix(n.s, "."))
	}
	in.sub(1, 0, in.w-2, in.h).text(0, 1, text.String(), style)
	p.under(m.totals()...)
}

// knobRow writes all knobs into one row.
func (m *model) knobRow(p pane, gap string) {
	x := 0
	turned := m.turned()
	for i, k := range turned {
		n := k.Name
		sign, style := " ", inkText
		if n == m.selected().Name {
			sign, style = "▸", inkBold
		}
		if m.fixed(n) != "" {
			style = inkDim
		}
		from := x
		x = p.line(x, 0, span{sign, inkAccent}, span{k.Label + " " + value(m.inForce(), n), style})
		if to, ok := m.edits[n]; ok {
			x = p.text(x, 0, "→"+strings.TrimSuffix(m.pendingText(k, to), unit(k))+mark(k.Cost), inkAccent)
		}
		x = p.text(x, 0, unit(k), style)
		if m.fixed(n) != "" {
			x = p.text(x, 0, " n/a", style)
		}
		p.sub(from, 0, x-from, 1).click(func() { m.knob = i })
		if i < len(turned)-1 {
			x = p.text(x, 0, gap[1:], inkText)
		}
	}
}

// notes say what the person should know about the knobs now, the most pressing
// first.
func (m *model) notes() []span {
	switch {
	case m.snap.Phase == session.Sweeping:
		return []span{{"the sweep owns the engine; p pauses it and hands the knobs back", inkAccent}}
	case m.snap.Applying != nil:
		return []span{{m.applyingText(), inkAccent}}
	case m.failed != "":
		return []span{{"✗ " + firstLine(m.failed), inkFail}}
	case len(m.edits) > 0:
		return m.pendingNotes()
	}
	k := m.selected()
	n := k.Name
	switch {
	case m.fixed(n) != "":
		return []span{warning(k.Label + ": " + m.fixed(n))}
	case n == knob.BatchDelay && m.snap.Settings.BatchSize == 1 && m.snap.Phase == session.Serving:
		return []span{dim("batch_delay does nothing at batch size 1")}
	}
	return []span{dim(k.Help)}
}

// pendingNotes say what enter will cost and, where a sweep has measured these
// settings, what they gave: measured figures only.
func (m *model) pendingNotes() []span {
	cost := knob.Hot
	knobs := m.knobs()
	for n := range m.edits {
		k, _ := knobs.Get(n)
		cost = max(cost, k.Cost)
	}
	out := []span{dim([]string{
		knob.Hot: "hot: holds from the next batch", knob.Warm: "warm: workers warm up first, no reload",
		knob.Reload: "R: a reload beside the running model",
	}[cost])}
	if t := m.measured(m.draft()); t != nil {
		out = append(out, span{seen(t), verdictInk(t.Verdict.Result)})
	}
	return out
}

func seen(t *trial.Trial) string {
	return fmt.Sprintf("seen in sweep #%d: P99 %s ms, %s/s, %s", t.N, na(t.Latency.P99.Value), na(t.Throughput.Value), t.Verdict.Label())
}

func verdictInk(a trial.Answer) ink {
	return [...]ink{trial.Undecided: inkWarn, trial.Pass: inkPass, trial.Fail: inkFail}[a]
}
