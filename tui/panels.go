package tui

import (
	"fmt"
	"math"
	"strings"
	"time"

	"sweetspot/sweep/load"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
	"sweetspot/tui/chart"
)

func hasGPU(s *session.Snapshot) bool {
	g := s.Live.Use.GPU
	return g.PercentMean.OK() || g.Reason == "" && g.MemoryMB.OK()
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
		in.sub(1, 0, in.w-2, in.h).paragraph(0, 2, m.noGPUText(g), styleDim)
		return
	}
	row(1, "gpu", g.PercentMean, percentText(g.PercentMean))
	in.line(1, 2, plain("mem  "+megabytes(g.MemoryMB)), dim("  rss "+megabytes(u.RSSMB)))
	in.line(1, 3, plain("power "+na(g.PowerW)+" W"), dim("  SM "+na(g.SMMHz)+" MHz"))
	y := 4
	if len(g.Each) > 1 {
		in.line(1, y, plain(eachGPU(g.Each)))
		y++
	}
	if g.Throttled != nil && *g.Throttled {
		text := "! throttled"
		if len(g.Throttle) > 0 {
			text += ": " + strings.Join(g.Throttle, ", ")
		}
		in.text(1, y, text, styleWarn)
	}
}

// eachGPU is the use of each of several GPUs: "each 83 79 0 12%".
func eachGPU(all []trial.GPUShare) string {
	var text strings.Builder
	text.WriteString("each")
	for _, g := range all {
		text.WriteString(" " + na(g.PercentMean))
	}
	return text.String() + "%"
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

// noGPUText is why there are no values of a GPU.
func (m *model) noGPUText(g trial.GPUUse) string {
	switch {
	case g.Reason == "":
		return "no GPU values"
	case m.onGPU():
		return "GPU n/a: " + g.Reason
	}
	return "no GPU: " + g.Reason
}

// onGPU reports whether the model runs on a GPU, which may be one that nothing measures.
func (m *model) onGPU() bool { return strings.HasPrefix(m.inForce().Device, "gpu") }
