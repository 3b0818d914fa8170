package tui

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"sweetspot/sweep/search"
	"sweetspot/sweep/trial"
	"sweetspot/tui/chart"
)

// drawMap draws a table of the workers and batch sizes of the slice of the selected point.
func (m *model) drawMap(p pane, hint span) {
	points := m.frontierPoints()
	in := p.boxWith("Map  "+m.mapFigureName()+", workers x batch", hint, dim("v figure"))
	in = in.sub(1, 0, in.w-1, in.h)
	if len(points) == 0 {
		in.text(0, 0, "no setting is measured or predicted yet", styleDim)
		return
	}
	selected := &points[m.selectedPointIndex(points)]
	all := pointSlices(points)
	n := slices.Index(all, sliceOf(selected.settings))
	x := in.line(0, 0, plain(sliceText(selected.settings)))
	if len(all) > 1 {
		in.line(x, 0, dim(fmt.Sprintf("  slice %d of %d ", n+1, len(all))), bold("←→"))
	}
	legend := 1
	if in.h < 6 {
		legend = 0
	}
	in.sub(0, 1, in.w, in.h-1-legend).chart(m.heatMap(points, selected))
	if legend > 0 {
		in.text(0, in.h-1, "57 measured, worst run  (16) predicted  – not tried", styleDim)
	}
}

func (m *model) mapFigureName() string {
	switch m.frontier.figure {
	case mapThroughput:
		return "requests/s"
	case mapCPU:
		return "cpu %"
	default:
		return percentileName(m.frontierSweep().Plan.SLA) + " ms"
	}
}

// heatMap is the map of the slice of the selected point.
func (m *model) heatMap(points []settingPoint, selected *settingPoint) chart.HeatMap {
	slice := sliceOf(selected.settings)
	var workers, batches []int
	add := func(list *[]int, v int) {
		if at, has := slices.BinarySearch(*list, v); !has {
			*list = slices.Insert(*list, at, v)
		}
	}
	for i := range points {
		if s := points[i].settings; sliceOf(s) == slice {
			add(&workers, s.Workers)
			add(&batches, s.BatchSize)
		}
	}
	out := chart.HeatMap{RowTitle: "wrk", ColTitle: "batch", Rows: texts(workers), Cols: texts(batches)}
	if m.frontier.figure == mapPercentile {
		out.Limit = limitMS(m.frontierSweep().Plan.SLA)
	}
	for _, w := range workers {
		row := make([]chart.MapCell, len(batches))
		for x, b := range batches {
			row[x] = chart.MapCell{Value: math.NaN()}
			for i := range points {
				if s := points[i].settings; sliceOf(s) == slice && s.Workers == w && s.BatchSize == b && math.IsNaN(row[x].Value) {
					row[x] = m.mapCell(&points[i], &points[i] == selected)
				}
			}
		}
		out.Cells = append(out.Cells, row)
	}
	return out
}

func texts(numbers []int) []string {
	var out []string
	for _, n := range numbers {
		out = append(out, strconv.Itoa(n))
	}
	return out
}

// mapCell is the cell of a point. The percentile of several runs is the worst one.
func (m *model) mapCell(p *settingPoint, selected bool) chart.MapCell {
	c := chartPoint(p, selected)
	out := chart.MapCell{Verdict: c.Verdict, Predicted: c.Predicted, Best: c.Best, Selected: selected}
	var v trial.Num
	switch m.frontier.figure {
	case mapThroughput:
		v = p.throughput.Value
	case mapCPU:
		if p.measured() {
			v = p.row.Joined.Use.CPUPercent
		}
	default:
		v = p.worst()
	}
	out.Value = v.Or(math.NaN())
	return out
}

// drawPoint draws all that is known of the selected point.
func (m *model) drawPoint(p pane, hint span) {
	o := m.selectedPoint()
	if o == nil {
		p.boxWith("Point", hint)
		return
	}
	title := "Point " + o.label
	var state span
	switch {
	case !o.measured():
		title, state = "Predicted point", dim("not measured")
	case o.best:
		state = span{"★ best of " + plural(len(o.row.Runs), "run"), stylePass}
	default:
		state = verdictSpan(&o.row.Joined)
	}
	in := p.boxWith(title, hint, state)
	in = in.sub(1, 0, in.w-2, in.h)
	texts := append([]span{plain(settingsText(o.settings))}, m.pointLines(o)...)
	in.sub(0, 0, in.w, in.h-1).paragraphs(0, 0, texts...)
	in.line(0, in.h-1, m.pointKeys(o)...)
}

func (m *model) pointKeys(o *settingPoint) []span {
	measure := " measure it"
	if o.measured() {
		measure = " run again"
	}
	var out []span
	if !m.Follow {
		out = []span{bold("enter"), dim(" load in Live  ")}
	}
	if !m.Follow && m.cannotMeasurePoint() == "" {
		out = append(out, bold("R"), dim(measure+"  "))
	}
	if m.cannotExportPoint() == "" {
		out = append(out, bold("e"), dim(" export"))
	}
	return out
}

// pointLines are the lines about a point: the figures of its runs, its prediction, what limits it,
// and how it compares with the others.
func (m *model) pointLines(o *settingPoint) []span {
	s := m.frontierSweep()
	name := percentileName(s.Plan.SLA)
	if !o.measured() {
		out := []span{
			plain(fmt.Sprintf("/s %s  (%s)", na(o.throughput.Value), estimateRange(o.throughput))),
			plain(fmt.Sprintf("%s %s ms  (%s)  %s of the promise", name, na(o.value.Value), estimateRange(o.value), usedText(o.value.Value, limitMS(s.Plan.SLA)))),
			plain(fmt.Sprintf("keeps the promise with a chance of %.0f%%", 100*o.pass)),
			dim("load " + o.load.String()),
		}
		if m.frontier.whatIf.on {
			return append(out, warning("nothing was measured under this load"))
		}
		return out
	}
	t := &o.row.Joined
	worst := ""
	if len(o.row.Runs) > 1 {
		worst = "the worst "
	}
	out := []span{
		plain("/s " + m.runFigures(o, func(t *trial.Trial) trial.Num { return t.Throughput.Value }, "")),
		plain(fmt.Sprintf("%s %s, %s%s of the promise", name, m.runFigures(o, func(t *trial.Trial) trial.Num { return percentileOf(t, s.Plan.SLA) }, " ms"), worst, usedText(o.worst(), limitMS(s.Plan.SLA)))),
	}
	if t.Error != "" {
		out = append(out, span{t.Error, styleFail})
	}
	out = append(out, m.uncertainRuns(o)...)
	if text := predictionError(o); text != "" {
		out = append(out, dim(text))
	}
	if _, text := (search.Explainer{Cores: m.snap.Info.Cores}).Bottleneck(*t, m.frontierSweep().Trials); text != "" {
		out = append(out, plain("limits: "+text))
	}
	if t.Verdict.Why != "" {
		out = append(out, dim("verdict: "+t.Verdict.Why))
	}
	if text := m.indistinguishable(o); text != "" {
		out = append(out, warning(text))
	}
	return out
}

// limitWord is what limits a trial in a word.
func (m *model) limitWord(t *trial.Trial) string {
	limit, _ := (search.Explainer{Cores: m.snap.Info.Cores}).Bottleneck(*t, m.frontierSweep().Trials)
	return limit
}

// runFigures are the figures of the runs of a point: "560 471 378 in #1 #7 #8".
func (m *model) runFigures(o *settingPoint, figure func(*trial.Trial) trial.Num, unit string) string {
	var values, numbers []string
	for _, i := range o.row.Runs {
		t := &m.frontierSweep().Trials[i]
		values, numbers = append(values, na(figure(t))), append(numbers, "#"+strconv.Itoa(t.N))
	}
	const most = 5
	if n := len(values); n > most {
		values, numbers = values[n-most:], append([]string{"…"}, numbers[n-most:]...)
	}
	return strings.Join(values, " ") + unit + " in " + strings.Join(numbers, " ")
}

// worst is the highest percentile of the runs of a point.
func (p *settingPoint) worst() trial.Num {
	if p.measured() && len(p.row.Runs) > 1 && p.value.High.OK() {
		return p.value.High
	}
	return p.value.Value
}

// uncertainRuns says which runs were disturbed or are undecided.
func (m *model) uncertainRuns(o *settingPoint) []span {
	var out []span
	for _, i := range o.row.Runs {
		t := &m.frontierSweep().Trials[i]
		switch {
		case t.Disturbed():
			out = append(out, warning(fmt.Sprintf("? #%d: the host was busy with other work", t.N)))
		case t.Verdict.Result == trial.Undecided && t.Error == "":
			out = append(out, warning(fmt.Sprintf("? #%d undecided: %s", t.N, t.Verdict.Why)))
		}
	}
	return out
}

// predictionError compares the prediction of a point from before its first run with the runs.
func predictionError(o *settingPoint) string {
	p := o.row.Joined.Predicted
	if p == nil || !p.ThroughputRPS.OK() {
		return ""
	}
	text := fmt.Sprintf("predicted %s/s, %s ms", na(p.ThroughputRPS), na(p.ValueMS))
	if v, ok := o.throughput.Value.Get(); ok && v > 0 {
		text += fmt.Sprintf(": off by %.0f%%", 100*math.Abs(p.ThroughputRPS.Or(0)/v-1))
	}
	return text
}

// indistinguishable lists the points with a throughput that the data cannot tell from that of o.
func (m *model) indistinguishable(o *settingPoint) string {
	var names []string
	points := m.measuredPoints()
	for i := range points {
		p := &points[i]
		if p.measured() && p.key() != o.key() && overlap(p.throughput, o.throughput) {
			names = append(names, p.label)
		}
	}
	if len(names) == 0 {
		return ""
	}
	const most = 6
	if len(names) > most {
		names = append(names[:most], "…")
	}
	return "~ the data cannot tell its throughput from that of " + strings.Join(names, " ")
}
