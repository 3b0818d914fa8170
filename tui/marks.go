package tui

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"sweetspot/sweep/load"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
	"sweetspot/tui/chart"
)

// event is something besides a change of settings that is marked on the time axis of
// the charts.
type event struct {
	at   time.Time
	mark chart.Mark // without its index
}

// maxEvents is how many events are kept, the newest ones. A trial takes seconds, so
// that these are more than a chart can show.
const maxEvents = 300

// The signs of marks. An applied change has the sign of the chart package.
const (
	loadSign  = '◆'
	holdSign  = '▪'
	startSign = '▸'
	crashSign = '×'
	trialSign = '┴'
)

// noteEvents keeps what has happened since the snapshot before.
func (m *model) noteEvents(old *session.Snapshot) {
	s := m.snap
	if old.At.IsZero() {
		return // everything is new in the first snapshot
	}
	at := s.At
	add := func(sign rune, text string, part chart.Part) {
		m.events = append(m.events, event{at, chart.Mark{Text: text, Sign: sign, Part: part}})
		if n := len(m.events); n > maxEvents {
			m.events = slices.Clone(m.events[n-maxEvents:])
		}
	}
	wasDown := m.isDown
	m.isDown = s.Phase == session.Down || wasDown && s.Phase == session.Starting
	if wasDown && !m.isDown {
		add(startSign, "up", chart.PartMark)
	}
	switch {
	case old.LoadOn && !s.LoadOn:
		if !s.HeldSince.IsZero() {
			at = s.HeldSince
		}
		add(holdSign, "held", chart.PartMark)
	case !old.LoadOn && s.LoadOn:
		add(startSign, "load", chart.PartMark)
	case old.Load.String() != s.Load.String():
		add(loadSign, loadMark(s.Load), chart.PartMark)
	}
	if n := trialNumber(s); n > 0 && n != trialNumber(old) {
		add(trialSign, "#"+strconv.Itoa(n), chart.PartMark)
	}
}

// loadMark is a load in a few characters.
func loadMark(l load.Spec) string {
	switch {
	case l.Mode == load.Open:
		return fmt.Sprintf("%.4g/s", l.Rate)
	case l.Mode != load.Closed:
		return l.Mode.String()
	case l.Matched:
		return "matched"
	}
	return "load " + strconv.Itoa(l.Concurrency)
}

// trialNumber is the number of the trial that a sweep measures, 0 without one. Probes,
// which take a moment each, have no mark.
func trialNumber(s *session.Snapshot) int {
	if s.Sweep == nil || s.Sweep.Current == nil || s.Phase != session.Sweeping {
		return 0
	}
	if s.Sweep.Current.Point.Role == trial.RoleProbe {
		return 0
	}
	return s.Sweep.Current.N
}

// markIndex is the index of the second that holds a time. first is the end of the
// first second.
func markIndex(first, at time.Time) int { return int(math.Ceil(at.Sub(first).Seconds())) }

// marks are the marks of n seconds, oldest first. Something that happened in the
// present second, which has no value yet, is marked at the newest one.
func (m *model) marks(first time.Time, n int) []chart.Mark {
	var out []chart.Mark
	add := func(at time.Time, k chart.Mark) {
		if k.At = min(markIndex(first, at), n-1); k.At >= 0 {
			out = append(out, k)
		}
	}
	for _, c := range m.snap.Changes {
		add(c.At, chart.Mark{Text: fmt.Sprintf("A%d", c.N)})
	}
	for _, at := range m.snap.Crashes {
		add(at, chart.Mark{Text: "died", Sign: crashSign, Part: chart.PartOver})
	}
	for _, e := range m.events {
		add(e.at, e.mark)
	}
	slices.SortStableFunc(out, func(a, b chart.Mark) int { return a.At - b.At })
	return out
}
