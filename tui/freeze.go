package tui

import (
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"sweetspot/sweep/session"
)

// freeze stops the picture, or lets it go on. The load and the measurements continue.
func (m *model) freeze() tea.Cmd {
	if !m.frozenAt.IsZero() {
		m.frozenAt = time.Time{}
		m.poll()
		return nil
	}
	m.frozenAt = m.now
	m.report(session.Note, false, "the picture is frozen, the load continues: f goes on")
	return nil
}

// frozenSpans say that the picture is frozen, and its age.
func (m *model) frozenSpans() []span {
	if m.frozenAt.IsZero() {
		return nil
	}
	return []span{{"  frozen " + wholeSeconds(m.now.Sub(m.frozenAt)), styleWarn}}
}

// leave quits and leaves the last frame on the terminal.
func (m *model) leave() tea.Cmd {
	m.leaveFrame = true
	return m.quit()
}

// lastFrame is the picture without the dialog in which the user confirmed to quit.
func (m *model) lastFrame() string {
	m.dialog = nil
	frame := m.frame().render(m.theme, m.ASCII)
	if m.NoColor {
		frame = ansi.Strip(frame)
	}
	return frame
}

// chartPanel is a chart of the Live view.
type chartPanel uint8

const (
	noChart chartPanel = iota
	p99Chart
	throughputChart
	utilizationChart
	chartPanels
)

// cannotUseCharts is why the keys of the charts do not work now, or "".
func (m *model) cannotUseCharts() string {
	if class := sizeClassOf(m.w, m.h); class == tiny {
		return fmt.Sprintf("no room for charts: they need %d x %d", compactWidth, compactHeight)
	}
	return ""
}

// expand shows the next chart in the whole body, after the last one all charts.
func (m *model) expand() tea.Cmd {
	m.expanded = (m.expanded + 1) % chartPanels
	return nil
}

// drawExpanded draws the expanded chart, and reports whether there is one.
func (m *model) drawExpanded(p pane, class sizeClass) bool {
	switch m.expanded {
	case p99Chart:
		m.drawP99(p, class)
	case throughputChart:
		m.drawThroughput(p)
	case utilizationChart:
		m.drawUtilization(p)
	default:
		return false
	}
	return true
}
