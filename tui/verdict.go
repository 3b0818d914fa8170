package tui

import (
	"fmt"
	"time"

	"sweetspot/sweep"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// drawVerdict draws the most important line: the promise, the verdict with its number, its share of
// the limit and its range, the window, the errors and the load. What does not fit is left out, the
// least important first; errors never are.
func (m *model) drawVerdict(p pane) {
	parts := m.verdictParts()
	for {
		n := 0
		for _, part := range parts {
			n += spansWidth(part.spans)
		}
		drop := -1
		for i, part := range parts {
			if part.rank > 0 && (drop < 0 || part.rank > parts[drop].rank) {
				drop = i
			}
		}
		if n <= p.w-1 || drop < 0 {
			break
		}
		parts[drop].drop()
	}
	x := 1
	for _, part := range parts {
		x = p.line(x, 0, part.spans...)
	}
}

// verdictPart is a part of the verdict line.
type verdictPart struct {
	spans   []span
	shorter []span // instead of spans if there is too little room
	rank    int    // 0 is never left out; the highest is left out first
	stays   bool   // the shorter spans are never left out
}

// drop replaces the spans by the shorter ones, or removes them if they are short already.
func (v *verdictPart) drop() {
	if v.spans, v.shorter = v.shorter, nil; v.spans == nil || v.stays {
		v.rank = 0
	}
}

// verdictParts are the parts of the verdict line, in the order of the screen.
func (m *model) verdictParts() []verdictPart {
	s := m.snap
	if t := m.currentTrial(); t != nil {
		soFar := " so far " + formatNum(t.P99MS, "—") + " ms " + percentOfLimit(t.P99MS, limitMS(s.SLA))
		if t.Point.Role == trial.RoleProbe {
			soFar = " " // its load is not that of the promise
		}
		return []verdictPart{
			{spans: []span{dim("SLA "), plain(promiseText(s.SLA) + "  ")}, shorter: []span{plain(plainMS(limitMS(s.SLA)) + " ms ")}, rank: 3, stays: true},
			{spans: []span{{currentName(t), styleAccent}}},
			{spans: []span{plain(soFar)}},
			{spans: hostSpans(s), rank: 1},
			{spans: []span{dim("  load "), plain(m.loadText())}, rank: 2},
		}
	}
	errors := s.Live.Errors // of the window, as the verdict is; the panel of the load has those of the session
	errorStyle := styleFail
	switch {
	case errors == 0:
		errorStyle = styleDim
	case s.Live.Verdict.Result == trial.Pass:
		errorStyle = styleWarn // the promise allows them
	}
	out := []verdictPart{
		{spans: []span{dim("SLA "), plain(promiseText(s.SLA) + "  ")}, shorter: []span{plain(fmt.Sprintf("%s ms ", plainMS(limitMS(s.SLA))))}, rank: 5, stays: !m.errorsDecide()},
		{spans: m.answerSpans()},
	}
	if m.errorsDecide() {
		out[1].shorter, out[1].rank, out[1].stays = []span{{m.failedText(), styleFail}}, 1, true
	}
	if m.hasVerdict() && !m.errorsDecide() {
		out = append(out, verdictPart{spans: []span{dim(intervalText(s.Live.Verdict.LowMS, s.Live.Verdict.HighMS))}, rank: 3})
	}
	if window := m.windowSpans(); window != nil {
		out = append(out, verdictPart{spans: window, rank: 4})
	}
	out = append(out, m.undecidedPart())
	if host := hostSpans(s); host != nil {
		out = append(out, verdictPart{spans: host, shorter: []span{warning(" host busy")}, rank: 1})
	}
	if !m.errorsDecide() {
		text := "  " + plural(errors, "error")
		part := verdictPart{spans: []span{{text, errorStyle}}}
		if errors == 0 {
			part.rank = 2
		}
		out = append(out, part)
	}
	return append(out, verdictPart{spans: []span{dim("  load "), plain(m.loadText())}, shorter: []span{dim("  " + m.loadText())}, rank: 6})
}

// errorsDecide reports whether the verdict is a failure because of errors.
func (m *model) errorsDecide() bool {
	v := m.snap.Live.Verdict
	return m.snap.LoadOn && v.Result == trial.Fail && v.ErrorRate.Or(0) > m.snap.SLA.MaxErrorRate && !m.answersDiffer()
}

// answersDiffer reports whether answers in batches were not those of single requests.
func (m *model) answersDiffer() bool { return m.snap.Answers != nil && m.snap.Answers.Differ > 0 }

// hasVerdict reports whether there is live traffic with a number.
func (m *model) hasVerdict() bool {
	s := m.snap
	return s.Phase == session.Serving && s.LoadOn && !s.Live.Transient && s.Live.Verdict.ValueMS.OK()
}

// answerSpans are the verdict in words, its number, its share of the limit and its range; or why
// there is none.
func (m *model) answerSpans() []span {
	s := m.snap
	v, limit := s.Live.Verdict, limitMS(s.SLA)
	number := ""
	if v.ValueMS.OK() {
		number = fmt.Sprintf(" %s ms %s", na(v.ValueMS), percentOfLimit(v.ValueMS, limit))
	}
	switch {
	case s.Phase == session.Starting || s.Phase == session.Down:
		return []span{dim("— " + s.Phase.String())}
	case !s.LoadOn:
		return []span{warning("— load held" + m.heldText())}
	case m.answersDiffer():
		return []span{{"FAIL " + s.Answers.Problem(), styleFail}, plain(number)}
	case m.errorsDecide():
		// Too many errors fail whatever the percentile, even without one.
		return []span{{fmt.Sprintf("%s (%s allowed)", m.failedText(), allowedText(s.SLA)), styleFail}, plain(number)}
	case s.Live.Transient:
		return []span{warning("just changed")}
	case !v.ValueMS.OK() && m.isSilent():
		return []span{warning("— " + silentText(s))}
	case !v.ValueMS.OK():
		return []span{warning("— "), dim(fmt.Sprintf("%d of 100 answers", min(s.Live.Answers, 99)))}
	}
	word := span{"? undecided", styleWarn}
	switch {
	case v.Result == trial.Fail:
		word = span{"FAIL", styleFail}
	case m.isSilent(): // the requests that wait are not in the verdict yet
		word = span{"? " + silentText(s) + "; before:", styleWarn}
	case v.Result == trial.Pass:
		word = span{"PASS", stylePass}
	}
	return []span{word, plain(number)}
}

// failedText is the verdict about too many errors.
func (m *model) failedText() string {
	return fmt.Sprintf("FAIL %s failed of %s", groupDigits(m.snap.Live.Errors), groupDigits(m.snap.Live.Sent))
}

// heldText is how long the load has been held.
func (m *model) heldText() string {
	if m.snap.HeldSince.IsZero() {
		return ""
	}
	return " " + wholeSeconds(m.now.Sub(m.snap.HeldSince))
}

// allowedText is the share of requests that may fail.
func allowedText(s trial.SLA) string {
	if s.MaxErrorRate == 0 {
		return "0"
	}
	return fmt.Sprintf("%g%%", 100*s.MaxErrorRate)
}

// windowSpans are the time that the verdict covers.
func (m *model) windowSpans() []span {
	if !m.hasVerdict() {
		return nil
	}
	return []span{dim(" over " + wholeSeconds(m.snap.Live.Window))}
}

// undecidedPart says why the verdict is undecided, and how long it will be.
func (m *model) undecidedPart() verdictPart {
	l := m.snap.Live
	if !m.hasVerdict() || l.Verdict.Result != trial.Undecided {
		return verdictPart{}
	}
	count, more := fmt.Sprintf(": %s of %s over", groupDigits(l.Over), groupDigits(l.Answers)), ""
	if l.More > 0 {
		more = "; ~" + approximately(l.More) + " more"
	}
	return verdictPart{
		spans:   []span{dim(count + " " + plainMS(limitMS(m.snap.SLA)) + " ms" + more)},
		shorter: []span{dim(count + more)}, rank: 1,
	}
}

// approximately is a duration in one or two digits: 20s, 4m.
func approximately(d time.Duration) string {
	switch {
	case d > 90*time.Second:
		return fmt.Sprintf("%.0fm", d.Minutes())
	case d > 10*time.Second:
		return wholeSeconds((d + 5*time.Second).Truncate(5 * time.Second))
	}
	return wholeSeconds(d)
}

// hostSpans say that others use the machine, so that latencies may be due to them.
func hostSpans(s *session.Snapshot) []span {
	if !s.Live.HostBusy && (s.Phase != session.Sweeping || !s.Live.Host.Busy()) {
		return nil
	}
	return []span{warning("  host busy " + hostUse(s.Live.Host))}
}

// hostUse is the use of the machine by others, in percent of all cores.
func hostUse(h sweep.Host) string {
	return fmt.Sprintf("%.0f%%", h.Others.Or(0)+h.Steal.Or(0))
}

func errorsOf(c trial.Counts) int { return c.Refused + c.Failed + c.Timeout }
