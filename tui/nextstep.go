package tui

import (
	"fmt"
	"strings"

	"sweetspot/sweep/search"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// nextStep is what to do after a sweep has ended; empty while it runs.
func (m *model) nextStep() []span {
	s := m.snap.Sweep
	if m.Follow || s == nil || !s.State.Ended() {
		return nil
	}
	best := validatedBest(s)
	switch {
	case s.State == session.Failed && best == nil:
		return []span{bold("s"), plain(" starts another sweep")}
	case best == nil && mostPromising(s) != nil:
		return m.confirmStep(mostPromising(s))
	case best == nil:
		return []span{bold("s"), plain(" starts another sweep, with another promise, load or ranges")}
	}
	change := m.changeText(m.snap.Settings, best.Settings)
	if change == "" {
		return []span{plain("in force now  "), bold("e"), plain(" exports it")}
	}
	return append(m.loadKeysFor(best), dim(" loads it in Live: "), plain(change))
}

// loadKeysFor are the keys that load a row.
func (m *model) loadKeysFor(t *trial.Trial) []span {
	if sel := m.selectedTrial(); sel != nil && sel.N == t.N {
		return []span{bold("enter")}
	}
	if m.table.order == orderByRank && m.table.filter == "" {
		return []span{bold("home enter")}
	}
	return []span{bold(fmt.Sprintf("enter on #%d", t.N))}
}

// confirmStep is the next step after a sweep whose best row is not validated.
func (m *model) confirmStep(t *trial.Trial) []span {
	out := []span{bold("R"), plain(" measures it again")}
	if sel := m.selectedTrial(); sel == nil || sel.N != t.N {
		out = []span{bold("home R"), plain(" measures it again")}
	}
	return append(out, dim(", because no validation has confirmed it"))
}

// noPassText says why nothing passed: the setting nearest to the promise, and what blocks it. It
// is "" while the sweep runs or if it does not know.
func noPassText(s *session.Sweep) string {
	if s == nil || !s.State.Ended() || mostPromising(s) != nil || len(s.Trials) == 0 {
		return ""
	}
	text := search.ExplainNone(s.Trials, s.Plan.SLA)
	if s.Impossible != "" {
		text = "no setting keeps the promise: " + s.Impossible
	}
	if more := s.Cost.MissingAnswers(s.Trials); more != "" {
		text += "; it needs " + more
	}
	return strings.TrimPrefix(text, "; ")
}
