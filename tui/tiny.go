package tui

import (
	"time"

	"sweetspot/tui/chart"
)

// drawLiveTiny draws the Live view in the tiny layout: numbers and sparklines.
func (m *model) drawLiveTiny(p pane) {
	f := frameLayoutOf(m.w, m.h)
	m.drawVerdict(p.at(f.verdict))
	p = p.at(f.body)
	m.drawKnobsInRow(p.sub(0, 0, p.w, 1), " ")
	y := 1
	if p.h >= roomyTiny {
		if notes := m.knobNotes(); len(notes) > 0 {
			p.text(1, 1, notes[len(notes)-1].s, notes[len(notes)-1].style)
		}
		y = 3
	}
	m.drawSparklines(p.sub(1, y, p.w-2, 4))
	y += 4
	l := m.snap.Live
	switch {
	case m.engineDown() && p.h < roomyTiny:
		p.sub(1, y, p.w-2, p.h-y).paragraph(0, 0, m.snap.Problem, styleFail)
		return
	case p.h < roomyTiny && !l.P99.OK():
		p.text(1, y, m.emptyText(), styleDim)
		return
	}
	p.line(1, y, m.totals()...)
	p.line(1, y+1, dim("formed batch "), plain(l.Batch.Text(1)), dim("  load "), plain(m.loadText()))
	switch {
	case m.engineDown():
		p.sub(1, y+2, p.w-2, p.h-y-2).paragraph(0, 0, m.snap.Problem, styleFail)
	case !l.P99.OK():
		p.text(1, y+2, m.emptyText(), styleDim)
	}
}

// roomyTiny is the height of a body with room for notes and blank rows.
const roomyTiny = 9

// drawSparklines draws the sparklines of the Live view with their time axis.
func (m *model) drawSparklines(p pane) {
	s, l := m.data, m.snap.Live
	device, utilization := "cpu", l.Use.CPUPercent
	if s.gpu {
		device, utilization = "gpu", l.Use.GPU.PercentMean
	}
	m.drawSparkline(p.sub(0, 0, p.w, 1), "P99", chart.Spark{Values: s.p99, SLA: s.limit}, formatNum(l.P99, "—")+" ms")
	m.drawSparkline(p.sub(0, 1, p.w, 1), "/s", chart.Spark{Values: s.throughput}, m.throughputText())
	m.drawSparkline(p.sub(0, 2, p.w, 1), device, chart.Spark{Values: s.utilization}, na(utilization)+" %")
	axis := chart.TimeAxis{Values: len(s.p99), Marks: s.marks, Every: time.Second, Right: "now"}
	p.sub(sparkLeft, 3, p.w-sparkLeft-sparkRight, 1).chart(axis)
}

// The columns left and right of a sparkline.
const sparkLeft, sparkRight = 5, 12

// drawSparkline draws a name, a sparkline of the newest values, and a number in one row.
func (m *model) drawSparkline(p pane, name string, values chart.Spark, number string) {
	p.text(0, 0, name, styleDim)
	p.sub(sparkLeft, 0, p.w-sparkLeft-sparkRight, 1).chart(values)
	p.alignRight(sparkLeft, 0, bold(number))
}

// drawSweepTiny draws the Sweep view in the tiny layout.
func (m *model) drawSweepTiny(p pane) {
	f := frameLayoutOf(m.w, m.h)
	p.at(f.verdict).sub(1, 0, m.w-1, 1).parts(m.sweepLine()...)
	p = p.at(f.body)
	if m.snap.Sweep == nil {
		m.drawNoSweep(p)
		return
	}
	m.drawProgress(p.sub(1, 0, p.w-2, 2))
	if m.drawOver(p.sub(0, 2, p.w, p.h-2)) {
		return
	}
	if p.h < roomyBody {
		m.drawTable(p.sub(0, 2, p.w, p.h-2), pane{})
		return
	}
	m.drawTable(p.sub(0, 3, p.w, p.h-4), pane{})
	best := "no setting has passed the SLA yet"
	if t := validatedBest(m.snap.Sweep); t != nil {
		best = "★ " + shortSettings(t.Settings) + ": " + rateAtPercentile(t, m.snap.Sweep.Plan.SLA)
	} else if t := mostPromising(m.snap.Sweep); t != nil {
		best = "not validated: " + shortSettings(t.Settings) + ": " + rateAtPercentile(t, m.snap.Sweep.Plan.SLA)
	}
	p.text(1, p.h-1, best, styleText)
}
