package tui

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"sweetspot/sweep/rank"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
	"sweetspot/tui/chart"
)

// drawSweep draws the Sweep view in the wide and compact layouts.
func (m *model) drawSweep(p pane, class sizeClass) {
	f := frameLayoutOf(m.w, m.h)
	p.at(f.verdict).sub(1, 0, m.w-1, 1).parts(m.sweepLine()...)
	s := m.snap.Sweep
	if s == nil {
		m.drawNoSweep(p.at(f.body))
		return
	}
	l := sweepLayoutOf(m.w, m.h)
	if class == wide {
		in := p.at(l.progress).box("Progress", dim(elapsedText(s)))
		m.drawProgress(in.sub(1, 0, in.w-2, in.h))
		in.sub(1, 2, in.w-2, 1).line(0, 0, m.verdictCounts()...)
		m.drawStateHint(in.sub(1, 3, in.w-2, 1))
		m.drawSide(p.at(l.detail))
	} else {
		m.drawProgress(p.at(l.progress).sub(1, 0, m.w-2, 2))
		if m.noPass != "" { // needs more rows than a best setting
			const more = 3
			l.trials.h -= more
			l.best.y, l.best.h = l.best.y-more, l.best.h+more
		}
		over := l.trials
		over.h += l.best.h
		if m.drawOver(p.at(over)) {
			return
		}
	}
	box := p.at(l.trials)
	in := box.box("Trials", m.tableTitle()...)
	m.drawTable(in, box)
	m.drawBest(p.at(l.best), class)
}

// sweepLine is the line below the header: the state of the sweep and its objective, or
// in the compact layout the counts of its verdicts.
func (m *model) sweepLine() []span {
	s := m.snap.Sweep
	if s == nil {
		return []span{plain("no sweep yet  "), dim("most throughput with " + promiseText(m.snap.SLA))}
	}
	style := styleAccent
	if s.State == session.Failed {
		style = styleFail
	}
	out := []span{plain("sweep "), {s.State.String(), style}}
	if sizeClassOf(m.w, m.h) != wide {
		times := elapsedText(s)
		if m.w < compactWidth && !s.State.Ended() && s.ETA > 0 { // the counts say more than the time until now
			times = "ETA " + wholeSeconds(s.ETA)
		}
		return append(append(out, plain("  "+times+"  ")), m.verdictCounts()...)
	}
	if s.ID != "" {
		out = append(out, dim("  "+s.ID))
	}
	objective := strings.ReplaceAll(s.Plan.Objective.String(), "_", " ")
	return append(out, dim("  best "+objective+" with "+promiseText(s.Plan.SLA)))
}

// elapsedText is the elapsed time and the estimate of the remaining time.
func elapsedText(s *session.Sweep) string {
	out := "elapsed " + wholeSeconds(s.Elapsed)
	if !s.State.Ended() && s.ETA > 0 {
		out += "  ETA " + wholeSeconds(s.ETA)
	}
	return out
}

// drawProgress draws two rows: the bar, and the current trial or the result.
func (m *model) drawProgress(p pane) {
	s := m.snap.Sweep
	if m.Follow {
		p.text(0, 0, m.followText(s), styleText)
	} else {
		text := fmt.Sprintf(" %d/%d %3.0f%% ", len(s.Trials), max(s.Total, len(s.Trials)), progressPercent(s))
		end := p.alignRight(0, 0, plain(text))
		p.text(0, 0, chart.Gauge(progressPercent(s), end, m.ASCII), styleData)
	}
	second := p.sub(0, 1, p.w, 1)
	c := s.Current
	switch {
	case s.Problem != "":
		style := styleWarn // such as the end of the budget
		if s.State == session.Failed {
			style = styleFail
		}
		second.line(0, 0, span{"! " + firstLine(s.Problem), style})
	case c == nil:
		second.text(0, 0, "profile "+shortPath(s.Path), styleDim)
	case c.Point.Role == trial.RoleProbe:
		purpose := fmt.Sprintf("  for the predictions of %s", plural(s.Points, "setting"))
		if c.Point.Load.Concurrency > 0 { // a probe of the throughput: nothing is predicted
			purpose = ""
		}
		second.parts(span{currentName(c) + " ", styleAccent}, plain(c.Point.Reason), dim(purpose))
	default:
		settings := settingsText(c.Point.Settings)
		if p.w < compactWidth-2 {
			settings = shortSettings(c.Point.Settings)
		}
		parts := []span{{fmt.Sprintf("#%d ", c.N), styleAccent}, plain(settings), dim(fmt.Sprintf("  %s %s", c.Stage, c.Elapsed.Round(1e8)))}
		if c.Silent > 0 {
			parts = append(parts, warning("  no answer for "+wholeSeconds(c.Silent)))
		}
		second.parts(append(parts, plain(fmt.Sprintf("  %s %s ms", percentileName(s.Plan.SLA), formatNum(c.P99MS, "—"))),
			plain(fmt.Sprintf("  %s/s", na(c.RPS))), plain(fmt.Sprintf("  %s answers", groupDigits(c.Answers))))...)
	}
}

// verdictCounts is the number of rows of the table with each verdict, whatever the filter shows.
func (m *model) verdictCounts() []span {
	s := m.snap.Sweep
	var all []*trial.Trial
	for i := range m.joined {
		all = append(all, &m.joined[i].Joined)
	}
	if !m.table.perSetting() {
		all = all[:0]
		for i := range s.Trials {
			all = append(all, &s.Trials[i])
		}
	}
	out := countVerdicts(all)
	if m.knowsSkipped(s) {
		out = append(out, countSpan("  skipped", len(s.Skipped), styleDim))
	}
	return out
}

// knowsSkipped reports whether the skipped settings of a sweep are known: a profile has them with the choice only.
func (m *model) knowsSkipped(s *session.Sweep) bool { return !m.Follow || s.Choice != nil }

// countVerdicts are the counts of the verdicts of rows, and of those with an error if there are any.
func countVerdicts(rows []*trial.Trial) []span {
	var n [3]int
	failed := 0
	for _, t := range rows {
		if t.Error != "" {
			failed++
			continue
		}
		n[t.Verdict.Result]++
	}
	out := answerCounts(n)
	if failed > 0 {
		out = append(out, span{fmt.Sprintf("  error %d", failed), styleFail})
	}
	return out
}

// answerCounts are the counts of the verdicts, in the order of all views.
func answerCounts(n [3]int) []span {
	return []span{
		countSpan("pass", n[trial.Pass], stylePass), countSpan("  FAIL", n[trial.Fail], styleFail),
		countSpan("  ?", n[trial.Undecided], styleWarn),
	}
}

// countSpan is a count of results; none is nothing to warn of.
func countSpan(text string, n int, style styleID) span {
	if n == 0 {
		style = styleDim
	}
	return span{fmt.Sprintf("%s %d", text, n), style}
}

// drawStateHint draws what the user can do in the current state of the sweep.
func (m *model) drawStateHint(p pane) {
	s := m.snap.Sweep
	if m.Follow {
		p.text(0, 0, followHint(s), styleDim)
		return
	}
	if m.returning() {
		p.text(0, 0, returningText, styleWarn)
		return
	}
	switch s.State {
	case session.Running:
		p.text(0, 0, "the sweep uses the engine, and Live is read-only; p pauses it to change settings", styleDim)
	case session.Pausing:
		p.text(0, 0, "the sweep pauses after the current trial", styleWarn)
	case session.Paused:
		p.text(0, 0, "the sweep is paused: you can change settings in Live; p resumes the sweep", styleWarn)
	case session.Aborting:
		p.text(0, 0, "the sweep ends after the current trial", styleWarn)
	default:
		p.text(0, 0, "every trial is in the profile; s starts another sweep", styleDim)
	}
}

func (m *model) tableTitle() []span {
	out := []span{dim("a row per setting, ")}
	if !m.table.perSetting() {
		out = nil
	}
	out = append(out, dim(orderNames[m.table.order]+" · o sorts"))
	if m.table.filter != "" {
		return append([]span{{"/" + m.table.filter + " ", styleAccent}}, out...)
	}
	return append(out, dim(" · / filters"))
}

func (m *model) drawNoSweep(p pane) {
	in := p.box("Sweep")
	text := []string{
		"No sweep yet. s starts one. It measures settings of the plan in the background, each until its " +
			"verdict is certain, and finds those with the most throughput with " + promiseText(m.snap.SLA) + ".",
		"",
		"Only the sweep uses the engine while it runs; p pauses it to change settings. " +
			"Every trial is saved before the next one starts, so nothing is lost when you quit.",
	}
	if why := m.cannotSweep(); why != "" {
		text = append(text, "", "Not now: "+why+".")
	}
	var texts []span
	for _, s := range text {
		texts = append(texts, plain(s))
	}
	in.sub(2, 0, in.w-4, in.h).paragraphs(0, 1, texts...)
}

// drawBest draws the best row so far, and the explanation of the choice.
func (m *model) drawBest(p pane, class sizeClass) {
	s := m.snap.Sweep
	title := "Best so far"
	switch {
	case s.State.Ended() && mostPromising(s) == nil && m.undecided != nil:
		title = "Undecided"
	case s.State.Ended() && mostPromising(s) == nil:
		title = "No pass"
	case s.State.Ended() && validatedBest(s) == nil:
		title = "Most promising"
	case s.State.Ended():
		title = "Best"
	}
	in := p.box(title, dim("throughput at "+promiseText(s.Plan.SLA)))
	in = in.sub(1, 0, in.w-2, in.h)
	best := mostPromising(s)
	if best == nil {
		m.drawNoPass(in)
		return
	}
	head := warning(fmt.Sprintf("#%d not validated ", best.N))
	if validatedBest(s) != nil {
		head = span{fmt.Sprintf("★ #%d ", best.N), stylePass}
	}
	value := percentileOf(best, s.Plan.SLA)
	x := in.line(0, 0, head, bold(na(best.Throughput.Value)+"/s"),
		plain(fmt.Sprintf("  %s %s ms %s", percentileName(s.Plan.SLA), na(value), percentOfLimit(value, limitMS(s.Plan.SLA)))))
	if best.Disturbed() {
		x = in.line(x, 0, warning("  host busy"))
	}
	c := s.Choice
	if c != nil && c.Why.PlanRPS.OK() {
		in.line(x, 0, dim(fmt.Sprintf("  the highest load; plan for %s/s", na(c.Why.PlanRPS))))
	} else {
		in.line(x, 0, dim("  "+gainText(s, best)))
	}
	if next := m.nextStep(); next != nil {
		in.line(0, 1, next...)
		in = in.sub(0, 1, in.w, in.h-1)
	}
	if c != nil && c.Why.Text != "" {
		m.drawExplanation(in.sub(0, 1, in.w, in.h-1), best, c.Why, class)
		return
	}
	if !s.State.Ended() {
		m.drawTrend(in.sub(0, 1, in.w, 1))
	}
	if class != wide {
		return
	}
	in.text(0, 2, best.Settings.String(), styleText)
	if n := len(s.Skipped); n > 0 {
		in.text(0, 3, fmt.Sprintf("%d skipped, the first because %s", n, s.Skipped[0].Reason), styleDim)
	}
}

// drawExplanation draws the explanation of a choice, as much of it as fits. A profile
// of an older version has no lines but a text. Its first sentence is left out, because
// the line above says the same.
func (m *model) drawExplanation(p pane, best *trial.Trial, why trial.Explanation, class sizeClass) {
	y := 0
	if class == wide {
		p.text(0, 0, best.Settings.String(), styleText)
		y++
	}
	if why.Lines != nil {
		var texts []span
		for _, line := range why.Lines {
			texts = append(texts, dim(line.String()))
		}
		p.paragraphs(0, y, texts...)
		return
	}
	text := why.Text
	if _, rest, ok := strings.Cut(text, ". "); ok {
		text = rest
	}
	p.paragraph(0, y, text, styleDim)
}

// gainText compares the throughput of a row with that of the first trial's row; "~" if their intervals overlap.
func gainText(s *session.Sweep, t *trial.Trial) string {
	best, first := rowOf(s, t), rank.RowOf(s.Trials, 0)
	if slices.Equal(best.Runs, first.Runs) || first.Joined.Error != "" {
		return ""
	}
	change := throughputChange(first.Range, best.Range)
	if change == "" {
		return ""
	}
	return fmt.Sprintf("%s throughput compared with #%d", change, first.Joined.N)
}

// drawTrend draws the best throughput of a pass after each trial.
func (m *model) drawTrend(p pane) {
	var values []float64
	best := math.NaN()
	for i := range m.snap.Sweep.Trials {
		t := &m.snap.Sweep.Trials[i]
		if v, ok := t.Throughput.Value.Get(); ok && t.Verdict.Result == trial.Pass && !(v <= best) {
			best = v
		}
		values = append(values, best)
	}
	w := min(len(values), p.w-30)
	if w < 2 || math.IsNaN(best) {
		return
	}
	x := p.text(0, 0, "best by trial  ", styleDim)
	x = p.text(x, 0, chart.Sparkline(values, w, m.ASCII), styleData)
	p.text(x+1, 0, na(trial.NumOf(best)), styleText)
}

// drawDetail draws all values of the selected trial.
func (m *model) drawDetail(p pane) {
	t := m.selectedTrial()
	if t == nil {
		in := p.box("Trial")
		in.sub(1, 0, in.w-2, in.h).paragraph(0, 1, "The first trial is shown here when its verdict is certain.", styleDim)
		return
	}
	right := []span{verdictSpan(t)}
	if m.isBest(t) {
		right = append(right, span{" ★ best", stylePass})
	}
	in := p.box(fmt.Sprintf("Trial #%d", t.N), right...)
	in = in.sub(1, 0, in.w-2, in.h)
	y := in.paragraph(0, 0, t.Settings.String(), styleText)
	in.line(0, y, dim("load "), plain(t.Load.String()))
	l := t.Latency
	in.line(0, y+1, dim("P99 "), bold(na(l.P99.Value)+" ms"), dim(intervalText(l.P99.Low, l.P99.High)), dim("  model "), plain(na(t.Model.P99)))
	in.line(0, y+2, dim("P50 "), plain(na(l.P50.Value)), dim("  P95 "), plain(na(l.P95.Value)), dim("  max "), plain(na(l.Max)))
	in.line(0, y+3, bold(na(t.Throughput.Value)), plain("/s"), dim(intervalText(t.Throughput.Low, t.Throughput.High)),
		plain(fmt.Sprintf("  %s ok  %s", groupDigits(t.Counts.OK), plural(errorsOf(t.Counts), "error"))))
	x := in.line(0, y+4, dim("formed batch "), plain(t.Batches.Mean.Text(1)), dim(ofMaxBatch(t.Settings)))
	in.line(max(x+1, 22), y+4, trialBareText(t)...)
	if l := t.Lengths; l != nil {
		y++
		in.line(0, y+4, dim("split "), plain(shareText(l.Split)), dim(", "), plain(l.Runs.Text(1)), dim(" runs a batch  padding "), plain(shareText(l.Padding)))
	}
	in.line(0, y+5, dim("cpu "), plain(percentText(t.Use.CPUPercent)), dim("  gpu "), plain(percentText(t.Use.GPU.PercentMean)), dim("  rss "), plain(memoryText(t.Use)))
	if g := t.Use.GPU; g.PowerW.OK() || g.EnergyJ.OK() {
		y++
		in.line(0, y+5, dim("power "), plain(na(g.PowerW)+" W"), dim("  "), plain(rank.PerJoule(*t).Text(2)+" requests/J"))
	}
	y = m.drawBreakdown(in, y+7, t.Breakdown)
	in.paragraphs(0, y, m.detailNotes(t)...)
}

// detailNotes are the texts below the figures of a trial, with a blank line between their kinds.
func (m *model) detailNotes(t *trial.Trial) []span {
	var out []span
	add := func(s string, style styleID) {
		if s != "" {
			out = append(out, span{s, style})
		}
	}
	add(t.Error, styleFail)
	add(t.Verdict.Why, styleDim)
	for _, w := range t.Warnings {
		add(w.Text, styleWarn)
	}
	if t.Reason != "" {
		out = append(out, span{}, dim("Reason: "+t.Reason))
	}
	if c := m.snap.Sweep.Choice; c != nil && c.N == t.N {
		out = append(out, span{})
		for _, line := range explanationLines(c.Why) {
			out = append(out, plain(line))
		}
	}
	return out
}

// explanationLines is the explanation of a choice in lines. An older profile has only
// one text.
func explanationLines(w trial.Explanation) []string {
	if w.Lines == nil {
		return []string{w.Text}
	}
	var out []string
	for _, l := range w.Lines {
		out = append(out, l.String())
	}
	return out
}

// drawBreakdown draws the parts of the mean request latency as bars from row y, and
// returns the row after them.
func (m *model) drawBreakdown(p pane, y int, b trial.Breakdown) int {
	type part struct {
		name string
		v    trial.Num
	}
	parts := []part{{"decode", b.Decode}, {"queue", b.Queue}, {"formation", b.Formation}, {"execution", b.Execution}, {"encode", b.Encode}}
	if b.Queue.OK() && !b.Formation.OK() { // TorchServe: the queue time includes that in which the batch fills
		parts = parts[:0]
		parts = append(parts, part{"queue+fill", b.Queue}, part{"execution", b.Execution})
	}
	sum := 0.0
	for _, part := range parts {
		sum += part.v.Or(0)
	}
	if sum <= 0 {
		s := m.snap.Info
		switch {
		case s.MetricsWhy != "":
			return p.paragraph(0, y, "breakdown of the request latency: n/a: "+s.MetricsWhy, styleDim) + 1
		case s.Machine != "" && !s.Metrics.Breakdown:
			p.text(0, y, "breakdown of the request latency: n/a", styleDim)
			return y + 2
		}
		return y
	}
	p.text(0, y, "mean time of a request, ms", styleDim)
	for i, part := range parts {
		bar := chart.Gauge(part.v.Or(math.NaN())/sum*100, 16, m.ASCII)
		p.line(0, y+1+i, plain(fmt.Sprintf("%-10s", part.name)), span{bar, styleData}, plain(fmt.Sprintf(" %6s", na(part.v))))
	}
	if b.Handler.OK() {
		p.text(0, y+1+len(parts), fmt.Sprintf("%s of the execution in the handler", na(b.Handler)), styleDim)
		y++
	}
	return y + len(parts) + 2
}

// memoryText is the memory of a trial. It is an upper bound if the process had used
// more memory before the trial.
func memoryText(u trial.ResourceUse) string {
	if u.RSSIsBound && u.RSSMB.OK() {
		return "up to " + megabytes(u.RSSMB)
	}
	return megabytes(u.RSSMB)
}
