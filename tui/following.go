package tui

import (
	"slices"
	"time"

	"sweetspot/sweep/session"
)

// This file has what is different if the screen follows a profile (Deps.Follow): it
// has no Live view, and no key changes anything.

// changing are the keys of each group that such a screen lacks: those that load settings into the Live
// view, measure, predict, or change or export another profile.
var changing = map[heading][]string{
	groupTrials:   {"enter", "R"},
	groupFrontier: {"enter", "R", "[", "]", "="},
	groupProfiles: {"enter", "i", "=", "n", "d", "u", "e"},
	groupAll:      {},
}

// readOnlyBindings are the keys of the table that such a screen has. The key of the Live view says why
// there is none.
func readOnlyBindings(table []binding) []binding {
	table = slices.DeleteFunc(table, func(b binding) bool {
		without, ok := changing[b.group]
		return !ok || slices.ContainsFunc(b.Keys(), func(k string) bool { return slices.Contains(without, k) })
	})
	for i := range table {
		if b := &table[i]; b.group == groupAll && slices.Contains(b.Keys(), "1") {
			b.disabled = func() string { return "no Live view: this screen follows a profile, and a profile has no live traffic" }
		}
	}
	return table
}

// firstView is the first of the views that the screen has.
func (m *model) firstView() view {
	if m.Follow {
		return sweepView
	}
	return liveView
}

// followState is the state of the profile, for the header.
func (m *model) followState() span {
	if s := m.snap.Sweep; s != nil && s.State.Ended() {
		return span{"● recorded", styleText}
	}
	if m.w < 100 { // no room beside the tabs
		return span{"● following", styleAccent}
	}
	return span{"● following, read-only", styleAccent}
}

// followText is the progress of a profile. The number of trials to come is not in it.
func (m *model) followText(s *session.Sweep) string {
	text := plural(len(s.Trials), "trial")
	if s.State.Ended() {
		text += m.endedText(s)
	}
	if n := len(s.Trials); n > 0 && !s.State.Ended() {
		last := &s.Trials[n-1]
		duration := time.Duration((last.WarmupSeconds + last.Seconds) * float64(time.Second))
		text += ", the last ended " + max(m.now.Sub(last.At.Add(duration)), 0).Round(time.Second).String() + " ago"
	}
	return text
}

// endedText is how long ago the last trial of a profile ended, so that an old profile is not taken for
// a running sweep.
func (m *model) endedText(s *session.Sweep) string {
	if len(s.Trials) == 0 {
		return ""
	}
	return ", recorded " + ageText(m.now.Sub(s.Trials[len(s.Trials)-1].At)) + " ago"
}

// ageText is an age in its largest unit.
func ageText(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return plural(int(d.Hours()/24), "day")
	case d >= 2*time.Hour:
		return plural(int(d.Hours()), "hour")
	case d >= 2*time.Minute:
		return plural(int(d.Minutes()), "minute")
	}
	return plural(int(max(d, 0).Seconds()), "second")
}

// followHint explains why the screen is read-only.
func followHint(s *session.Sweep) string {
	if s.State.Ended() {
		return "the profile is complete; this screen is read-only"
	}
	return "another process writes this profile; this screen is read-only"
}
