package tui

import (
	"math"

	"sweetspot/sweep/trial"
	"sweetspot/tui/chart"
)

// drawLiveTiny is Live without boxes: numbers and sparklines.
func (m *model) drawLiveTiny(p pane) {
	f := frameOf(m.w, m.h)
	p.at(f.verdict).line(1, 0, m.verdict()...)
	p = p.at(f.body)
	m.knobRow(p.sub(0, 0, p.w, 1), "  ")
	if notes := m.notes(); len(notes) > 0 {
		p.text(1, 1, notes[len(notes)-1].s, notes[len(notes)-1].ink)
	}
	s := m.data
	l := m.snap.Live
	busy, figureOfBusy := "cpu", l.Use.CPUPercent
	if s.gpu {
		busy, figureOfBusy = "gpu", l.Use.GPU.PercentMean
	}
	m.drawTrace(p.sub(1, 3, p.w-2, 1), "P99", s.p99, figure(l.P99, "—")+" ms")
	m.drawTrace(p.sub(1, 4, p.w-2, 1), "/s", s.rps, na(l.RPS))
	m.drawTrace(p.sub(1, 5, p.w-2, 1), busy, s.busy, na(figureOfBusy)+" %")
	p.line(1, 7, m.totals()...)
	p.line(1, 8, dim("formed batch "), plain(l.Batch.Text(1)), dim("  load "), plain(m.loadText()))
	switch {
	case m.whyRestart() == "":
		p.sub(1, 9, p.w-2, p.h-9).lines(0, 0, m.snap.Problem, inkFail)
	case !l.P99.OK():
		p.text(1, 9, m.emptyText(), inkDim)
	}
}

// drawTrace is one row: name, sparkline of the newest values, number.
func (m *model) drawTrace(p pane, name string, values []float64, number string) {
	const left, right = 5, 12
	p.text(0, 0, name, inkDim)
	w := p.w - left - right
	p.text(left, 0, chart.Sparkline(values[max(len(values)-w, 0):], w, m.ASCII), inkData)
	p.right(left, 0, bold(number))
}

// drawSweepTiny is Sweep without boxes.
func (m *model) drawSweepTiny(p pane) {
	f := frameOf(m.w, m.h)
	p.at(f.verdict).line(1, 0, m.sweepLine()...)
	p = p.at(f.body)
	if m.snap.Sweep == nil {
		m.drawNoSweep(p)
		return
	}
	m.drawProgress(p.sub(1, 0, p.w-2, 2))
	m.drawTable(p.sub(0, 3, p.w, p.h-4))
	best := "no setting is known to meet the promise yet"
	if t := bestOf(m.snap.Sweep); t != nil {
		best = "★ " + settingsText(t.Settings) + ": " + na(t.Throughput.Value) + "/s at P99 " + msOf(t.Latency.P99)
	} else if t := leadOf(m.snap.Sweep); t != nil {
		best = "not validated: " + settingsText(t.Settings) + ": " + na(t.Throughput.Value) + "/s at P99 " + msOf(t.Latency.P99)
	}
	p.text(1, p.h-1, best, inkText)
}

func msOf(e trial.Estimate) string { return na(trial.NumOf(e.Value.Or(math.NaN()))) + " ms" }
