package predict

import (
	"math"
	"time"

	"sweetspot/engine/batching"
	"sweetspot/sweep/load"
)

// Advance simulates all events up to and including the given time. It returns false if the load
// has ended and all requests are answered.
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
		case done: // the end of a batch first: its worker may take a request that arrives now
			s.complete()
		case sent:
			if len(s.idle) == 0 && s.queueArrivals(done, until) {
				continue
			}
			s.next++
			s.arrive()
		default:
			s.step(batching.Event{Kind: batching.Timer})
		}
	}
}

// Run simulates to the end of the load. A closed one needs Requests.
func (s *Sim) Run() { s.Advance(never - 1) }

// Stop ends the load: no more requests are sent. Those in flight continue.
func (s *Sim) Stop() {
	s.plan = s.plan[:s.next]
	s.remaining = 0
}

// arrive sends one request.
func (s *Sim) arrive() {
	if s.remaining == 0 {
		return
	}
	if s.collector.Queued() >= s.queue {
		s.remaining--
		s.sent++
		s.refuse()
		return
	}
	s.enqueue()
	s.step(batching.Event{Kind: batching.Arrived})
}

// queueArrivals queues the requests that arrive before the given end of a batch, at most until the given time, while no
// worker is idle: the collector only counts them. It returns false if there is none, or no room for one.
func (s *Sim) queueArrivals(before, until time.Duration) bool {
	n, room := 0, min(s.queue-s.collector.Queued(), s.remaining)
	for n < room && s.next < len(s.plan) && s.plan[s.next] < before && s.plan[s.next] <= until {
		s.now = s.plan[s.next]
		s.next++
		s.enqueue()
		n++
	}
	if n > 0 {
		s.step(batching.Event{Kind: batching.Arrived, N: n})
	}
	return n > 0
}

// enqueue adds one request to the queue.
func (s *Sim) enqueue() {
	s.remaining--
	s.sent++
	if s.tail-s.head == len(s.ring) {
		s.grow()
	}
	r := &s.ring[s.tail&(len(s.ring)-1)]
	r.arrived = s.now
	if l := s.c.Lengths; l != nil {
		r.body = int32((s.sent - 1) % len(l.Drawn))
	}
	s.tail++
}

// refuse counts a refused request.
func (s *Sim) refuse() {
	s.refused++
	if s.c.Detail && s.now >= s.c.Warm {
		s.samples = append(s.samples, load.Sample{Planned: s.now, Status: 503, Outcome: load.Refused})
	}
	if s.c.Plan == nil {
		s.closedPlan = append(s.closedPlan, s.now+refusedPause)
		s.plan = s.closedPlan
	}
}

// grow doubles the size of the ring.
func (s *Sim) grow() {
	ring := make([]request, 2*len(s.ring))
	for i := s.head; i < s.tail; i++ {
		ring[i&(len(ring)-1)] = s.ring[i&(len(s.ring)-1)]
	}
	s.ring = ring
}

// step steps the collector and executes its actions, as engine.ModelService does.
func (s *Sim) step(e batching.Event) {
	a := s.collector.Step(s.now, e)
	for a.Do != batching.Wait {
		if a.Do == batching.Take {
			r := &s.ring[s.queueHead&(len(s.ring)-1)]
			s.queueHead++
			r.taken = s.now
			a = s.collector.Step(s.now, batching.Event{Kind: batching.Took, Arrival: r.arrived})
			continue
		}
		s.send()
		a = s.collector.Step(s.now, batching.Event{Kind: batching.Sent})
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
	for ; s.head < s.queueHead; s.head++ {
		w.batch = append(w.batch, s.ring[s.head&(len(s.ring)-1)])
	}
	w.sent, w.start = s.now, s.now
	if s.c.Wake > 0 && !s.awake {
		w.start += time.Duration(s.rng.ExpFloat64() * float64(s.c.Wake))
	}
	s.awake = false
	w.end = w.start + s.service(w.batch)
	s.insert(busyWorker{w.end, id})
}

// service returns the time of a batch.
func (s *Sim) service(batch []request) time.Duration {
	n := len(batch)
	if s.c.Lengths != nil {
		return s.lengthTime(batch)
	}
	if !s.hasSpread {
		return s.medians[n]
	}
	return time.Duration(float64(s.medians[n]) * math.Exp(s.sigmas[n]*s.rng.NormFloat64()))
}

// lengthTime returns the time of the runs of a batch.
func (s *Sim) lengthTime(batch []request) time.Duration {
	l := s.c.Lengths
	s.lengths = s.lengths[:0]
	for _, r := range batch {
		s.lengths = append(s.lengths, l.Drawn[r.body])
	}
	t := float64(s.medians[len(batch)]) * l.batch(s.lengths) / s.lengthMeans[len(batch)]
	if l.Spread > 0 {
		t *= math.Exp(l.Spread * s.rng.NormFloat64())
	}
	return time.Duration(t)
}

// insert adds r to busy. Of two equal end times, the earlier batch ends first.
func (s *Sim) insert(r busyWorker) {
	s.busy = append(s.busy, r)
	i := len(s.busy) - 1
	for ; i > 0 && s.busy[i-1].end <= r.end; i-- {
		s.busy[i] = s.busy[i-1]
	}
	s.busy[i] = r
}

// complete ends the next batch: it records the answers, makes the worker idle, and sends the next
// requests of the clients.
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

// detail records a sample for each request of a batch. Decoding and encoding are not simulated
// and are 0.
func (s *Sim) detail(w *worker) {
	for _, r := range w.batch {
		if r.arrived < s.c.Warm {
			continue
		}
		s.samples = append(s.samples, load.Sample{
			Planned: r.arrived, Latency: w.end - r.arrived,
			Model: w.end - w.start, Queue: r.taken - r.arrived, Formation: w.sent - r.taken,
			Batch: int32(len(w.batch)), Body: r.body, Status: 200, Outcome: load.OK,
		})
	}
}
