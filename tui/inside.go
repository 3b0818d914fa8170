package tui

import (
	"fmt"

	tea "charm.land/bubbletea/v2"

	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
	"sweetspot/tui/chart"
)

// drawBare writes the bare session into a panel's lower border.
func (m *model) drawBare(p pane) {
	if text := m.bareText(); len(text) > 0 {
		p.under(text...)
	}
}

// bareText is what the model alone does with the settings in force, and how much
// of it is served.
func (m *model) bareText() []span {
	in := m.snap.Inside
	if m.snap.Phase != session.Serving || m.snap.Info.Machine != "" { // another's model is never run alone
		return nil
	}
	if in.Measuring == session.AskBare {
		return []span{{m.spin() + " bare session, the load is held", inkAccent}}
	}
	bare, ok := in.BareFor(m.snap.Settings).Get()
	if !ok {
		return []span{dim("bare session n/a, "), plain("w"), dim(" measures")}
	}
	out := []span{dim("bare "), plain(na(trial.NumOf(bare)) + "/s")}
	rps, flows := m.snap.Live.RPS.Get()
	switch {
	case !flows || bare <= 0:
	case rps > 1.1*bare: // nobody serves more than that; a short look at the rate has its noise
		out = append(out, warning(" was disturbed, "), plain("w"), dim(" again"))
	default:
		out = append(out, dim(", served "), bold(fmt.Sprintf("%.0f%%", 100*rps/bare)))
	}
	return out
}

// bareOf is what the model alone does with a trial's settings, and how much of it
// was served.
func bareOf(t *trial.Trial) []span {
	share, ok := t.BareShare().Get()
	if !ok {
		return nil
	}
	return []span{dim("bare "), plain(na(t.BareRPS) + "/s"), dim(fmt.Sprintf(" %.0f%%", 100*share))}
}

// whyInside is why the model cannot be looked into now, or "".
func (m *model) whyInside() string {
	if what := m.snap.Inside.Measuring; what != session.NoInquiry {
		return fmt.Sprintf("%v: being measured", what)
	}
	return m.busyEngine()
}

func (m *model) bare() tea.Cmd { return m.order("bare session", m.Bench.Bare) }

// whyOperators lets an earlier answer be looked at at any time.
func (m *model) whyOperators() string {
	if in := m.snap.Inside; in.Operators != nil || in.Measuring == session.AskOperators {
		return ""
	}
	return m.whyInside()
}

// operators is the panel of operator times.
type operators struct{ scroller }

// openOperators shows the operator times, and asks for those of the settings in
// force unless they are known.
func (m *model) openOperators() tea.Cmd {
	m.over = &operators{}
	if o := m.snap.Inside.Operators; o != nil && o.Settings == m.snap.Settings {
		return nil
	}
	return m.askOperators()
}

func (m *model) askOperators() tea.Cmd {
	if m.whyInside() != "" {
		return nil
	}
	return m.order("operators", m.Bench.Operators)
}

const operatorsWidth = 76

func (o *operators) key(m *model, k tea.KeyPressMsg) tea.Cmd {
	if k.String() == "t" {
		return m.askOperators()
	}
	if _, n, rows := o.place(m); o.move(k, n, rows) {
		m.over = nil
	}
	return nil
}

// place is where the panel goes, how many operators it has, and how many of them
// it shows.
func (o *operators) place(m *model) (r rect, n, rows int) {
	around := 2 + len(o.head(m))
	if p := m.snap.Inside.Operators; p != nil {
		n = len(p.Operators)
		around++ // the columns' titles
	}
	r = centred(m.w, m.h-2, operatorsWidth, n+around) // the status line stays visible
	return r, n, max(r.h-around, 0)
}

// head is what stands above the table.
func (o *operators) head(m *model) [][]span {
	var out [][]span
	in := m.snap.Inside
	if in.Measuring == session.AskOperators {
		out = append(out, []span{{m.spin() + " measuring on a twin of the model; the load goes on", inkAccent}})
	}
	p := in.Operators
	if p == nil {
		if len(out) == 0 {
			out = append(out, []span{dim("nothing measured yet: "), plain("t"), dim(" measures")})
		}
		return out
	}
	if p.Settings != m.snap.Settings {
		out = append(out, []span{warning("of other settings than those in force")})
	}
	return append(out,
		[]span{plain(settingsText(p.Settings))},
		[]span{plain(fmt.Sprintf("%s ms a run of batch %d, %d runs", na(p.RunMS), p.BatchSize, p.Runs)), dim("; short ones look longer")},
	)
}

func (o *operators) draw(m *model, p pane) {
	r, n, rows := o.place(m)
	head := o.head(m)
	from := o.part(n, rows)
	in := p.at(r).box("Operator times", dim("t measures · "+more(from, rows, n)))
	in = in.sub(1, 0, in.w-2, in.h)
	for y, l := range head {
		in.line(0, y, l...)
	}
	if n == 0 {
		return
	}
	in.text(0, len(head), fmt.Sprintf("%-28s%7s  %-14s%10s%8s", "operator", "share", "", "ms a run", "calls"), inkDim)
	for i, op := range m.snap.Inside.Operators.Operators[from:min(from+rows, n)] {
		y := len(head) + 1 + i
		in.sub(0, 0, 28, in.h).text(0, y, op.Name, inkText)
		in.text(28, y, fmt.Sprintf("%6.1f%%", 100*op.Share), inkBold)
		in.text(37, y, chart.Gauge(100*op.Share, 14, m.ASCII), inkData)
		in.text(51, y, fmt.Sprintf("%10s%8s", na(op.MS), group(op.Calls)), inkText)
	}
}
