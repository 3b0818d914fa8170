package load

import "time"

// How the pacer waits. A nap ends late by some 10-100 us, so it is ordered to
// end early by a lead and the rest is spun away. The lead is learnt: 2 of 3
// naps end within it, which keeps the spinning to some microseconds. It may
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
	stop  <-chan struct{}
	nap   nap
	timer *time.Timer
	lead  time.Duration
	purse spinPurse
}

// newPacer prepares the calling thread; end gives it back.
func newPacer(start time.Time, stop <-chan struct{}) *pacer {
	return &pacer{start: start, stop: stop, nap: newNap(start), timer: time.NewTimer(time.Hour), lead: leadFirst}
}

func (p *pacer) end() {
	p.timer.Stop()
	p.nap.end()
}

// wait returns the run's age once it is t, at once if it is already, and sooner
// when the run is stopped.
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
		case left > coarse:
			p.timer.Reset(left - coarseRest)
			select {
			case <-p.timer.C:
			case <-p.stop:
				return now
			}
		case left > lead:
			p.nap.until(t-lead, now)
			p.lead = learn(p.lead, time.Since(p.start)-(t-lead))
		default:
			p.purse.pay(left)
			for now < t {
				now = time.Since(p.start)
			}
			return now
		}
	}
}

// learn moves the lead towards the lateness that 2 of 3 naps stay below: up 2
// steps after a later one, down 1 after an earlier one.
func learn(lead, late time.Duration) time.Duration {
	if late > lead {
		return min(lead+2*leadStep, leadMost)
	}
	return max(lead-leadStep, leadLeast)
}

// spinPurse limits spinning to a share of the time.
type spinPurse struct{ credit, seen time.Duration }

func (s *spinPurse) earn(now time.Duration) {
	s.credit = min(s.credit+(now-s.seen)/spinShare, spinMost)
	s.seen = now
}

func (s *spinPurse) has(d time.Duration) bool { return s.credit >= d }

func (s *spinPurse) pay(d time.Duration) { s.credit -= d }
