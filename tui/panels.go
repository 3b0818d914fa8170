package tui

import (
	"fmt"
	"math"
	"slices"
	"time"

	"sweetspot/sweep/load"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
	"sweetspot/tui/chart"
)

// series is the live traffic second by second, ready for the charts.
type series struct {
	seq            int // of the newest second, as charts number them
	p99, rps, busy []float64
	limit          float64 // the SLA, 0 where the chart shows another figure
	gpu            bool    // busy is the GPU's, else the engine's CPU
	first          time.Time
}

// series lays the seconds on a grid without holes: a second that is missing is
// a gap in the picture.
func (m *model) series() series {
	all := m.snap.Live.Seconds
	s := series{gpu: hasGPU(m.snap)}
	if m.snap.SLA.Percentile == 99 {
		s.limit = limitMS(m.snap.SLA)
	}
	if len(all) == 0 {
		return s
	}
	const most = 3600
	s.first = all[0].At
	end := all[len(all)-1].At
	if quiet := m.snap.At.Sub(end); quiet >= 2*time.Second {
		end = m.snap.At.Add(-time.Second) // no seconds come while the engine is down
	}
	n := index(s.first, end) + 1
	if n > most {
		s.first = s.first.Add(time.Duration(n-most) * time.Second)
		n = most
	}
	s.seq = max(int(end.Unix()), n)
	s.p99, s.rps, s.busy = gaps(n), gaps(n), gaps(n)
	for i := range all {
		if at := index(s.first, all[i].At); at >= 0 && at < n {
			s.set(at, &all[i], m.snap.SLA.Latency)
		}
	}
	return s
}

func (s *series) set(at int, sec *session.Second, which trial.LatencyKind) {
	p99, busy := sec.P99, sec.CPU
	if which == trial.ModelLatency {
		p99 = sec.ModelP99
	}
	if s.gpu {
		busy = sec.GPU
	}
	s.p99[at] = p99.Or(math.NaN())
	s.busy[at] = busy.Or(math.NaN())
	s.rps[at] = float64(sec.OK)
}

func gaps(n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = math.NaN()
	}
	return out
}

// index is the second in which at lies, counted from first.
func index(first, at time.Time) int { return int(math.Round(at.Sub(first).Seconds())) }

func hasGPU(s *session.Snapshot) bool {
	g := s.Live.Use.GPU
	return g.PercentMean.OK() || g.Reason == "" && g.MemoryMB.OK()
}

// drawP99 is the P99 chart with the SLA on its row and the applied changes.
func (m *model) drawP99(p pane, room size) {
	s := m.data
	title := "P99 ms"
	if m.snap.SLA.Latency == trial.ModelLatency {
		title = "P99 of the model ms"
	}
	if m.snap.Phase == session.Down {
		m.drawDown(p)
		return
	}
	in := p.box(title, m.p99Title()...)
	spec := chart.Spec{
		Width: in.w, Height: in.h, Foot: chart.MarkFoot, Values: s.p99, Seq: s.seq, Span: timeSpans[m.zoom],
		Top: m.axes.p99.Top, SLA: s.limit, SLALabel: "SLA " + plainMS(s.limit), Marks: m.marks(s), Right: "now",
	}
	if room == wide {
		spec.Foot = chart.TimeFoot
	}
	spec.Left = ago(spec.Shown())
	spec.Empty = m.emptyText()
	in.chart(spec)
}

// p99Title says what the number is taken over.
func (m *model) p99Title() []span {
	l := m.snap.Live
	p99 := l.P99
	if m.snap.SLA.Latency == trial.ModelLatency {
		p99 = l.ModelP99
	}
	over := dim(fmt.Sprintf(" over %s, n %s", clock(l.Window), group(l.Answers)))
	if l.Settling && p99.OK() {
		return []span{warning("settling "), bold(na(p99)), over}
	}
	return []span{dim("P50 " + figure(l.P50, "—") + " · "), bold(figure(p99, "—")), over}
}

func (m *model) marks(s series) []chart.Mark {
	var out []chart.Mark
	for _, c := range m.snap.Changes {
		out = append(out, chart.Mark{At: index(s.first, c.At), Text: fmt.Sprintf("A%d", c.N)})
	}
	return out
}

// emptyText says why there is no number yet and what brings one.
func (m *model) emptyText() string {
	switch {
	case m.snap.Phase == session.Starting:
		return m.startingText()
	case !m.snap.LoadOn:
		return "the load is held: space lets it flow"
	}
	return fmt.Sprintf("%d answers so far, a P99 takes 100", m.snap.Live.Answers)
}

// startingText is what is being done and for how long.
func (m *model) startingText() string {
	what := "starting the engine and loading the model"
	if n := len(m.snap.Messages); n > 0 {
		if last := m.snap.Messages[n-1]; last.Level == session.Note && !last.At.Before(m.since) {
			what = firstLine(last.Text)
		}
	}
	return what + ", " + seconds(m.now.Sub(m.since))
}

func (m *model) drawDown(p pane) {
	in := p.box("Engine down", span{"R restarts it", inkAccent})
	in = in.sub(1, 0, in.w-2, in.h)
	in.lines(0, 0, m.snap.Problem, inkFail)
	if in.h > 2 {
		in.sub(0, in.h-1, in.w, 1).text(0, 0, "R starts it again. ! shows all messages.", inkText)
	}
}

// shown is how many seconds the P99 chart shows: the charts share one time axis.
func (m *model) shown() int {
	w := liveOf(m.w, m.h).p99.w - 2
	return chart.Spec{Width: w, Height: 8, Span: timeSpans[m.zoom]}.Shown()
}

// drawRate is the throughput chart. Errors make its title say so.
func (m *model) drawRate(p pane) {
	l := m.snap.Live
	right := []span{dim("batch " + l.Batch.Text(1) + " · "), bold(na(l.RPS))}
	if n := recentErrors(l); n > 0 {
		right = slices.Insert(right, 1, span{plural(n, "error") + " · ", inkFail})
	}
	in := p.box("Throughput /s", right...)
	s := m.data
	in.chart(chart.Spec{
		Values: s.rps, Seq: s.seq, Span: m.shown(), Join: chart.Mean, Top: m.axes.rps.Top,
		Empty: "waiting for answers",
	})
}

// recentErrors are those of the seconds the live figures are taken over.
func recentErrors(l session.Live) int {
	n, from := 0, max(len(l.Seconds)-max(int(l.Window/time.Second), 1), 0)
	for _, s := range l.Seconds[from:] {
		n += s.Errors
	}
	return n
}

// drawBusy is the utilization chart: the GPU's, or without one the engine's CPU,
// and the title says which and why.
func (m *model) drawBusy(p pane) {
	s, use := m.data, m.snap.Live.Use
	title, right := "GPU %", []span{bold(na(use.GPU.PercentMean))}
	top := 100.
	empty := "no figure yet"
	switch {
	case !m.snap.Info.Metrics.Utilization && m.snap.Info.Model.Name != "":
		title, empty = "Utilization %", "n/a: the target does not tell its utilization"
	case !s.gpu:
		title, right = "Engine CPU %", []span{bold(na(use.CPUPercent))}
		if m.snap.Info.Cores > 0 {
			top = 100 * float64(m.snap.Info.Cores)
		}
		if why := use.GPU.Reason; why != "" {
			title += ", no GPU"
			defer p.under(dim(why))
		}
	}
	in := p.box(title, right...)
	in.chart(chart.Spec{
		Values: s.busy, Seq: s.seq, Span: m.shown(), Join: chart.Mean, Top: max(top, m.axes.busy.Top),
		Empty: empty,
	})
}

// drawLoad is the load and what became of its requests.
func (m *model) drawLoad(p pane) {
	l := m.loadNow()
	kind := "closed"
	if l.Mode != load.Closed {
		kind = l.Mode.String()
	}
	state := span{"flowing", inkText}
	if !m.snap.LoadOn {
		state = warning("held")
	}
	hint := "  [ ] change"
	if m.trialAtHand() != nil {
		state, hint = span{"the sweep's", inkAccent}, ""
	}
	in := p.box("Load, "+kind, state)
	in.line(1, 0, plain(m.loadText()), dim(hint))
	t := m.snap.Live.Totals
	for i, row := range counters(t) {
		style := inkText
		if row.bad && row.n > 0 {
			style = inkFail
		}
		in.text(1, 1+i, fmt.Sprintf("%-8s%13s", row.name, group(row.n)), style)
	}
	if t.Sent > 0 {
		in.right(22, 2, plain(fmt.Sprintf("%.2f%%", 100*float64(t.OK)/float64(t.Sent))), plain(" "))
	}
	in.line(1, in.h-1, dim("formed batch "), plain(m.snap.Live.Batch.Text(1)), dim(ofBatch(m.inForce())))
}

type counter struct {
	name string
	n    int
	bad  bool
}

func counters(t trial.Counts) []counter {
	return []counter{
		{"sent", t.Sent, false},
		{"ok", t.OK, false},
		{"refused", t.Refused, true},
		{"failed", t.Failed, true},
		{"timeout", t.Timeout, true},
		{"late", t.Late, false},
	}
}

// totals are the counters in one line.
func (m *model) totals() []span {
	var out []span
	for _, c := range counters(m.snap.Live.Totals)[:5] {
		style := inkText
		if c.bad && c.n > 0 {
			style = inkFail
		}
		if len(out) > 0 {
			out = append(out, dim(" · "))
		}
		out = append(out, dim(c.name+" "), span{group(c.n), style})
	}
	return out
}

// drawUse is what the engine takes: processor, memory, and the GPU if there is
// one.
func (m *model) drawUse(p pane) {
	u := m.snap.Live.Use
	g := u.GPU
	title := "Engine"
	switch {
	case m.snap.Info.Machine != "":
		title = "Server"
	case hasGPU(m.snap):
		title = "Engine and GPU"
	}
	in := p.box(title, dim(m.snap.Info.Runtime))
	m.drawBare(p)
	if told := m.snap.Info.Metrics; !told.Utilization && !told.Memory && m.snap.Info.Model.Name != "" {
		in.text(1, 0, "cpu  n/a", inkText)
		in.text(1, 1, "rss  n/a", inkText)
		in.sub(1, 0, in.w-2, in.h).lines(0, 2, m.untoldText(), inkDim)
		return
	}
	cores := max(m.snap.Info.Cores, 1)
	row := func(y int, name string, full trial.Num, text string) {
		x := in.line(1, y, plain(fmt.Sprintf("%-5s", name)), span{chart.Gauge(full.Or(math.NaN()), 14, m.ASCII), inkData})
		in.text(x+1, y, text, inkText)
	}
	cpu := u.CPUPercent
	if v, ok := cpu.Get(); ok {
		cpu = trial.NumOf(v / float64(cores))
	}
	row(0, "cpu", cpu, fmt.Sprintf("%s%% of %d", na(u.CPUPercent), 100*cores))
	if !hasGPU(m.snap) {
		in.line(1, 1, plain("rss  "+na(u.RSSMB)+" MB"))
		in.sub(1, 0, in.w-2, in.h).lines(0, 2, noGPU(g), inkDim)
		return
	}
	row(1, "gpu", g.PercentMean, percent(g.PercentMean))
	in.line(1, 2, plain("mem  "+na(g.MemoryMB)+" MB"), dim("  rss "+na(u.RSSMB)+" MB"))
	in.line(1, 3, plain("power "+na(g.PowerW)+" W"), dim("  SM "+na(g.SMMHz)+" MHz"))
	if g.Throttled != nil && *g.Throttled {
		in.text(1, 4, "! throttled", inkWarn)
	}
}

// untoldText says whose figures there are none of.
func (m *model) untoldText() string {
	if where := m.snap.Info.Machine; where != "" {
		return where + " does not tell what it takes of its machine"
	}
	return "the target does not tell what it takes of the machine"
}

func noGPU(g trial.GPUUse) string {
	if g.Reason == "" {
		return "no GPU figures"
	}
	return "no GPU: " + g.Reason
}
