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
	seq                          int       // chart.Spec.Seq
	p99, throughput, utilization []float64 // NaN where nothing was measured
	limit                        float64   // of the SLA, in ms; 0 if the SLA is of another percentile
	gpu                          bool      // utilization is of the GPU, else of the engine's CPU
	first                        time.Time // the time of the first values
}

// series makes the series of the snapshot. They have a value for every second: one
// that is missing in the snapshot is a gap in the chart.
func (m *model) series() series {
	all := m.snap.Live.Seconds
	s := series{gpu: hasGPU(m.snap)}
	if m.snap.SLA.Percentile == 99 {
		s.limit = limitMS(m.snap.SLA)
	}
	if len(all) == 0 {
		return s
	}
	const maxSeconds = 3600
	s.first = all[0].At
	end := all[len(all)-1].At
	if age := m.snap.At.Sub(end); age >= 2*time.Second {
		end = m.snap.At.Add(-time.Second) // while the engine is down, snapshots get no new seconds
	}
	n := secondIndex(s.first, end) + 1
	if n > maxSeconds {
		s.first = s.first.Add(time.Duration(n-maxSeconds) * time.Second)
		n = maxSeconds
	}
	s.seq = max(int(end.Unix()), n)
	s.p99, s.throughput, s.utilization = nans(n), nans(n), nans(n)
	for i := range all {
		if at := secondIndex(s.first, all[i].At); at >= 0 && at < n {
			s.set(at, &all[i], m.snap.SLA.Latency)
		}
	}
	return s
}

// set stores the values of one second at an index.
func (s *series) set(at int, sec *session.Second, which trial.LatencyKind) {
	p99, utilization := sec.P99, sec.CPU
	if which == trial.ModelLatency {
		p99 = sec.ModelP99
	}
	if s.gpu {
		utilization = sec.GPU
	}
	s.p99[at] = p99.Or(math.NaN())
	s.utilization[at] = utilization.Or(math.NaN())
	s.throughput[at] = float64(sec.OK)
}

// nans returns n times NaN.
func nans(n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = math.NaN()
	}
	return out
}

// secondIndex is the number of seconds from first to at.
func secondIndex(first, at time.Time) int { return int(math.Round(at.Sub(first).Seconds())) }

func hasGPU(s *session.Snapshot) bool {
	g := s.Live.Use.GPU
	return g.PercentMean.OK() || g.Reason == "" && g.MemoryMB.OK()
}

// drawP99 draws the P99 chart with the SLA and the applied changes. While the engine is
// down, the reason is in its place.
func (m *model) drawP99(p pane, class sizeClass) {
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
	if t := m.lengthsText(); t != "" {
		defer p.bottomText(dim(t))
	}
	spec := chart.Spec{
		Width: in.w, Height: in.h, Foot: chart.MarkFoot, Values: s.p99, Seq: s.seq, Span: timeSpans[m.zoom],
		Top: m.axes.p99.Top, SLA: s.limit, SLALabel: "SLA " + plainMS(s.limit), Marks: m.marks(s), Right: "now",
	}
	if class == wide {
		spec.Foot = chart.TimeFoot
	}
	spec.Left = secondsAgo(spec.Shown())
	spec.Empty = m.emptyText()
	in.chart(spec)
}

// p99Title is P50 and P99 with the time and the number of answers that they cover.
func (m *model) p99Title() []span {
	l := m.snap.Live
	p99 := l.P99
	if m.snap.SLA.Latency == trial.ModelLatency {
		p99 = l.ModelP99
	}
	over := dim(fmt.Sprintf(" over %s, n %s", wholeSeconds(l.Window), groupDigits(l.Answers)))
	switch {
	case !m.snap.LoadOn:
		return []span{warning("held" + m.heldText())}
	case l.Transient:
		return []span{warning("just changed")}
	}
	return []span{dim("P50 " + formatNum(l.P50, "—") + " · "), bold(formatNum(p99, "—")), over}
}

// marks are the applied changes.
func (m *model) marks(s series) []chart.Mark {
	var out []chart.Mark
	for _, c := range m.snap.Changes {
		out = append(out, chart.Mark{At: secondIndex(s.first, c.At), Text: fmt.Sprintf("A%d", c.N)})
	}
	return out
}

// emptyText is why there is no P99 yet and what is needed for one.
func (m *model) emptyText() string {
	switch {
	case m.snap.Phase == session.Starting:
		return m.startingText()
	case !m.snap.LoadOn:
		return "the load is held: space resumes it"
	}
	return fmt.Sprintf("%d answers so far, a P99 needs 100", m.snap.Live.Answers)
}

// startingText is what the engine does while it starts, and the time since its start.
func (m *model) startingText() string {
	what := "starting the engine and loading the model"
	if n := len(m.snap.Messages); n > 0 {
		if last := m.snap.Messages[n-1]; last.Level == session.Note && !last.At.Before(m.phaseSince) {
			what = firstLine(last.Text)
		}
	}
	return what + ", " + tenths(m.now.Sub(m.phaseSince))
}

// drawDown draws why the engine is down, or why there is no connection to the server.
func (m *model) drawDown(p pane) {
	title, hint, help := "Engine down", "R restarts it", "R restarts the engine."
	if m.snap.Info.Machine != "" {
		title, hint, help = "No connection", "R connects again", "R connects to the server again."
	}
	in := p.box(title, span{hint, styleAccent})
	in = in.sub(1, 0, in.w-2, in.h)
	in.paragraph(0, 0, m.snap.Problem, styleFail)
	if in.h > 2 {
		in.sub(0, in.h-1, in.w, 1).text(0, 0, help+" ! shows all messages.", styleText)
	}
}

// shownSeconds is how many seconds the P99 chart shows. All charts of the Live view
// show the same time.
func (m *model) shownSeconds() int {
	w := liveLayoutOf(m.w, m.h).p99.w - 2
	return chart.Spec{Width: w, Height: 8, Span: timeSpans[m.zoom]}.Shown()
}

// drawThroughput draws the throughput chart. Its title has the number of recent errors.
func (m *model) drawThroughput(p pane) {
	l := m.snap.Live
	right := []span{dim("batch " + l.Batch.Text(1) + " · "), bold(na(l.RPS))}
	if n := recentErrors(l); n > 0 {
		right = slices.Insert(right, 1, span{plural(n, "error") + " · ", styleFail})
	}
	in := p.box("Throughput /s", right...)
	s := m.data
	in.chart(chart.Spec{
		Values: s.throughput, Seq: s.seq, Span: m.shownSeconds(), Join: chart.Mean, Top: m.axes.throughput.Top,
		Empty: "waiting for answers",
	})
}

// lengthsText is how the batches of requests of different lengths run, or "".
func (m *model) lengthsText() string {
	l := m.snap.Lengths
	if l == nil || m.snap.Phase != session.Serving {
		return ""
	}
	return "batches split " + shareText(l.Split) + ", padding " + shareText(l.Padding) + " of the work"
}

// recentErrors counts the errors in the window of the live values.
func recentErrors(l session.Live) int {
	n, from := 0, max(len(l.Seconds)-max(int(l.Window/time.Second), 1), 0)
	for _, s := range l.Seconds[from:] {
		n += s.Errors
	}
	return n
}

// drawUtilization draws the utilization of the GPU, or of the engine's CPU if there is
// no GPU; then the reason is at the bottom.
func (m *model) drawUtilization(p pane) {
	s, use := m.data, m.snap.Live.Use
	title, right := "GPU %", []span{bold(na(use.GPU.PercentMean))}
	top := 100.
	empty := "no value yet"
	switch {
	case !m.snap.Info.Metrics.Utilization && m.snap.Info.Model.Name != "":
		title, empty = "Utilization %", "n/a: the target reports none"
	case !s.gpu:
		title, right = "Engine CPU %", []span{bold(na(use.CPUPercent))}
		if m.snap.Info.Cores > 0 {
			top = 100 * float64(m.snap.Info.Cores)
		}
		if why := use.GPU.Reason; why != "" {
			title += ", no GPU"
			defer p.bottomText(dim(why))
		}
	}
	in := p.box(title, right...)
	in.chart(chart.Spec{
		Values: s.utilization, Seq: s.seq, Span: m.shownSeconds(), Join: chart.Mean, Top: max(top, m.axes.utilization.Top),
		Empty: empty,
	})
}

// drawLoad draws the load and the counts of its requests by outcome.
func (m *model) drawLoad(p pane) {
	l := m.currentLoad()
	kind := "closed"
	if l.Mode != load.Closed {
		kind = l.Mode.String()
	}
	state := span{"running", styleText}
	if !m.snap.LoadOn {
		state = warning("held")
	}
	hint := "  [ ] change"
	if m.currentTrial() != nil {
		state, hint = span{"of the sweep", styleAccent}, ""
	}
	in := p.box("Load, "+kind, state)
	in.line(1, 0, plain(m.loadText()), dim(hint))
	t := m.snap.Live.Totals
	for i, row := range counters(t) {
		style := styleText
		if row.isError && row.n > 0 {
			style = styleFail
		}
		in.text(1, 1+i, fmt.Sprintf("%-8s%13s", row.name, groupDigits(row.n)), style)
	}
	if t.Sent > 0 {
		in.alignRight(22, 2, plain(fmt.Sprintf("%.2f%%", 100*float64(t.OK)/float64(t.Sent))), plain(" "))
	}
	in.line(1, in.h-1, dim("formed batch "), plain(m.snap.Live.Batch.Text(1)), dim(ofMaxBatch(m.inForce())))
}

type counter struct {
	name    string
	n       int
	isError bool
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

// totals is the most important counters in one line.
func (m *model) totals() []span {
	var out []span
	for _, c := range counters(m.snap.Live.Totals)[:5] {
		style := styleText
		if c.isError && c.n > 0 {
			style = styleFail
		}
		if len(out) > 0 {
			out = append(out, dim(" · "))
		}
		out = append(out, dim(c.name+" "), span{groupDigits(c.n), style})
	}
	return out
}

// drawResources draws the use of CPU, memory and GPU.
func (m *model) drawResources(p pane) {
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
	if reported := m.snap.Info.Metrics; !reported.Utilization && !reported.Memory && m.snap.Info.Model.Name != "" {
		in.text(1, 0, "cpu  n/a", styleText)
		in.text(1, 1, "rss  n/a", styleText)
		in.sub(1, 0, in.w-2, in.h).paragraph(0, 2, m.notReportedText(), styleDim)
		return
	}
	cores := max(m.snap.Info.Cores, 1)
	row := func(y int, name string, percent trial.Num, text string) {
		x := in.line(1, y, plain(fmt.Sprintf("%-5s", name)), span{chart.Gauge(percent.Or(math.NaN()), 14, m.ASCII), styleData})
		in.text(x+1, y, text, styleText)
	}
	cpu := u.CPUPercent
	if v, ok := cpu.Get(); ok {
		cpu = trial.NumOf(v / float64(cores))
	}
	row(0, "cpu", cpu, fmt.Sprintf("%s%% of %d", na(u.CPUPercent), 100*cores))
	m.drawHost(in.sub(1, in.h-1, in.w-2, 1))
	if !hasGPU(m.snap) {
		in.line(1, 1, plain("rss  "+megabytes(u.RSSMB)))
		in.sub(1, 0, in.w-2, in.h).paragraph(0, 2, noGPUText(g), styleDim)
		return
	}
	row(1, "gpu", g.PercentMean, percentText(g.PercentMean))
	in.line(1, 2, plain("mem  "+megabytes(g.MemoryMB)), dim("  rss "+megabytes(u.RSSMB)))
	in.line(1, 3, plain("power "+na(g.PowerW)+" W"), dim("  SM "+na(g.SMMHz)+" MHz"))
	if g.Throttled != nil && *g.Throttled {
		in.text(1, 4, "! throttled", styleWarn)
	}
}

// drawHost draws the row of the machine: its cores, the use by others, and the load average.
func (m *model) drawHost(p pane) {
	h := m.snap.Live.Host
	if !h.Others.OK() {
		return
	}
	style := styleText
	if h.Busy() {
		style = styleWarn
	}
	p.line(0, 0, plain("host "), span{"others " + hostUse(h), style}, dim(fmt.Sprintf(" of %d, load %s", h.Cores, h.Load.Text(1))))
}

// notReportedText is why there are no values of CPU and memory.
func (m *model) notReportedText() string {
	if server := m.snap.Info.Machine; server != "" {
		return server + " does not report its use of CPU and memory"
	}
	return "the target does not report its use of CPU and memory"
}

func noGPUText(g trial.GPUUse) string {
	if g.Reason == "" {
		return "no GPU values"
	}
	return "no GPU: " + g.Reason
}
