package load

import (
	"sync"
	"time"
)

// burstTime is the time whose requests may be sent at once after a pause of the load.
const burstTime = 100 * time.Millisecond

// throttle limits the rate of a closed load: a request beyond it waits, and with it its client. It may be
// behind by a burst, so that it does not spread the requests of clients who get their answers in batches, as
// long as their rate is within the limit: in any T seconds at most Rate x T requests and one burst are sent.
//
// It is the generic cell rate algorithm (ITU-T I.371): next is the time at which the next request is due at
// exactly the largest rate.
type throttle struct {
	gap   time.Duration // between two requests at the largest rate
	burst time.Duration // by how much next may be in the past

	mu   sync.Mutex
	next time.Duration // since the start of the run
}

// newThrottle returns nil if the rate has no limit. All clients of a load within the limit of a second may begin
// at the same time.
func newThrottle(c Config) *throttle {
	if c.MaxRate == 0 || c.Spec.Mode != Closed {
		return nil
	}
	gap := time.Duration(float64(time.Second) / c.MaxRate)
	first := min(float64(c.Spec.Concurrency), c.MaxRate)
	burst := max(burstTime, time.Duration(first*float64(gap)))
	return &throttle{gap: gap, burst: burst, next: -burst}
}

// take plans a request that is ready at now, and returns how long it has to wait.
func (t *throttle) take(now time.Duration) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next = max(t.next, now-t.burst)
	wait := t.next - now
	t.next += t.gap
	return max(wait, 0)
}

// wait waits until a request may be sent. held is true if it had to wait; ok is false if the run was stopped
// meanwhile.
func (t *throttle) wait(elapsed func() time.Duration, stopped <-chan struct{}) (held, ok bool) {
	if t == nil {
		return false, true
	}
	d := t.take(elapsed())
	if d == 0 {
		return false, true
	}
	select {
	case <-time.After(d):
		return true, true
	case <-stopped:
		return true, false
	}
}
