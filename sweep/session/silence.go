package session

import (
	"fmt"
	"time"

	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

const (
	// messageSilence is the time without an answer that is worth a message.
	messageSilence = 10 * time.Second
	// slowFactor is how many times the longest latency a silence must last: a slow model is not silent.
	slowFactor = 2
	// gapFactor is how many mean times between two arrivals of an open load a silence must last: by chance there may be
	// no request for that long once in 20,000 times.
	gapFactor = 10
)

// silence notices that requests get no answer. A request that timed out got none.
type silence struct {
	since    time.Time     // of the last answer, or of the start of the load; zero without a load
	longest  time.Duration // latency of the answers since the last change
	timeouts int           // since the last answer
	told     bool          // there is a message about it
}

// begin begins the watch of a load.
func (w *silence) begin(now time.Time) { *w = silence{since: now} }

// add counts a finished request. An answer ends the silence, and so does a failure, which is shown as an error. After an answer add
// returns how long the silence lasted, if there was a message about it.
func (w *silence) add(s *load.Sample, now time.Time) (ended time.Duration) {
	if s.Outcome == load.Timeout {
		w.timeouts++
		return 0
	}
	if w.told && s.Outcome != load.Failed {
		ended = now.Sub(w.since)
	}
	w.since, w.timeouts, w.told = now, 0, false
	w.longest = max(w.longest, s.Latency)
	return ended
}

// lasts returns how long no request has been answered, or 0 while that may be as it should: with
// few requests, or with a slow model.
func (w *silence) lasts(l load.Spec, now time.Time) time.Duration {
	if w.since.IsZero() {
		return 0
	}
	d := now.Sub(w.since)
	limit := sweep.LeastSilence
	if w.timeouts == 0 {
		switch l.Mode {
		case load.Closed:
		case load.Open:
			limit = max(limit, time.Duration(gapFactor/l.Rate*float64(time.Second)))
		default: // it may have pauses
			return 0
		}
		limit = max(limit, slowFactor*w.longest)
	}
	if d < limit {
		return 0
	}
	return d
}

// silentFor is silence.lasts while there is live load. The lock is held.
func (s *Session) silentFor() time.Duration {
	if s.liveLoad == nil || s.state.Phase != Serving {
		return 0
	}
	return s.silence.lasts(s.ring.load, s.now())
}

// judgeSilence makes a pass undecided while requests get no answer: those that wait are not counted yet. The lock is held.
func (s *Session) judgeSilence(v *trial.Verdict) {
	if d := s.silentFor(); d > 0 && v.Result == trial.Pass {
		v.Result, v.Leaning = trial.Undecided, trial.Undecided
		v.Why = fmt.Sprintf("no request has been answered for %v, and those that wait are not counted yet", d.Round(time.Second))
	}
}

// reportSilence adds a message once a silence is long. The lock is held.
func (s *Session) reportSilence() {
	d := s.silentFor()
	if d < messageSilence || s.silence.told {
		return
	}
	s.silence.told = true
	hint := ""
	if s.canKill() {
		hint = "; R ends the engine and starts it again"
	}
	text := fmt.Sprintf("no answer for %v: the model or its server hangs", d.Round(time.Second))
	s.add(Message{Level: Warning, Text: text + hint, Short: text})
}

// canKill reports whether Restart can end an engine that does not answer. The lock is held.
func (s *Session) canKill() bool {
	_, ok := s.target.(sweep.Killer)
	return ok
}

// killSilent ends an engine that answers nothing. The load and a change in progress notice that, as after any other
// death, and the target starts it again. The lock is held.
func (s *Session) killSilent() bool {
	k, ok := s.target.(sweep.Killer)
	if !ok || s.silentFor() == 0 {
		return false
	}
	s.addMessage(Note, "the engine, which answers nothing, is ended and started again")
	s.spawn(func() { k.Kill("it answered nothing and was killed") })
	return true
}
