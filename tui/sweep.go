package tui

import (
	"fmt"
	"math"
	"strings"

	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
	"sweetspot/tui/chart"
)

// drawSweep is the Sweep view in the wide and compact sizes.
func (m *model) drawSweep(p pane, room size) {
	f := frameOf(m.w, m.h)
	p.at(f.verdict).line(1, 0, m.sweepLine()...)
	s := m.snap.Sweep
	if s == nil {
		m.drawNoSweep(p.at(f.body))
		return
	}
	l := sweepOf(m.w, m.h)
	if room == wide {
		in := p.at(l.progress).box("Progress", dim(timing(s)))
		m.drawProgress(in.sub(1, 0, in.w-2, in.h))
		in.sub(1, 2, in.w-2, 1).line(0, 0, tally(s)...)
		m.drawOwner(in.sub(1, 3, in.w-2, 1))
		m.drawDetail(p.at(l.detail))
	} else {
		m.drawProgress(p.at(l.progress).sub(1, 0, m.w-2, 2))
	}
	box := p.at(l.trials)
	in := box.box("Trials", m.tableTitle()...)
	if below := m.drawTable(in); below > 0 {
		box.under(dim(fmt.Sprintf("%d more ↓", below)))
	}
	m.drawBest(p.at(l.best), room)
}

// sweepLine is the verdict line of this view: what is asked and how far it is.
func (m *model) sweepLine() []span {
	s := m.snap.Sweep
	question := dim("most throughput with " + promise(m.snap.SLA))
	if s == nil {
		return []span{plain("no sweep yet  "), question}
	}
	style := inkAccent
	if s.State == session.Failed {
		style = inkFail
	}
	out := []span{plain("sweep "), {s.State.String(), style}}
	if sizeOf(m.w, m.h) != wide {
		return append(append(out, plain("  "+timing(s)+"  ")), tally(s)...)
	}
	if s.ID != "" {
		out = append(out, dim("  "+s.ID))
	}
	objective := strings.ReplaceAll(s.Plan.Objective.String(), "_", " ")
	return append(out, dim("  best "+objective+" with "+promise(s.Plan.SLA)))
}

// timing is elapsed and left.
func timing(s *session.Sweep) string {
	out := "elapsed " + clock(s.Elapsed)
	if !s.State.Ended() && s.ETA > 0 {
		out += "  ETA " + clock(s.ETA)
	}
	return out
}

// drawProgress is two rows: the bar, and the trial at hand or how it ended.
func (m *model) drawProgress(p pane) {
	s := m.snap.Sweep
	if m.Follow {
		p.text(0, 0, m.followText(s), inkText)
	} else {
		text := fmt.Sprintf(" %d/%d %3.0f%% ", len(s.Trials), max(s.Total, len(s.Trials)), progress(s))
		end := p.right(0, 0, plain(text))
		p.text(0, 0, chart.Gauge(progress(s), end, m.ASCII), inkData)
	}
	low := p.sub(0, 1, p.w, 1)
	c := s.Current
	switch {
	case s.Problem != "":
		low.line(0, 0, span{"! " + firstLine(s.Problem), inkFail})
	case c == nil:
		low.text(0, 0, "profile "+s.Path, inkDim)
	case c.Point.Role == trial.RoleProbe:
		x := low.line(0, 0, span{fmt.Sprintf("probe %d ", c.N), inkAccent}, plain(c.Point.Reason))
		low.text(x, 0, fmt.Sprintf("  for the predictions of %s", plural(s.Points, "point")), inkDim)
	default:
		x := low.line(0, 0, span{fmt.Sprintf("#%d ", c.N), inkAccent}, plain(settingsText(c.Point.Settings)),
			dim(fmt.Sprintf("  %s %s", c.Stage, c.Elapsed.Round(1e8))))
		low.line(x, 0, plain(fmt.Sprintf("  %s answers  %s/s  P99 %s ms", group(c.Answers), na(c.RPS), figure(c.P99MS, "—"))))
	}
}

// tally counts the verdicts so far.
func tally(s *session.Sweep) []span {
	var n [3]int
	broken := 0
	for i := range s.Trials {
		if s.Trials[i].Error != "" {
			broken++
			continue
		}
		n[s.Trials[i].Verdict.Result]++
	}
	out := []span{
		{fmt.Sprintf("pass %d", n[trial.Pass]), inkPass},
		{fmt.Sprintf("  FAIL %d", n[trial.Fail]), inkFail},
		warning(fmt.Sprintf("  ? %d", n[trial.Undecided])),
		dim(fmt.Sprintf("  skipped %d", len(s.Skipped))),
	}
	if broken > 0 {
		out = append(out, span{fmt.Sprintf("  error %d", broken), inkFail})
	}
	return out
}

// drawOwner says whose the engine is.
func (m *model) drawOwner(p pane) {
	s := m.snap.Sweep
	if m.Follow {
		p.text(0, 0, followOwner(s), inkDim)
		return
	}
	switch s.State {
	case session.Running:
		p.text(0, 0, "the sweep owns the engine: Live follows read-only; p pauses the sweep and hands the knobs back", inkDim)
	case session.Pausing:
		p.text(0, 0, "it pauses after the trial at hand", inkWarn)
	case session.Paused:
		p.text(0, 0, "the knobs are yours; p takes the engine again and goes on", inkWarn)
	case session.Aborting:
		p.text(0, 0, "it ends after the trial at hand", inkWarn)
	default:
		p.text(0, 0, "every trial is in the profile; s starts another sweep", inkDim)
	}
}

func (m *model) tableTitle() []span {
	if m.inOrder {
		return []span{dim("every trial, as tried · o joins them")}
	}
	return []span{dim("a row a setting, by rank · o shows every trial")}
}

func (m *model) drawNoSweep(p pane) {
	in := p.box("Sweep")
	text := []string{
		"No sweep yet. s starts one: it tries the plan's settings in the background, each until its " +
			"verdict is certain, and finds the most throughput with " + promise(m.snap.SLA) + ".",
		"",
		"It owns the engine while it runs; p pauses it and hands the knobs back. " +
			"Every trial is on disk before the next one starts, so quitting loses nothing.",
	}
	if why := m.whySweep(); why != "" {
		text = append(text, "", "Not now: "+why+".")
	}
	y := 1
	for _, s := range text {
		y = in.sub(2, 0, in.w-4, in.h).lines(0, y, s, inkText)
	}
}

// drawBest is the answer so far.
func (m *model) drawBest(p pane, room size) {
	s := m.snap.Sweep
	title := "Best so far"
	switch {
	case s.State.Ended() && bestOf(s) == nil && leadOf(s) != nil:
		title = "Most promising"
	case s.State.Ended():
		title = "Best"
	}
	in := p.box(title, dim("throughput at "+promise(s.Plan.SLA)))
	in = in.sub(1, 0, in.w-2, in.h)
	best := leadOf(s)
	if best == nil {
		in.text(0, 0, "no setting is known to meet the promise yet", inkWarn)
		m.drawTrend(in.sub(0, 1, in.w, 1))
		return
	}
	head := warning(fmt.Sprintf("#%d not validated ", best.N))
	if bestOf(s) != nil {
		head = span{fmt.Sprintf("★ #%d ", best.N), inkPass}
	}
	x := in.line(0, 0, head, bold(na(best.Throughput.Value)+"/s"), plain(fmt.Sprintf("  P99 %s ms %s", na(best.Latency.P99.Value), share(best.Latency.P99.Value, limitMS(s.Plan.SLA)))))
	c := s.Choice
	if c != nil && c.Why.PlanRPS.OK() {
		in.line(x, 0, dim(fmt.Sprintf("  the highest load; plan for %s/s", na(c.Why.PlanRPS))))
	} else {
		in.line(x, 0, dim("  "+against(best, &s.Trials[0])))
	}
	if c != nil && c.Why.Text != "" {
		m.drawWhy(in.sub(0, 1, in.w, in.h-1), best, c.Why, room)
		return
	}
	m.drawTrend(in.sub(0, 1, in.w, 1))
	if room != wide {
		return
	}
	in.text(0, 2, best.Settings.String(), inkText)
	if n := len(s.Skipped); n > 0 {
		in.text(0, 3, fmt.Sprintf("%d skipped, the first because %s", n, s.Skipped[0].Reason), inkDim)
	}
}

// drawWhy is the explanation, as much as there is room for: its lines, or of an
// older profile its text without the first sentence, as the line above says the same.
func (m *model) drawWhy(p pane, best *trial.Trial, why trial.Why, room size) {
	y := 0
	if room == wide {
		p.text(0, 0, best.Settings.String(), inkText)
		y++
	}
	if why.Lines != nil {
		for _, line := range why.Lines {
			y = p.lines(0, y, line.String(), inkDim)
		}
		return
	}
	text := why.Text
	if _, rest, more := strings.Cut(text, ". "); more {
		text = rest
	}
	p.lines(0, y, text, inkDim)
}

// against compares with the first trial, which the sweep began with.
func against(t, first *trial.Trial) string {
	a, okA := first.Throughput.Value.Get()
	b, okB := t.Throughput.Value.Get()
	if t.N == first.N || !okA || !okB || a <= 0 {
		return ""
	}
	return fmt.Sprintf("%+.0f%% throughput against #%d", (b/a-1)*100, first.N)
}

// drawTrend is the best passing throughput after each trial.
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
	x := p.text(0, 0, "best by trial  ", inkDim)
	x = p.text(x, 0, chart.Sparkline(values, w, m.ASCII), inkData)
	p.text(x+1, 0, na(trial.Of(best)), inkText)
}

// drawDetail is all about the selected trial.
func (m *model) drawDetail(p pane) {
	t := m.picked()
	if t == nil {
		in := p.box("Trial")
		in.sub(1, 0, in.w-2, in.h).lines(0, 1, "The first trial is shown here when its verdict is certain.", inkDim)
		return
	}
	right := []span{trialWord(t)}
	if m.starred(t) {
		right = append(right, span{" ★ best", inkPass})
	}
	in := p.box(fmt.Sprintf("Trial #%d", t.N), right...)
	in = in.sub(1, 0, in.w-2, in.h)
	y := in.lines(0, 0, t.Settings.String(), inkText)
	in.line(0, y, dim("load "), plain(t.Load.String()))
	l := t.Latency
	in.line(0, y+1, dim("P99 "), bold(na(l.P99.Value)+" ms"), dim(interval(l.P99.Low, l.P99.High)), dim("  model's "), plain(na(t.Model.P99)))
	in.line(0, y+2, dim("P50 "), plain(na(l.P50.Value)), dim("  P95 "), plain(na(l.P95.Value)), dim("  max "), plain(na(l.Max)))
	in.line(0, y+3, bold(na(t.Throughput.Value)), plain("/s"), dim(interval(t.Throughput.Low, t.Throughput.High)),
		plain(fmt.Sprintf("  %s ok  %s", group(t.Counts.OK), plural(errorsOf(t.Counts), "error"))))
	in.line(0, y+4, dim("formed batch "), plain(t.Batches.Mean.Text(1)), dim(ofBatch(t.Settings)))
	in.line(22, y+4, bareOf(t)...)
	if l := t.Lengths; l != nil {
		y++
		in.line(0, y+4, dim("split "), plain(shareText(l.Split)), dim(" of batches, "), plain(l.Runs.Text(1)), dim(" runs each; padding "), plain(shareText(l.Padding)))
	}
	in.line(0, y+5, dim("cpu "), plain(percent(t.Use.CPUPercent)), dim("  gpu "), plain(percent(t.Use.GPU.PercentMean)), dim("  rss "), plain(memoryOf(t.Use)))
	y = m.drawBreakdown(in, y+7, t.Breakdown)
	notes := []string{t.Error, t.Verdict.Why}
	for _, w := range t.Warnings {
		notes = append(notes, w.Text)
	}
	for i, s := range notes {
		if s == "" {
			continue
		}
		style := [...]ink{inkFail, inkDim, inkWarn}[min(i, 2)]
		y = in.lines(0, y, s, style)
	}
	if t.Reason != "" {
		y = in.lines(0, y+1, "Tried because: "+t.Reason, inkDim)
	}
	if c := m.snap.Sweep.Choice; c != nil && c.N == t.N {
		y++
		for _, line := range explained(c.Why) {
			y = in.lines(0, y, line, inkText)
		}
	}
}

// explained is an explanation in lines; of an older profile it is one.
func explained(w trial.Why) []string {
	if w.Lines == nil {
		return []string{w.Text}
	}
	var out []string
	for _, l := range w.Lines {
		out = append(out, l.String())
	}
	return out
}

// drawBreakdown is where a request's time went, as bars.
func (m *model) drawBreakdown(p pane, y int, b trial.Breakdown) int {
	parts := []struct {
		name string
		v    trial.Num
	}{{"decode", b.Decode}, {"queue", b.Queue}, {"formation", b.Formation}, {"execution", b.Execution}, {"encode", b.Encode}}
	sum := 0.0
	for _, x := range parts {
		sum += x.v.Or(0)
	}
	if sum <= 0 {
		if s := m.snap.Info; s.Machine != "" && !s.Tells.Breakdown {
			p.text(0, y, "where a request's time goes: n/a", inkDim)
			return y + 2
		}
		return y
	}
	p.text(0, y, "mean time of a request, ms", inkDim)
	for i, x := range parts {
		bar := chart.Gauge(x.v.Or(math.NaN())/sum*100, 16, m.ASCII)
		p.line(0, y+1+i, plain(fmt.Sprintf("%-10s", x.name)), span{bar, inkData}, plain(fmt.Sprintf(" %6s", na(x.v))))
	}
	return y + len(parts) + 2
}

// memoryOf is a trial's memory; "up to" where the engine had held more before.
func memoryOf(u trial.Use) string {
	if u.RSSUpTo {
		return "up to " + na(u.RSSMB) + " MB"
	}
	return na(u.RSSMB) + " MB"
}
