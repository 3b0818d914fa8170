package tui

import (
	"fmt"
	"math"

	"sweetspot/engine/knob"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// frontierLayout is the body of the Frontier view. A panel that a layout does not show is empty.
type frontierLayout struct {
	chart, slices, point, table rect
}

const (
	mapHeight       = 10
	minFrontierRows = 7 // of the table, with its border
	roomyBody       = 10
)

func frontierLayoutOf(w, h int, panel frontierPanel) frontierLayout {
	b := frameLayoutOf(w, h).body
	switch sizeClassOf(w, h) {
	case wide:
		table := max(b.h*3/10, minFrontierRows)
		top := b.h - table
		left := b.w * 11 / 20
		return frontierLayout{
			chart:  rect{0, b.y, left, top},
			slices: rect{left, b.y, b.w - left, mapHeight},
			point:  rect{left, b.y + mapHeight, b.w - left, top - mapHeight},
			table:  rect{0, b.y + top, b.w, table},
		}
	case compact:
		table := max(b.h*3/10, minFrontierRows)
		return frontierOnly(panel, rect{0, b.y, b.w, b.h - table}, rect{0, b.y + b.h - table, b.w, table})
	default:
		if b.h < roomyBody { // one panel at a time, and no room for a chart
			if panel == scatterChartPanel {
				return frontierLayout{table: b}
			}
			return frontierOnly(panel, b, rect{})
		}
		table := max(b.h*2/5, 5)
		return frontierOnly(panel, rect{0, b.y, b.w, b.h - table}, rect{0, b.y + b.h - table, b.w, table})
	}
}

// frontierOnly is the layout with one panel above the table.
func frontierOnly(panel frontierPanel, top, table rect) frontierLayout {
	l := frontierLayout{table: table}
	switch panel {
	case mapPanel:
		l.slices = top
	case pointPanel:
		l.point = top
	default:
		l.chart = top
	}
	return l
}

func (m *model) drawFrontier(p pane, class sizeClass) {
	f := frameLayoutOf(m.w, m.h)
	p.at(f.verdict).sub(1, 0, m.w-1, 1).parts(m.frontierLine()...)
	if m.frontierSweep() == nil {
		m.drawNoFrontier(p.at(f.body))
		return
	}
	l := frontierLayoutOf(m.w, m.h, m.frontier.panel)
	hint := dim("tab: " + frontierPanelNames[(m.frontier.panel+1)%frontierPanelCount])
	if class == wide {
		hint = span{}
	}
	if l.chart.h > 0 {
		m.drawFrontierChart(p.at(l.chart), hint)
	}
	if l.slices.h > 0 {
		m.drawMap(p.at(l.slices), hint)
	}
	if l.point.h > 0 {
		m.drawPoint(p.at(l.point), hint)
	}
	if l.table.h > 0 {
		m.drawPointTable(p.at(l.table))
	}
}

func (m *model) drawNoFrontier(p pane) {
	in := p.box("Frontier")
	in.sub(2, 0, in.w-4, in.h).paragraphs(0, 1,
		plain("Nothing is measured yet. s starts a sweep. This view then shows all its settings, throughput against "+
			percentileName(m.snap.SLA)+": the measured ones with their error bars, and the others as they are predicted."),
		span{},
		plain("The first predicted settings appear after the service-time probes of the sweep, the first measured one after its first trial. "+
			"An earlier sweep is in Profiles (4): there m shows its settings here."),
	)
}

// frontierLine is the line below the header: the promise, the load and the counts of the settings.
func (m *model) frontierLine() []span {
	s := m.frontierSweep()
	if s == nil {
		return []span{plain("no sweep yet  "), dim(promiseText(m.snap.SLA))}
	}
	if m.frontier.whatIf.on {
		return []span{warning(m.whatIfText()), dim("   SLA " + promiseText(s.Plan.SLA) + "   "), bold("esc"), dim(" measured load")}
	}
	var rows []*trial.Trial
	disturbed, predicted := 0, 0
	points := m.measuredPoints()
	for i := range points {
		p := &points[i]
		switch {
		case !p.measured():
			predicted++
		default:
			rows = append(rows, &p.row.Joined)
			if p.row.Joined.Disturbed() {
				disturbed++
			}
		}
	}
	if from := m.frontier.profile; from != nil {
		name := []span{{"profile " + cutTo(from.name, 24) + "  ", styleAccent}, bold("esc"), dim(" back to Profiles  ")}
		return append(append(name, countVerdicts(rows)...), dim("  SLA "+promiseText(s.Plan.SLA)))
	}
	out := []span{dim("SLA " + promiseText(s.Plan.SLA) + "  ")}
	if m.w >= wideWidth && len(s.Plan.Loads) > 0 && s.Plan.Question != plan.Capacity { // which has no load
		out = append(out, dim(s.Plan.Loads[0].String()+"  "))
	}
	out = append(out, countVerdicts(rows)...)
	if !m.Follow { // a profile has no predictions
		out = append(out, plain(fmt.Sprintf("  predicted %d", predicted)))
	}
	if m.knowsSkipped(s) {
		out = append(out, dim(fmt.Sprintf("  skipped %d", len(s.Skipped))))
	}
	if disturbed > 0 {
		out = append(out, warning(fmt.Sprintf("  host busy in %d", disturbed)))
	}
	return out
}

func (m *model) drawFrontierChart(p pane, hint span) {
	s := m.frontierSweep()
	title := percentileName(s.Plan.SLA) + " ms (log) against throughput"
	if p.w < compactWidth/2 {
		title = percentileName(s.Plan.SLA) + " against throughput"
	}
	in := p.boxWith(title, hint)
	if in.h > 8 {
		in.line(1, in.h-1, scatterLegend(in.w-1)...)
		in = in.sub(0, 0, in.w, in.h-1)
	}
	points := m.frontierPoints()
	selected := m.selectedPoint()
	c := scatterOf(points, s.Plan.SLA, func(o *settingPoint) bool { return o == selected })
	for i := range c.Points {
		if o := &c.Points[i]; o.Selected && o.Text == "" {
			o.Text = shortSettings(selected.settings)
		}
	}
	if w := m.frontier.whatIf; w.on {
		c.Empty = "predicting …"
		if w.problem != "" {
			c.Empty = firstLine(w.problem)
		}
	}
	in.chart(c)
}

// drawPointTable draws a row for each setting: the measured ones, then the predicted ones.
func (m *model) drawPointTable(p pane) {
	points := m.frontierPoints()
	what := []span{dim("best first, repeats joined · ~ cannot tell apart")}
	if m.frontier.whatIf.on {
		what = []span{warning("predicted, best first")}
	}
	in := p.box("Settings", what...)
	if len(points) == 0 {
		text := "no setting is measured or predicted yet"
		if w := m.frontier.whatIf; w.on {
			text = "predicting …"
			if w.problem != "" {
				text = w.problem
			}
		}
		in.paragraph(1, 0, text, styleDim)
		return
	}
	cols := m.pointColumns(points, in.w)
	x := 2
	for _, c := range cols {
		x = in.text(x, 0, pad(c.name, c.width), styleDim)
	}
	selected := m.selectedPointIndex(points)
	avail := max(in.h-1, 0)
	from := min(max(selected-avail/2, 0), max(len(points)-avail, 0))
	for y := range min(avail, len(points)-from) {
		i := from + y
		row := in.sub(0, 1+y, in.w, 1)
		row.onClick(func() { m.frontier.selected = points[i].key() })
		drawPointRow(row, cols, &points[i], i == selected)
	}
	p.position(selected, len(points), avail)
}

// pointColumn is a column of the table of settings, aligned to the left.
type pointColumn struct {
	name  string
	width int // with the blanks after it
	text  func(p *settingPoint) span
}

// pointColumns are the columns that fit into w cells, in the order of their importance.
func (m *model) pointColumns(points []settingPoint, w int) []pointColumn {
	s := m.frontierSweep()
	limit := limitMS(s.Plan.SLA)
	names := width("setting")
	for i := range points {
		names = max(names, width(shortSettings(points[i].settings)))
	}
	mark := func(p *settingPoint, text string) span {
		if !p.measured() {
			return dim(text)
		}
		return plain(text)
	}
	all := []pointColumn{
		{"", 3, func(p *settingPoint) span {
			if !p.measured() {
				return dim("○")
			}
			return bold(p.label)
		}},
		{"setting", min(names, 28) + 2, func(p *settingPoint) span { return mark(p, shortSettings(p.settings)) }},
		{"SLA", 7, m.pointVerdict},
		{percentileName(s.Plan.SLA) + " worst", 11, func(p *settingPoint) span { return mark(p, na(p.worst())) }},
		{"/s", 8, func(p *settingPoint) span { return mark(p, na(p.throughput.Value)) }},
		{"SLA used", 10, func(p *settingPoint) span { return mark(p, usedText(p.worst(), limit)) }},
		{"against ★", 11, m.againstBest(points)},
		{"runs", 6, func(p *settingPoint) span {
			if !p.measured() {
				return dim("–")
			}
			return plain(fmt.Sprint(len(p.row.Runs)))
		}},
		{"limits", 15, func(p *settingPoint) span { return m.ofRow(p, m.limitWord) }},
		{"/s range", 12, func(p *settingPoint) span { return dim(estimateRange(p.throughput)) }},
		{"ms range", 13, func(p *settingPoint) span { return dim(estimateRange(p.value)) }},
		{"batch", 7, func(p *settingPoint) span {
			return m.ofRow(p, func(t *trial.Trial) string { return t.Batches.Mean.Text(1) })
		}},
		{"cpu%", 7, func(p *settingPoint) span {
			return m.ofRow(p, func(t *trial.Trial) string { return na(t.Use.CPUPercent) })
		}},
	}
	n, used := 0, 2
	for n < len(all) && used+all[n].width <= w {
		used += all[n].width
		n++
	}
	return all[:n]
}

func (m *model) ofRow(p *settingPoint, text func(*trial.Trial) string) span {
	if !p.measured() {
		return dim("–")
	}
	return plain(text(&p.row.Joined))
}

// pointVerdict is the verdict of a point, or the predicted chance to keep the promise.
func (m *model) pointVerdict(p *settingPoint) span {
	if !p.measured() {
		return dim(fmt.Sprintf("(%.0f%%)", 100*p.pass))
	}
	v := verdictSpan(&p.row.Joined)
	if p.best {
		v.s += " ★"
	}
	return v
}

// usedText is the share of the limit that a percentile uses.
func usedText(v trial.Num, limit float64) string {
	x, ok := v.Get()
	if !ok || limit <= 0 {
		return "n/a"
	}
	return limitShare(x, limit)
}

// againstBest compares the throughput of a point with that of the best one: "~" if their intervals
// overlap.
func (m *model) againstBest(points []settingPoint) func(p *settingPoint) span {
	var best *settingPoint
	for i := range points {
		if points[i].best {
			best = &points[i]
		}
	}
	return func(p *settingPoint) span {
		if best == nil {
			return dim("–")
		}
		if p == best || p.best {
			return span{"★", stylePass}
		}
		return comparedThroughput(best, p)
	}
}

func comparedThroughput(best, p *settingPoint) span {
	switch text := throughputChange(best.throughput, p.throughput); {
	case text == "":
		return dim("n/a")
	case text == "~":
		return warning(text)
	case !p.measured():
		return dim(text + "?")
	default:
		return plain(text)
	}
}

// throughputChange is how much a throughput differs from that before: "~" if their intervals overlap, "" if one is
// not known.
func throughputChange(before, now trial.Estimate) string {
	b, okB := before.Value.Get()
	v, ok := now.Value.Get()
	switch {
	case !ok || !okB || b <= 0:
		return ""
	case overlap(before, now):
		return "~"
	}
	return changePercent(v / b)
}

// changePercent is a ratio as a change in percent, with a decimal if it would be 0 without.
func changePercent(ratio float64) string {
	p := 100 * (ratio - 1)
	if math.Abs(p) < .5 {
		return fmt.Sprintf("%+.1f%%", p)
	}
	return fmt.Sprintf("%+.0f%%", p)
}

// overlap reports whether two intervals overlap, so that the data cannot tell the values apart. An
// end that is not known is open.
func overlap(a, b trial.Estimate) bool {
	inf := math.Inf(1)
	return a.Low.Or(-inf) <= b.High.Or(inf) && b.Low.Or(-inf) <= a.High.Or(inf)
}

func drawPointRow(p pane, cols []pointColumn, o *settingPoint, selected bool) {
	if selected {
		p.text(0, 0, "▸", styleAccent)
	}
	x := 2
	for _, c := range cols {
		s := c.text(o)
		if selected && s.style == styleText {
			s.style = styleBold
		}
		p.sub(x, 0, c.width-1, 1).line(0, 0, s)
		x += c.width
	}
}

// sliceText describes the slice of some settings: "delay 1 ms · FP16 off".
func sliceText(s knob.Settings) string {
	out := ""
	if s.Has(knob.BatchDelay) {
		out = "delay " + s.Get(knob.BatchDelay) + " ms"
	}
	if s.Has(knob.FP16) {
		out += " · FP16 " + knobValue(s, knob.FP16)
	}
	for n, v := range s.Own.All() {
		out += " · " + string(n) + " " + v
	}
	return out
}
