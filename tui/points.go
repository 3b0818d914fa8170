package tui

import (
	"cmp"
	"math"
	"slices"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/search"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
	"sweetspot/tui/chart"
)

// settingPoint is one setting of a sweep under one load. It was measured, and row has its runs,
// or it was only predicted.
type settingPoint struct {
	row      *rank.Row // nil if it was not measured
	settings knob.Settings
	load     load.Spec
	pass     float64 // of a predicted one: the chance to keep the promise
	label    string  // of a measured one: A, B, C ..., best first

	throughput trial.Estimate
	value      trial.Estimate // the percentile of the promise, ms
	predicted  *search.Prediction
	answer     trial.Answer // of a measured one; a provisional one counts as undecided
	likely     trial.Answer
	best       bool // validated
	frontier   bool // seems to pass, and no other setting that does is better in both figures
}

func (p *settingPoint) measured() bool { return p.row != nil }

// settingPoints returns the settings of a sweep: the measured ones by rank, then those that are
// only predicted, the most promising first.
func settingPoints(s *session.Sweep) []settingPoint {
	if s == nil {
		return nil
	}
	var out []settingPoint
	best := validatedBest(s)
	for _, r := range rowsInOrder(s) {
		out = append(out, measuredPoint(s, r, best))
	}
	markFrontier(out)
	n := len(out)
	for i := range s.Predictions {
		p := &s.Predictions[i]
		at := slices.IndexFunc(out[:n], func(o settingPoint) bool { return o.settings == p.Settings && sameLoad(s, o.load, p.Load) })
		if at >= 0 {
			out[at].predicted = p
			continue
		}
		out = append(out, settingPoint{
			settings: p.Settings, load: p.Load, pass: p.Pass, throughput: p.Throughput, value: p.ValueMS, predicted: p,
		})
	}
	sortPredicted(out[n:])
	for i := range out[:n] {
		out[i].label = pointLabel(i)
	}
	return out
}

// sameLoad reports whether a measured point and a prediction are of the same point. For
// question capacity the rate is the result.
func sameLoad(s *session.Sweep, a, b load.Spec) bool {
	if s.Plan.Question.SeeksRate() {
		a.Rate, b.Rate = 0, 0
	}
	return a == b
}

// sortPredicted sorts predicted points: those that probably keep the promise first, by throughput.
func sortPredicted(points []settingPoint) {
	slices.SortStableFunc(points, func(a, b settingPoint) int {
		return cmp.Or(
			-cmp.Compare(math.Round(2*a.pass), math.Round(2*b.pass)),
			-cmp.Compare(a.throughput.Value.Or(0), b.throughput.Value.Or(0)),
		)
	})
}

// pointLabel names the i-th point: A to Z, then AA, AB ...
func pointLabel(i int) string {
	const letters = 26
	if i < letters {
		return string(rune('A' + i))
	}
	return pointLabel(i/letters-1) + pointLabel(i%letters)
}

// measuredPoint is the point of a row.
func measuredPoint(s *session.Sweep, r rank.Row, best *trial.Trial) settingPoint {
	t := &r.Joined
	return settingPoint{
		row: &r, settings: t.Settings, load: t.Load, throughput: r.Range, value: valueOfRuns(s, r),
		answer: t.Verdict.Result, likely: t.Verdict.Likely(), best: best != nil && best.N == t.N,
	}
}

// valueOfRuns is the percentile of the promise of a row. Of several runs it has the value of the
// representative, from the lowest to the highest value of the runs.
func valueOfRuns(s *session.Sweep, r rank.Row) trial.Estimate {
	t := &r.Joined
	out := trial.Estimate{Value: percentileOf(t, s.Plan.SLA), Low: t.Verdict.LowMS, High: t.Verdict.HighMS}
	if len(r.Runs) == 1 {
		return out
	}
	low, high := math.Inf(1), math.Inf(-1)
	for _, i := range r.Runs {
		if v, ok := percentileOf(&s.Trials[i], s.Plan.SLA).Get(); ok {
			low, high = min(low, v), max(high, v)
		}
	}
	out.Low, out.High = trial.NumOf(low), trial.NumOf(high)
	return out
}

// markFrontier marks the points that no other one beats in throughput and percentile.
func markFrontier(points []settingPoint) {
	beats := func(a, b settingPoint) bool {
		x, okX := a.throughput.Value.Get()
		y, okY := b.throughput.Value.Get()
		v, okV := a.value.Value.Get()
		w, okW := b.value.Value.Get()
		return okX && okY && okV && okW && x >= y && v <= w && (x > y || v < w)
	}
	for i := range points {
		p := &points[i]
		p.frontier = p.likely == trial.Pass && p.value.Value.OK() &&
			!slices.ContainsFunc(points, func(o settingPoint) bool { return o.likely == trial.Pass && beats(o, *p) })
	}
}

// updatePoints computes the points again if the sweep has other trials or predictions.
func (m *model) updatePoints(old *session.Snapshot) {
	if sameData(old.Sweep, m.snap.Sweep) && m.points != nil {
		return
	}
	m.points, m.joined = settingPoints(m.snap.Sweep), rowsInOrder(m.snap.Sweep)
	m.undecided = undecidedRow(m.snap.Sweep)
	m.noPass = noPassText(m.snap.Sweep, m.undecided)
	if old.Sweep != nil && m.snap.Sweep != nil && old.Sweep.ID != m.snap.Sweep.ID {
		m.leaveWhatIf() // the selection stays: the sweep may have been resumed for one more trial
	}
}

// sameData reports whether two states of a sweep have the same trials and predictions.
func sameData(a, b *session.Sweep) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.ID == b.ID && a.State == b.State && len(a.Trials) == len(b.Trials) && sameSlice(a.Predictions, b.Predictions)
}

func sameSlice(a, b []search.Prediction) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// chartPoint is a point for a scatter chart.
func chartPoint(p *settingPoint, selected bool) chart.Point {
	verdict := map[trial.Answer]chart.Verdict{trial.Pass: chart.Pass, trial.Fail: chart.Fail, trial.Undecided: chart.Undecided}[p.answer]
	out := chart.Point{
		X: p.throughput.Value.Or(math.NaN()), Y: p.value.Value.Or(math.NaN()),
		Verdict: verdict, Predicted: !p.measured(), Best: p.best, Frontier: p.frontier, Selected: selected, Text: p.label,
	}
	if p.measured() {
		out.XLow, out.XHigh = p.throughput.Low.Or(0), p.throughput.High.Or(0)
		out.YLow, out.YHigh = p.value.Low.Or(0), p.value.High.Or(0)
	} else {
		out.Verdict = chart.NoVerdict
	}
	return out
}

// scatterOf is the scatter chart of points. isSelected may be nil.
func scatterOf(points []settingPoint, sla trial.SLA, isSelected func(*settingPoint) bool) chart.Scatter {
	s := chart.Scatter{SLA: limitMS(sla), SLALabel: "SLA " + plainMS(limitMS(sla)), XUnit: "/s", Empty: "no setting is measured or predicted yet"}
	for i := range points {
		p := &points[i]
		selected := isSelected != nil && isSelected(p)
		if !selected && p.farBeyond(sla) {
			continue
		}
		s.Points = append(s.Points, chartPoint(p, selected))
	}
	return s
}

// farBeyond reports whether a point is only predicted, and so far beyond the promise that a chart
// with it could not show the others apart.
func (p *settingPoint) farBeyond(sla trial.SLA) bool {
	const most = 16 // times the limit
	return !p.measured() && p.value.Value.Or(0) > most*limitMS(sla)
}

// scatterLegend explains the signs of a scatter chart, as many as fit into w cells.
func scatterLegend(w int) []span {
	var out []span
	for _, l := range []span{
		{"★ best", stylePass}, plain("  ● frontier"), dim("  ○ predicted"), {"  × over", styleFail}, warning("  ? undecided"), plain("  · dominated"),
	} {
		if spansWidth(out)+width(l.s) > w {
			break
		}
		out = append(out, l)
	}
	return out
}
