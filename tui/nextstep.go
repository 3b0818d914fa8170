package tui

import (
	"fmt"
	"math"
	"strings"

	"sweetspot/sweep/rank"
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
	case best == nil && m.undecided != nil:
		t := m.undecided
		return append(append([]span{}, m.keysFor(t, "R")...), plain(fmt.Sprintf(" measures #%d again  ", t.N)), bold("s"), plain(" starts another sweep"))
	case best == nil:
		return []span{bold("s"), plain(" starts another sweep, with another promise, load or ranges")}
	}
	change := m.changeText(m.snap.Settings, best.Settings)
	if change == "" {
		return []span{plain("in force now  "), bold("e"), plain(" exports it")}
	}
	return append(m.keysFor(best, "enter"), dim(" loads it in Live: "), plain(change))
}

// keysFor are the keys that use a key of the table on a row.
func (m *model) keysFor(t *trial.Trial, key string) []span {
	rows := m.rows()
	switch sel := m.selectedTrial(); {
	case sel != nil && sel.N == t.N:
		return []span{bold(key)}
	case len(rows) > 0 && rows[0].N == t.N:
		return []span{bold("home " + key)}
	}
	return []span{bold(fmt.Sprintf("%s on #%d", key, t.N))}
}

// undecidedRow is the row of a sweep without a pass that longer trials may show to pass: the one that the sweep
// without a screen calls the most promising, or else the one nearest to the promise. It is nil if there is
// none, or while the sweep runs.
func undecidedRow(s *session.Sweep) *trial.Trial {
	if s == nil || !s.State.Ended() {
		return nil
	}
	k := rank.New(rank.RulesOf(s.Plan), s.Trials)
	if r, ok := k.Unconfirmed(); ok {
		return rowTrial(s, &r)
	}
	for _, r := range k.InOrder() {
		if r.Verdict().Likely() == trial.Undecided && r.Joined.Error == "" {
			return rowTrial(s, &r)
		}
	}
	return nil
}

// confirmStep is the next step after a sweep whose best row is not validated.
func (m *model) confirmStep(t *trial.Trial) []span {
	return append(m.keysFor(t, "R"), plain(" measures it again"), dim(", because no validation has confirmed it"))
}

// noPassText says why nothing passed: the most promising setting and why it is undecided, or else the one nearest
// to the promise, and what blocks it. It is "" while the sweep runs or if it does not know.
func noPassText(s *session.Sweep, undecided *trial.Trial) string {
	if s == nil || !s.State.Ended() || mostPromising(s) != nil || len(s.Trials) == 0 {
		return ""
	}
	text := search.ExplainNone(s.Trials, s.Plan.SLA)
	switch {
	case s.Impossible != "":
		text = "no setting keeps the promise: " + s.Impossible
	case undecided != nil && undecided.Verdict.ValueMS.Or(math.Inf(1)) <= undecided.Verdict.LimitMS:
		text = fmt.Sprintf("most promising is trial %d (%v): %s/s, %s, but undecided", undecided.N, undecided.Settings, na(undecided.Throughput.Value), undecided.Verdict.Describe())
		if why := undecided.Verdict.Why; why != "" {
			text += ": " + why
		}
	}
	if more := s.Cost.MissingAnswers(s.Trials); more != "" {
		text += "; it needs " + more
	}
	return strings.TrimPrefix(text, "; ")
}

// drawNoPass draws that no setting has passed, and after the sweep the nearest one, what blocks it
// and what to do.
func (m *model) drawNoPass(p pane) {
	if m.noPass == "" {
		p.text(0, 0, "no setting has passed the SLA yet", styleWarn)
		m.drawTrend(p.sub(0, 1, p.w, 1))
		return
	}
	head := span{"no setting passes", styleFail}
	if m.undecided != nil {
		head = warning("no setting is known to pass")
	}
	p.line(0, 0, head)
	p.sub(0, 1, p.w, p.h-2).paragraph(0, 0, m.noPass, styleText)
	p.line(0, p.h-1, m.nextStep()...)
}
