package predict

import (
	"math"
	"time"

	"sweetspot/engine/batching"
	"sweetspot/sweep/load"
)

// Advance simulates all events up to and including the given time. False means
// that nothing is left: the load has ended and everything is answered.
func (s *Sim) Advance(until time.Duration) bool {
	for {
		sent, done := never, never
		if s.next < len(s.plan) {
			sent = s.plan[s.next]
		}
		if n := len(s.busy); n > 0 {
			done = s.busy[n-1].end
		}
		at := min(done, sent, s.wake)
		if at > until || at == never {
			return at != never
		}
		s.now = at
		switch at {
		case done: // an answer first: its worker may take what arrives now
			s.complete()
		case sent:
			s.next++
			s.arrive()
		default:
			s.step(batching.Event{Kind: batching.Timer})
		}
	}
}

// Run simulates to the end of the load. A closed one needs Requests.
func (s *Sim) Run() { s.Advance(never - 1) }

// Stop ends the load: nothing more is sent. What is under way goes on.
func (s *Sim) Stop() {
	s.plan = s.plan[:s.next]
	s.room = 0
}

// arrive sends one request.
func (s *Sim) arrive() {
	if s.room == 0 {
		return
	}
	s.room--
	s.sent++
	if s.col.Queued() >= s.queue {
		s.refuse()
		return
	}
	if s.tail-s.head == len(s.ring) {
		s.grow()
	}
	s.ring[s.tail&(len(s.ring)-1)].arrived = s.now
	s.tail++
	s.step(batching.Event{Kind: batching.Arrived})
}

// refuse answers at once that the queue is full.
func (s *Sim) refuse() {
	s.refused++
	if s.c.Detail && s.now >= s.c.Warm {
		s.samples = append(s.samples, load.Sample{Planned: s.now, Status: 503, Outcome: load.Refused})
	}
	if s.c.Plan == nil {
		s.own = append(s.own, s.now+rest)
		s.plan = s.own
	}
}

// grow doubles the ring.
func (s *Sim) grow() {
	ring := make([]request, 2*len(s.ring))
	for i := s.head; i < s.tail; i++ {
		ring[i&(len(ring)-1)] = s.ring[i&(len(s.ring)-1)]
	}
	s.ring = ring
}

// step steps the collector and does what it says, as engine.ModelService does.
func (s *Sim) step(e batching.Event) {
	a := s.col.Step(s.now, e)
	for a.Do != batching.Wait {
		if a.Do == batching.Take {
			r := &s.ring[s.taken&(len(s.ring)-1)]
			s.taken++
			r.taken = s.now
			a = s.col.Step(s.now, batching.Event{Kind: batching.Took, Arrival: r.arrived})
			continue
		}
		s.send()
		a = s.col.Step(s.now, batching.Event{Kind: batching.Sent})
	}
	s.wake = a.Wake
}

// send gives the open batch to the worker that became idle last.
func (s *Sim) send() {
	last := len(s.idle) - 1
	id := s.idle[last]
	s.idle = s.idle[:last]
	w := &s.workers[id]
	w.batch = w.batch[:0]
	for ; s.head < s.taken; s.head++ {
		w.batch = append(w.batch, s.ring[s.head&(len(s.ring)-1)])
	}
	w.sent, w.start = s.now, s.now
	if s.c.Wake > 0 && !s.awake {
		w.start += time.Duration(s.rng.ExpFloat64() * float64(s.c.Wake))
	}
	s.awake = false
	w.end = w.start + s.service(len(w.batch))
	s.insert(running{w.end, id})
}

// service is how long a batch of n takes.
func (s *Sim) service(n int) time.Duration {
	if !s.noisy {
		return s.median[n]
	}
	return time.Duration(float64(s.median[n]) * math.Exp(s.sigma[n]*s.rng.NormFloat64()))
}

// insert keeps busy in order. Of two that end together the earlier goes first.
func (s *Sim) insert(r running) {
	s.busy = append(s.busy, r)
	i := len(s.busy) - 1
	for ; i > 0 && s.busy[i-1].end <= r.end; i-- {
		s.busy[i] = s.busy[i-1]
	}
	s.busy[i] = r
}

// complete ends the batch that is due: answers, the worker's next batch, and the
// requests of the clients that have their answer.
func (s *Sim) complete() {
	last := len(s.busy) - 1
	id := s.busy[last].worker
	s.busy = s.busy[:last]
	w := &s.workers[id]
	n := len(w.batch)
	if s.c.Detail {
		s.detail(w)
	} else {
		for _, r := range w.batch {
			if r.arrived >= s.c.Warm {
				s.latencies = append(s.latencies, float64(s.now-r.arrived)*1e-6)
			}
		}
	}
	s.idle = append(s.idle, id)
	s.awake = true
	s.step(batching.Event{Kind: batching.WorkerIdle})
	s.awake = false
	if s.c.Plan == nil {
		for range n {
			s.arrive()
		}
	}
}

// detail records a batch request by request. What no simulated server spends,
// decoding and encoding, is 0.
func (s *Sim) detail(w *worker) {
	for _, r := range w.batch {
		if r.arrived < s.c.Warm {
			continue
		}
		s.samples = append(s.samples, load.Sample{
			Planned: r.arrived, Latency: w.end - r.arrived,
			Model: w.end - w.start, Queue: r.taken - r.arrived, Formation: w.sent - r.taken,
			Batch: int32(len(w.batch)), Status: 200, Outcome: load.OK,
		})
	}
}
