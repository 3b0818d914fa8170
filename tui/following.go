package tui

import (
	"slices"
	"time"

	"sweetspot/sweep/session"
)

// What is different on a screen that follows a profile (Deps.Follow): it shows
// Sweep alone, and nothing on it changes anything.

// readingKeys are the keys that read a sweep, and those that work everywhere.
func readingKeys(table []binding) []binding {
	return slices.DeleteFunc(table, func(b binding) bool {
		key := b.Help().Key
		switch b.group {
		case groupTrials:
			return key == "enter" // there is no Live to load it into
		case groupAll:
			return b.in != onAll || slices.Contains([]string{"1 2", "tab"}, key) || slices.Contains(b.Keys(), "2")
		}
		return true
	})
}

// followed is the state of what is followed, for the head.
func (m *model) followed() span {
	if s := m.snap.Sweep; s != nil && s.State.Ended() {
		return span{"● recorded", inkText}
	}
	return span{"● following, read-only", inkAccent}
}

// followText says how far a profile is that another program writes: nobody here
// knows how many trials are to come.
func (m *model) followText(s *session.Sweep) string {
	text := plural(len(s.Trials), "trial")
	if n := len(s.Trials); n > 0 && !s.State.Ended() {
		last := &s.Trials[n-1]
		ran := time.Duration((last.WarmupSeconds + last.Seconds) * float64(time.Second))
		text += ", the last ended " + max(m.now.Sub(last.At.Add(ran)), 0).Round(time.Second).String() + " ago"
	}
	return text
}

// followOwner says who writes what is shown.
func followOwner(s *session.Sweep) string {
	if s.State.Ended() {
		return "all of the profile is here; nothing on this screen changes it"
	}
	return "another sweetspot writes this profile; nothing on this screen changes it"
}
