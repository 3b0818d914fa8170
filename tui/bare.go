package tui

import (
	"fmt"

	tea "charm.land/bubbletea/v2"

	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// drawBare writes the bare rate into the bottom border of a panel.
func (m *model) drawBare(p pane) {
	if text := m.bareText(); len(text) > 0 {
		p.bottomText(text...)
	}
}

// bareText is the bare rate of the settings in force, and the live throughput as a
// percentage of it.
func (m *model) bareText() []span {
	in := m.snap.Internals
	if m.snap.Phase != session.Serving || m.snap.Info.Machine != "" { // only our own engine can run the model alone
		return nil
	}
	if in.Measuring == session.QueryBare {
		return []span{{m.spinner() + " the model alone, the load is held", styleAccent}}
	}
	bare, ok := in.BareRate(m.snap.Settings).Get()
	if !ok {
		return []span{dim("model alone n/a, "), plain("w"), dim(" measures")}
	}
	out := []span{dim("model alone "), plain(na(trial.NumOf(bare)) + "/s")}
	rps, ok := m.snap.Live.RPS.Get()
	if m.isSilent() {
		rps, ok = 0, true
	}
	switch {
	case !ok || bare <= 0:
	case rps > 1.1*bare: // an engine cannot exceed the bare rate; 10% allow for the noise of a short measurement
		out = append(out, warning(" was disturbed, "), plain("w"), dim(" repeats it"))
	default:
		out = append(out, dim(", now "), bold(fmt.Sprintf("%.0f%%", min(100*rps/bare, 100))))
	}
	return out
}

// trialBareText is the bare rate of a trial's settings, and the throughput of the trial
// as a percentage of it.
func trialBareText(t *trial.Trial) []span {
	share, ok := t.BareShare().Get()
	if !ok {
		return nil
	}
	return []span{dim("alone "), plain(na(t.BareRPS) + "/s"), dim(fmt.Sprintf(" %.0f%%", 100*share))}
}

// cannotMeasure is why the bare rate and the operator times cannot be measured now, or
// "".
func (m *model) cannotMeasure() string {
	if m.snap.Info.Machine != "" {
		return "a remote server does not offer this measurement"
	}
	if what := m.snap.Internals.Measuring; what != session.NoQuery {
		return fmt.Sprintf("%v: being measured", what)
	}
	return m.cannotChangeSettings()
}

func (m *model) bare() tea.Cmd { return m.enqueueFunc("model alone", m.Workbench.Bare) }
