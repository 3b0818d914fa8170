package tui

import (
	"fmt"

	tea "charm.land/bubbletea/v2"

	"sweetspot/sweep/session"
	"sweetspot/tui/chart"
)

// cannotShowOperators is why the dialog of operator times cannot be opened now, or "".
// Times that are measured already can be shown at any time.
func (m *model) cannotShowOperators() string {
	if in := m.snap.Internals; in.Operators != nil || in.Measuring == session.QueryOperators {
		return ""
	}
	return m.cannotMeasure()
}

// operators is the dialog of operator times.
type operators struct{ scroller }

// openOperators opens the dialog. It measures the operator times if there are none of
// the settings in force.
func (m *model) openOperators() tea.Cmd {
	m.dialog = &operators{}
	if o := m.snap.Internals.Operators; o != nil && o.Settings == m.snap.Settings {
		return nil
	}
	return m.measureOperators()
}

func (m *model) measureOperators() tea.Cmd {
	if m.cannotMeasure() != "" {
		return nil
	}
	return m.enqueueFunc("operators", m.Workbench.Operators)
}

const operatorsWidth = 76

func (o *operators) key(m *model, k tea.KeyPressMsg) tea.Cmd {
	if k.String() == "t" {
		return m.measureOperators()
	}
	if _, n, rows := o.layout(m); o.scroll(k, n, rows) {
		m.dialog = nil
	}
	return nil
}

// layout is the place of the dialog, the number of operators, and the number of rows
// for them.
func (o *operators) layout(m *model) (r rect, n, rows int) {
	otherRows := 2 + len(o.lines(m)) // with the borders
	if p := m.snap.Internals.Operators; p != nil {
		n = len(p.Operators)
		otherRows++ // the titles of the columns
	}
	r = centred(m.w, m.h-2, operatorsWidth, n+otherRows) // the status line stays visible
	return r, n, max(r.h-otherRows, 0)
}

// lines is the text above the table.
func (o *operators) lines(m *model) [][]span {
	var out [][]span
	in := m.snap.Internals
	if in.Measuring == session.QueryOperators {
		out = append(out, []span{{m.spinner() + " measuring in a second session; the load continues", styleAccent}})
	}
	p := in.Operators
	if p == nil {
		if len(out) == 0 {
			out = append(out, []span{dim("nothing measured yet: "), plain("t"), dim(" measures")})
		}
		return out
	}
	if p.Settings != m.snap.Settings {
		out = append(out, []span{warning("measured with other settings than those in force")})
	}
	return append(out,
		[]span{plain(settingsText(p.Settings))},
		[]span{plain(fmt.Sprintf("%s ms per run of batch %d, %d runs", na(p.RunMS), p.BatchSize, p.Runs)), dim("; short times are overestimated")},
	)
}

func (o *operators) draw(m *model, p pane) {
	r, n, rows := o.layout(m)
	lines := o.lines(m)
	from := o.firstVisible(n, rows)
	in := p.at(r).box("Operator times", dim("t measures · "+scrollHint(from, rows, n)))
	in = in.sub(1, 0, in.w-2, in.h)
	for y, l := range lines {
		in.line(0, y, l...)
	}
	if n == 0 {
		return
	}
	in.text(0, len(lines), fmt.Sprintf("%-28s%7s  %-14s%10s%8s", "operator", "share", "", "ms/run", "calls"), styleDim)
	for i, op := range m.snap.Internals.Operators.Operators[from:min(from+rows, n)] {
		y := len(lines) + 1 + i
		in.sub(0, 0, 28, in.h).text(0, y, op.Name, styleText)
		in.text(28, y, fmt.Sprintf("%6.1f%%", 100*op.Share), styleBold)
		in.text(37, y, chart.Gauge(100*op.Share, 14, m.ASCII), styleData)
		in.text(51, y, fmt.Sprintf("%10s%8s", na(op.MS), groupDigits(op.Calls)), styleText)
	}
}
