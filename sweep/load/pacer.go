package load

import "time"

// How the pacer waits. A sleep of the thread ends 10-100 us late. So the pacer sets its end
// earlier by a lead, and spins (a busy loop) for the rest. It adjusts the lead so that 1 of 3
// sleeps ends before the lead has passed, which limits spinning to a few microseconds. Spinning
// may use 1% of a core; at high rates, when that is used up, requests are as late as the
// sleeps.
const (
	longWait      = 3 * time.Millisecond // from here on, the runtime's timer waits for most of the time
	timerMargin   = 2 * time.Millisecond // that timer is up to 1.2 ms late
	maxLead       = 150 * time.Microsecond
	minLead       = 2 * time.Microsecond
	initialLead   = 60 * time.Microsecond
	leadStep      = 250 * time.Nanosecond
	spinDivisor   = 100 // spin for at most 1/100 of the time
	maxSpinCredit = time.Millisecond
)

// pacer waits for planned times on a locked thread.
type pacer struct {
	start   time.Time
	sleeper sleeper
	lead    time.Duration
	budget  spinBudget

	// For waits above longWait the pacer calls waitLong, which waits for a part of the
	// time that is left; false ends the wait.
	longWait time.Duration
	waitLong func(left time.Duration) bool
}

// newPacer prepares the calling thread; end restores it.
func newPacer(start time.Time, waitLong func(time.Duration) bool) *pacer {
	return &pacer{start: start, sleeper: newSleeper(start), lead: initialLead, longWait: longWait, waitLong: waitLong}
}

func (p *pacer) end() { p.sleeper.end() }

// wait waits until the run's elapsed time is t, or until waitLong returns false, and returns
// the elapsed time.
func (p *pacer) wait(t time.Duration) time.Duration {
	for {
		now := time.Since(p.start)
		p.budget.add(now)
		lead := p.lead
		if !p.budget.has(lead) {
			lead = 0
		}
		switch left := t - now; {
		case left <= 0:
			return now
		case left > p.longWait:
			if !p.waitLong(left) {
				return now
			}
		case left > lead:
			p.sleeper.sleepUntil(t-lead, now)
			if late := time.Since(p.start) - (t - lead); late >= 0 { // else a signal ended the sleep
				p.lead = adjustLead(p.lead, late)
			}
		default:
			p.budget.spend(left)
			for now < t {
				now = time.Since(p.start)
			}
			return now
		}
	}
}

// adjustLead moves the lead towards the 1/3 quantile of the delays of sleeps: up one step after
// a larger delay, down two steps after a smaller one.
func adjustLead(lead, late time.Duration) time.Duration {
	if late > lead {
		return min(lead+leadStep, maxLead)
	}
	return max(lead-2*leadStep, minLead)
}

// spinBudget limits the time of spinning.
type spinBudget struct{ credit, updated time.Duration }

func (s *spinBudget) add(now time.Duration) {
	s.credit = min(s.credit+(now-s.updated)/spinDivisor, maxSpinCredit)
	s.updated = now
}

func (s *spinBudget) has(d time.Duration) bool { return s.credit >= d }

func (s *spinBudget) spend(d time.Duration) { s.credit -= d }
