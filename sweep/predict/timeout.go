package predict

import (
	"time"

	"sweetspot/sweep/load"
)

// nextTimeout returns, with a Timeout, when the next client gives up. Requests time out in the order of
// their arrival.
func (s *Sim) nextTimeout() time.Duration {
	s.waiting = max(s.waiting, s.first) // those before first have ended
	for s.waiting < s.tail && s.ring[s.waiting&(len(s.ring)-1)].ended {
		s.waiting++
	}
	if s.waiting == s.tail {
		return never
	}
	return s.ring[s.waiting&(len(s.ring)-1)].arrived + s.c.Timeout
}

// giveUp ends the request of nextTimeout for its client. It stays in its queue or batch.
func (s *Sim) giveUp() {
	r := &s.ring[s.waiting&(len(s.ring)-1)]
	r.ended = true
	if s.c.Detail && r.arrived >= s.c.Warm {
		s.samples = append(s.samples, load.Sample{Planned: r.arrived, Latency: s.c.Timeout, Body: r.body, Outcome: load.Timeout})
	}
	if s.c.Plan == nil {
		s.arrive()
	}
}

// end marks the requests of a batch as answered, and returns how many of them still had a client.
func (s *Sim) end(w *worker) int {
	n := 0
	for i := w.from; i < w.to; i++ {
		r := &s.ring[i&(len(s.ring)-1)]
		if !r.ended {
			n++
		}
		r.ended = true
	}
	return n
}
