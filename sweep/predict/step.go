package predict

import (
	"math"
	"slices"
	"time"

	"sweetspot/engine/batching"
	"sweetspot/sweep/load"
)

// Advance simulates all events up to and including the given time. It returns false if the load
// has ended and all requests are answered.
func (s *Sim) Advance(until time.Duration) bool {
	for {
		sent, done, due := never, never, never
		if s.next < len(s.plan) {
			sent = s.plan[s.next]
		}
		if n := len(s.busy); n > 0 {
			done = s.busy[n-1].end
		}
		if s.c.Timeout > 0 {
			due = s.nextTimeout()
		}
		at := min(done, sent, s.wake, due)
		if at > until || at == never {
			return at != never
		}
		s.now = at
		switch at {
		case due: // first: an answer at this moment is late
			s.giveUp()
		case done: // the end of a batch first: its worker may take a request that arrives now
			s.complete()
		case sent:
			if len(s.idle) == 0 && s.queueArrivals(min(done, due), until) {
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
	s.enqueue(s.now)
	s.step(batching.Event{Kind: batching.Arrived})
}

// queueArrivals queues the requests that arrive before the given end of a batch, at most until the given time, while no
// worker is idle: the collector only counts them. It returns false if there is none, or no room for one.
func (s *Sim) queueArrivals(before, until time.Duration) bool {
	end := min(before, until+1)
	if s.c.Timeout > 0 {
		end = min(end, s.plan[s.next]+s.c.Timeout) // when the client of the first of them may give up
	}
	rest := s.plan[s.next:]
	rest = rest[:min(s.queue-s.collector.Queued(), s.remaining, len(rest))]
	n := 0
	for n < len(rest) && rest[n] < end {
		n++
	}
	if n == 0 {
		return false
	}
	s.next += n
	s.now = rest[n-1]
	s.enqueue(rest[:n]...)
	s.step(batching.Event{Kind: batching.Arrived, N: n})
	return true
}

// enqueue adds requests to the queue, by their times of arrival.
func (s *Sim) enqueue(arrivals ...time.Duration) {
	if s.tail+len(arrivals)-s.first > len(s.ring) {
		s.makeRoom(len(arrivals))
	}
	ring, tail := s.ring, s.tail
	for i, at := range arrivals {
		ring[(tail+i)&(len(ring)-1)].arrived = at
	}
	if s.c.Timeout > 0 {
		for i := range arrivals {
			ring[(tail+i)&(len(ring)-1)].ended = false
		}
	}
	if l := s.c.Lengths; l != nil {
		for i := range arrivals {
			ring[(tail+i)&(len(ring)-1)].body = int32((s.sent + i) % len(l.Drawn))
		}
	}
	s.tail += len(arrivals)
	s.sent += len(arrivals)
	s.remaining -= len(arrivals)
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

// makeRoom makes room for n more requests in the ring: it frees those before the first one that is needed, and doubles the
// ring until they fit and at most half of it was in use.
func (s *Sim) makeRoom(n int) {
	s.first = s.head
	for _, b := range s.busy {
		s.first = min(s.first, s.workers[b.worker].from)
	}
	size := len(s.ring)
	for used := s.tail - s.first; used > size/2 || used+n > size; {
		size *= 2
	}
	if size == len(s.ring) {
		return
	}
	ring := make([]request, size)
	for i := s.first; i < s.tail; i++ {
		ring[i&(size-1)] = s.ring[i&(len(s.ring)-1)]
	}
	s.ring = ring
}

// step steps the collector and executes its actions, as engine.ModelService does.
func (s *Sim) step(e batching.Event) {
	a := s.collector.Step(s.now, e)
	for a.Do != batching.Wait {
		if a.Do == batching.Take {
			arrived := s.ring[s.queueHead&(len(s.ring)-1)].arrived
			s.take(a.N)
			a = s.collector.Step(s.now, batching.Event{Kind: batching.Took, Arrival: arrived, N: a.N})
			continue
		}
		s.send()
		a = s.collector.Step(s.now, batching.Event{Kind: batching.Sent})
	}
	s.wake = a.Wake
}

// take moves n requests from the queue to the open batch.
func (s *Sim) take(n int) {
	if s.c.Detail {
		for i := s.queueHead; i < s.queueHead+n; i++ {
			s.ring[i&(len(s.ring)-1)].taken = s.now
		}
	}
	s.queueHead += n
}

// send gives the open batch to the worker that became idle last.
func (s *Sim) send() {
	last := len(s.idle) - 1
	id := s.idle[last]
	s.idle = s.idle[:last]
	w := &s.workers[id]
	w.from, w.to = s.head, s.queueHead
	s.head = s.queueHead
	w.sent, w.start = s.now, s.now
	if s.c.Wake > 0 && !s.awake {
		w.start += time.Duration(s.rng.ExpFloat64() * float64(s.c.Wake))
	}
	s.awake = false
	w.end = w.start + s.service(w)
	s.insert(busyWorker{w.end, id})
}

// service returns the time of the batch of a worker.
func (s *Sim) service(w *worker) time.Duration {
	n := w.size()
	if s.c.Lengths != nil {
		return s.lengthTime(w)
	}
	if !s.hasSpread {
		return s.medians[n]
	}
	return time.Duration(float64(s.medians[n]) * math.Exp(s.sigmas[n]*s.rng.NormFloat64()))
}

// lengthTime returns the time of the runs of the batch of a worker.
func (s *Sim) lengthTime(w *worker) time.Duration {
	l, n := s.c.Lengths, w.size()
	s.lengths = s.lengths[:0]
	for i := w.from; i < w.to; i++ {
		s.lengths = append(s.lengths, l.Drawn[s.ring[i&(len(s.ring)-1)].body])
	}
	t := float64(s.medians[n]) * l.batch(s.lengths) / s.lengthMeans[n]
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
	if s.c.Detail {
		s.detail(w)
	} else {
		s.record(w)
	}
	s.idle = append(s.idle, id)
	s.awake = true
	answered := w.size()
	if s.c.Timeout > 0 {
		answered = s.end(w)
	}
	s.step(batching.Event{Kind: batching.WorkerIdle})
	s.awake = false
	if s.c.Plan == nil {
		for range answered {
			s.arrive()
		}
	}
}

// record records the latency of each request of a batch.
func (s *Sim) record(w *worker) {
	latencies, ring, warm, now := slices.Grow(s.latencies, w.size()), s.ring, s.c.Warm, s.now
	for i := w.from; i < w.to; i++ {
		if arrived := ring[i&(len(ring)-1)].arrived; arrived >= warm {
			latencies = append(latencies, float64(now-arrived)*1e-6)
		}
	}
	s.latencies = latencies
}

// detail records a sample for each request of a batch. Decoding and encoding are not simulated
// and are 0.
func (s *Sim) detail(w *worker) {
	for i := w.from; i < w.to; i++ {
		r := s.ring[i&(len(s.ring)-1)]
		if r.arrived < s.c.Warm || r.ended && s.c.Timeout > 0 {
			continue
		}
		s.samples = append(s.samples, load.Sample{
			Planned: r.arrived, Latency: w.end - r.arrived,
			Model: w.end - w.start, Queue: r.taken - r.arrived, Formation: w.sent - r.taken,
			Batch: int32(w.size()), Body: r.body, Status: 200, Outcome: load.OK,
		})
	}
}
