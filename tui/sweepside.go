package tui

import "fmt"

// bothPanelsHeight is the height from which the column beside the table has both panels.
const bothPanelsHeight = 32

// cannotUseSide is why there is no panel beside the table, or "". The chart has the predictions before the first trial.
func (m *model) cannotUseSide() string {
	if len(m.points) > 0 {
		return ""
	}
	return m.cannotSort()
}

// drawSide draws the panels beside the table: the growing scatter chart, the breakdown of the
// selected row, or both if there is room.
func (m *model) drawSide(p pane) {
	switch {
	case p.h >= bothPanelsHeight:
		m.drawSweepScatter(p.sub(0, 0, p.w, p.h/2))
		m.drawDetail(p.sub(0, p.h/2, p.w, p.h-p.h/2))
	case m.table.side == breakdownPanel:
		m.drawDetail(p)
	default:
		m.drawSweepScatter(p)
	}
}

// drawOver draws the panel that covers the table in the other layouts, and reports whether there
// is one.
func (m *model) drawOver(p pane) bool {
	switch m.table.side {
	case breakdownPanel:
		m.drawDetail(p)
	case scatterPanel:
		m.drawSweepScatter(p)
	case defaultPanel, sidePanelCount:
		return false
	}
	return true
}

// drawSweepScatter draws the settings of the sweep so far: the measured ones, and faint the
// predicted ones, which move as the measurements correct them.
func (m *model) drawSweepScatter(p pane) {
	s := m.snap.Sweep
	in := p.box(percentileName(s.Plan.SLA)+" ms against throughput", dim("b breakdown"))
	if in.h > 8 {
		in.line(1, in.h-1, scatterLegend(in.w-1)...)
		in = in.sub(0, 0, in.w, in.h-1)
	}
	selected := m.selectedTrial()
	in.chart(scatterOf(m.points, s.Plan.SLA, func(o *settingPoint) bool {
		return selected != nil && o.measured() && o.settings == selected.Settings && o.load == selected.Load
	}))
	if n := m.countPredicted(); n > 0 {
		text := "not corrected yet"
		if len(s.Trials) > 0 {
			text = "corrected by " + plural(len(s.Trials), "trial")
		}
		p.bottomText(dim(fmt.Sprintf("○ %d predicted, %s", n, text)))
	}
}

func (m *model) countPredicted() int {
	n := 0
	for i := range m.points {
		if !m.points[i].measured() {
			n++
		}
	}
	return n
}
