package tui

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	tea "charm.land/bubbletea/v2"

	"sweetspot/sweep"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
	"sweetspot/tui/chart"
)

// series is the live traffic second by second, ready for the charts.
type series struct {
	seq                          int           // chart.Spec.Seq
	p99, throughput, utilization []float64     // NaN where nothing was measured
	before                       *before       // values before the last change
	latencies                    [][]chart.Bin // of each second
	limit                        float64       // of the SLA, in ms; 0 if the SLA is of another percentile
	gpu                          bool          // utilization is of the GPU, else of the engine's CPU
	first                        time.Time     // the end of the first second
	marks                        []chart.Mark  // oldest first
}

// before has the values of the seconds before the last change, at the indices of the
// seconds after it.
type before struct{ p99, throughput []float64 }

// maxSeconds limits the series if the clock of the snapshots jumps.
const maxSeconds = 3600

// series makes the series of the snapshot. They have a value for every second: one
// that is missing in the snapshot is a gap in the charts.
func (m *model) series() series {
	all := m.snap.Live.Seconds
	s := series{gpu: hasGPU(m.snap)}
	if m.snap.SLA.Percentile == 99 {
		s.limit = limitMS(m.snap.SLA)
	}
	if len(all) == 0 {
		return s
	}
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
	s.latencies = make([][]chart.Bin, n)
	for i := range all {
		if at := secondIndex(s.first, all[i].At); at >= 0 && at < n {
			s.set(at, &all[i], m.snap.SLA.Latency)
			if m.latencyView != latencyLine {
				s.latencies[at] = chartBins(all[i].Latencies)
			}
		}
	}
	s.marks = m.marks(s.first, n)
	s.before = m.before(&s)
	return s
}

// set stores the values of one second at an index. A second without an answer or a
// timeout has no latency, although the window of its percentiles may have some.
func (s *series) set(at int, sec *session.Second, which trial.LatencyKind) {
	p99, utilization := sec.P99, sec.CPU
	if which == trial.ModelLatency {
		p99 = sec.ModelP99
	}
	if s.gpu {
		utilization = sec.GPU
	}
	if sec.OK > 0 || len(sec.Latencies) > 0 {
		s.p99[at] = p99.Or(math.NaN())
	}
	s.utilization[at] = utilization.Or(math.NaN())
	s.throughput[at] = float64(sec.OK)
}

func chartBins(bins []session.LatencyBin) []chart.Bin {
	out := make([]chart.Bin, len(bins))
	for i, b := range bins {
		out[i] = chart.Bin{Low: b.LowMS, High: b.HighMS, N: b.N}
	}
	return out
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

// before makes the values before the last change of settings. They begin after the
// mark before that change and end at the next mark, so that they are of one state.
func (m *model) before(s *series) *before {
	changes := m.snap.Changes
	if len(changes) == 0 {
		return nil
	}
	const longest = 60 // seconds
	at := markIndex(s.first, changes[len(changes)-1].At)
	from, end := 0, len(s.p99)
	for _, k := range s.marks {
		if k.At < at {
			from = k.At + 1
		}
		if k.At > at {
			end = min(end, k.At)
		}
	}
	from = max(from, at-longest)
	if at >= len(s.p99) || at-from < 2 {
		return nil
	}
	b := &before{nans(len(s.p99)), nans(len(s.p99))}
	for i := from; i < at && at+1+i-from < end; i++ {
		b.p99[at+1+i-from], b.throughput[at+1+i-from] = s.p99[i], s.throughput[i]
	}
	return b
}

// latencyView is what the panel of latencies shows.
type latencyView uint8

const (
	latencyLine latencyView = iota // P99 over time
	latencyStrip
	latencyHistogram
	latencyViews
)

// nextLatencyView switches the panel of latencies.
func (m *model) nextLatencyView() tea.Cmd {
	m.latencyView = (m.latencyView + 1) % latencyViews
	m.data = m.series()
	return nil
}

// shownLatencies are the bins of the seconds after the last change, at most 30, and
// their number.
func (m *model) recentLatencies() (bins []chart.Bin, seconds int) {
	all := m.data.latencies
	from := max(len(all)-30, 0)
	if n := len(m.data.marks); n > 0 {
		from = max(from, m.data.marks[n-1].At+1)
	}
	from = min(from, len(all))
	return slices.Concat(all[from:]...), len(all) - from
}

// drawP99 draws the latencies with the SLA. While the engine is down, the reason is
// in their place.
func (m *model) drawP99(p pane, class sizeClass) {
	if m.snap.Phase == session.Down {
		m.drawDown(p)
		return
	}
	of := ""
	if m.snap.SLA.Latency == trial.ModelLatency {
		of = " of the model"
	}
	if t := m.lengthsText(); t != "" {
		defer p.bottomText(dim(t))
	}
	foot := chart.MarkFoot
	if class == wide {
		foot = chart.TimeFoot
	}
	s := m.data
	label := "SLA " + plainMS(s.limit)
	switch m.latencyView {
	case latencyStrip:
		in := p.box("Latency"+of+" ms", m.stripTitle()...)
		in.chart(chart.Strip{
			Seconds: s.latencies, Seq: s.seq, Span: timeSpans[m.zoom], Foot: foot, Marks: s.marks, Every: time.Second, Right: "now",
			SLA: limitMS(m.snap.SLA), SLALabel: "SLA " + plainMS(limitMS(m.snap.SLA)), Empty: m.emptyText(),
		})
	case latencyHistogram:
		h := chart.Histogram{SLA: limitMS(m.snap.SLA), SLALabel: "SLA " + plainMS(limitMS(m.snap.SLA)), Empty: m.emptyText()}
		seconds := 0
		h.Bins, seconds = m.recentLatencies()
		m.drawHistogram(p.box("Histogram of latency"+of+" ms", m.histogramTitle(h, seconds)...), h, seconds)
	default:
		in := p.box("P99"+of+" ms", m.p99Title()...)
		spec := chart.Spec{
			Values: s.p99, Seq: s.seq, Span: timeSpans[m.zoom], Foot: foot, Marks: s.marks, Every: time.Second, Right: "now",
			Top: m.axes.p99.Top, SLA: s.limit, SLALabel: label, Empty: m.emptyText(),
		}
		if s.before != nil {
			spec.Before = s.before.p99
		}
		in.chart(spec)
	}
}

// heldTitle is how long the load has been held.
func (m *model) heldTitle() []span {
	if m.snap.LoadOn || m.snap.Phase == session.Starting {
		return nil
	}
	return []span{warning("held" + m.heldText() + "  ")}
}

// stripTitle explains the shades.
func (m *model) stripTitle() []span {
	return append(m.heldTitle(), dim("share of a second's answers: ░ under 2% ▒ 10% ▓ 30% █ above"))
}

// histogramTitle says of which answers the histogram is, and how many of them are
// beyond the SLA.
func (m *model) histogramTitle(h chart.Histogram, seconds int) []span {
	n, of := h.Beyond()
	if of == 0 {
		return m.heldTitle()
	}
	style := styleText
	if n > 0 {
		style = styleFail
	}
	return append(m.heldTitle(), span{groupDigits(n), style}, plain(" of "+groupDigits(of)+" beyond the SLA"), dim(fmt.Sprintf(" in %d s", seconds)))
}

// span is how many seconds all charts of the Live view show at least, so that their
// time axes are the same where their width is.
func (m *model) span() int {
	w := liveLayoutOf(m.w, m.h).p99.w
	if m.expanded != noChart {
		w = m.w
	}
	return chart.Spec{Seq: m.data.seq, Span: timeSpans[m.zoom]}.Fits(w-2, m.chartSymbols())
}

// updateAxes adapts the y axes of the charts to the values that they show.
func (m *model) updateAxes() {
	w := liveLayoutOf(m.w, m.h).p99.w
	if m.expanded != noChart {
		w = m.w
	}
	shown := chart.Spec{Seq: m.data.seq, Span: timeSpans[m.zoom]}.Shown(w-2, m.chartSymbols())
	wanted := func(values []float64, sla float64) float64 {
		return chart.Wanted(values[max(len(values)-shown, 0):], sla)
	}
	s, now := m.data, m.snap.At
	m.axes.p99 = m.axes.p99.Next(now, wanted(s.p99, s.limit))
	m.axes.throughput = m.axes.throughput.Next(now, wanted(s.throughput, 0))
	m.axes.utilization = m.axes.utilization.Next(now, wanted(s.utilization, 0))
}

// chartSymbols are the symbols of the charts.
func (m *model) chartSymbols() chart.Symbols {
	if m.ASCII {
		return chart.ASCII
	}
	return m.Symbols
}

// zoomBy makes the time axis of the charts longer or shorter. It leaves out lengths
// that fit anyway and so would look the same.
func (m *model) zoomBy(direction int) {
	span := m.span()
	for next := m.zoom + direction; next >= 0 && next < len(timeSpans); next += direction {
		if m.zoom = next; m.span() != span {
			return
		}
	}
}

// timeChart is the common part of the charts below the one of the latencies.
func (m *model) timeChart(values []float64) chart.Spec {
	return chart.Spec{
		Values: values, Seq: m.data.seq, Span: m.span(), Join: chart.Mean, Fill: true,
		Foot: chart.MarkFoot, Marks: m.data.marks, Every: time.Second, Right: "now",
	}
}

// drawThroughput draws the throughput chart. Its title has the number of recent errors.
func (m *model) drawThroughput(p pane) {
	l := m.snap.Live
	right := []span{dim("batch " + l.Batch.Text(1) + " · "), bold(m.throughputText())}
	if m.isSilent() {
		right[0] = warning(silentText(m.snap) + " · ")
	}
	if n := recentErrors(l); n > 0 {
		right = slices.Insert(right, 1, span{plural(n, "error") + " · ", styleFail})
	}
	in := p.box("Throughput /s", append(m.heldTitle(), right...)...)
	spec := m.timeChart(m.data.throughput)
	spec.Top, spec.Empty = m.axes.throughput.Top, "waiting for answers"
	if m.data.before != nil {
		spec.Before = m.data.before.throughput
	}
	in.chart(spec)
}

// throughputText is the throughput of the window, or 0 while nothing is answered.
func (m *model) throughputText() string {
	if m.isSilent() {
		return "0"
	}
	return na(m.snap.Live.RPS)
}

// toggleBatches switches the last chart between utilization and batches.
func (m *model) toggleBatches() tea.Cmd {
	m.showBatches = !m.showBatches
	return nil
}

// drawBatches draws the latest batches of each worker, and why they left the queue.
func (m *model) drawBatches(p pane) {
	spec := chart.Batches{Empty: "no batch yet"}
	if b := m.snap.Internals.Batches; b == nil {
		spec.Empty = "the target does not report its batches"
	} else {
		spec.MaxSize = b.BatchSize
		for _, batches := range b.Workers {
			spec.Workers = append(spec.Workers, chartBatches(batches))
		}
	}
	in := p.box("Batches", dim("f full d delay i idle · "), plain("of "+strconv.Itoa(max(spec.MaxSize, m.snap.Settings.BatchSize))))
	in.chart(spec)
}

func chartBatches(batches []sweep.FormedBatch) []chart.Batch {
	reasons := [...]chart.Reason{
		sweep.LeftFull: chart.FullBatch, sweep.LeftDelay: chart.DelayEnded, sweep.LeftIdle: chart.IdleWorker, sweep.LeftAbandoned: chart.Abandoned,
	}
	out := make([]chart.Batch, len(batches))
	for i, b := range batches {
		out[i] = chart.Batch{Size: b.Size, Left: reasons[min(int(b.Left), len(reasons)-1)]}
	}
	return out
}

// drawUtilization draws the utilization of the GPU, or of the engine's CPU if there is
// no GPU; then the reason is at the bottom.
func (m *model) drawUtilization(p pane) {
	if m.showBatches {
		m.drawBatches(p)
		return
	}
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
			if m.onGPU() {
				title = "Engine CPU %, GPU n/a"
			}
			defer p.bottomText(dim(why))
		}
	}
	in := p.box(title, right...)
	spec := m.timeChart(s.utilization)
	spec.Top, spec.Empty = max(top, m.axes.utilization.Top), empty
	in.chart(spec)
}
