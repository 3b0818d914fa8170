package load

import "time"

// How the pacer waits. A nap ends late by some 10-100 us, so it is ordered to
// end early by a lead and the rest is spun away. The lead is learnt: 1 of 3
// naps ends within it, which keeps the spinning to a few microseconds. It may
// cost 1% of a core; when that is used up, as at high rates, sends are late by
// what the naps are.
const (
	coarse     = 3 * time.Millisecond // above, the runtime's timer does the most
	coarseRest = 2 * time.Millisecond // which is late by up to 1.2 ms
	leadMost   = 150 * time.Microsecond
	leadLeast  = 2 * time.Microsecond
	leadFirst  = 60 * time.Microsecond
	leadStep   = 250 * time.Nanosecond
	spinShare  = 100 // of each second, 1/100
	spinMost   = time.Millisecond
)

// pacer waits for planned times on a locked thread.
type pacer struct {
	start time.Time
	nap   nap
	lead  time.Duration
	purse spinPurse

	// Waits longer than coarse are left to far, which waits for most of the time
	// that is left, or shorter; false ends the waiting.
	coarse time.Duration
	far    func(left time.Duration) bool
}

// newPacer prepares the calling thread; end gives it back.
func newPacer(start time.Time, far func(time.Duration) bool) *pacer {
	return &pacer{start: start, nap: newNap(start), lead: leadFirst, coarse: coarse, far: far}
}

func (p *pacer) end() { p.nap.end() }

// wait returns the run's age once it is t, at once if it is already, and sooner
// when far says so.
func (p *pacer) wait(t time.Duration) time.Duration {
	for {
		now := time.Since(p.start)
		p.purse.earn(now)
		lead := p.lead
		if !p.purse.has(lead) {
			lead = 0
		}
		switch left := t - now; {
		case left <= 0:
			return now
		case left > p.coarse:
			if !p.far(left) {
				return now
			}
		case left > lead:
			p.nap.until(t-lead, now)
			if late := time.Since(p.start) - (t - lead); late >= 0 { // else a signal ended it
				p.lead = learn(p.lead, late)
			}
		default:
			p.purse.pay(left)
			for now < t {
				now = time.Since(p.start)
			}
			return now
		}
	}
}

// learn moves the lead towards the lateness that 1 of 3 naps stays below: up a
// step after a later one, down 2 after an earlier one.
func learn(lead, late time.Duration) time.Duration {
	if late > lead {
		return min(lead+leadStep, leadMost)
	}
	return max(lead-2*leadStep, leadLeast)
}

// spinPurse limits spinning to a share of the time.
type spinPurse struct{ credit, seen time.Duration }

func (s *spinPurse) earn(now time.Duration) {
	s.credit = min(s.credit+(now-s.seen)/spinShare, spinMost)
	s.seen = now
}

func (s *spinPurse) has(d time.Duration) bool { return s.credit >= d }

func (s *spinPurse) pay(d time.Duration) { s.credit -= d }
