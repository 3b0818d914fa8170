// Package predict simulates a served model in virtual time: the engine's own
// batching rule ([batching.Collector], stepped as the engine steps it), a queue
// with its bound and refusals, workers that take what a service-time curve says,
// and arrivals that are the generator's own plan ([load.Plan]).
//
// [New] makes a [Sim] of a [Config]; [Sim.Advance] lets virtual time pass, and
// what was answered until then is in [Sim.Latencies] or [Sim.Samples]. A Sim
// that is Reset keeps its memory, and allocates nothing per request once warm.
// [MaxRate] finds the load that a setting bears, and a [Corrector] says by how
// much a short measurement was lucky.
//
// The same Config gives the same run, on every machine. A Sim belongs to one
// goroutine.
//
// What it leaves out: decoding, encoding and the network, cancelled requests,
// and everything that the curve does not know. A service-time spread and a
// wake-up delay may be added, and make it a stand-in for a real server, the
// truth of a test.
package predict

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"sweetspot/engine/batching"
	"sweetspot/engine/knob"
	"sweetspot/engine/latency"
	"sweetspot/engine/servicetime"
	"sweetspot/sweep/load"
)

// Config is one simulated run.
type Config struct {
	Settings knob.Settings     // workers, batch size, batch delay, queue size; the rest is the curve's
	Rule     knob.Rule         // how batches form
	Service  servicetime.Curve // s(b); its spread makes batches take longer and shorter

	// Plan holds the send times of an open or trace load, ascending. It is not
	// changed. Without it the load is closed.
	Plan []time.Duration
	// Clients is the concurrency of a closed load. All send at once at the
	// start; each sends again the moment its answer comes.
	Clients int
	// Requests is how many a closed load sends at most; 0 is no limit.
	Requests int

	// Wake is the mean, of an exponential law, of how long a worker takes to
	// wake up for a batch that finds it asleep. One that has just ended a batch
	// is awake.
	Wake time.Duration
	Seed uint64        // of spread and Wake
	Warm time.Duration // requests sent before are not recorded

	// Detail records a load.Sample of every request, refused ones too, instead
	// of the latencies of answered ones.
	Detail bool
}

// rest is how long a refused client of a closed load waits before it sends
// again, about the least that a refusal takes over the network. Without it a
// full queue would stop virtual time.
const rest = time.Millisecond

// seedStream is the second half of the seed: the load draws from another.
const seedStream = 0x70726564

// never is later than everything.
const never = batching.Never

// Sim is one simulated server under load.
type Sim struct {
	c     Config
	col   *batching.Collector
	queue int
	now   time.Duration
	wake  time.Duration // when the collector wants to be stepped

	plan []time.Duration // send times; of a closed load those of its start and of refused clients
	next int             // the first of them still to come
	room int             // requests a closed load may still send

	median []time.Duration // by batch size
	sigma  []float64       // likewise
	noisy  bool
	pcg    *rand.PCG
	rng    *rand.Rand

	ring    []request // the open batch, then the queue; the length is a power of two
	head    int       // the open batch's first; indices grow for ever
	taken   int       // the queue's first
	tail    int       // the next free place
	workers []worker
	idle    []int32   // workers, the one that became idle last at the end
	busy    []running // by end, latest first
	awake   bool      // the last idle worker has just ended a batch

	sent, refused int
	own           []time.Duration // memory of plan for closed loads
	latencies     []float64
	samples       []load.Sample
	scratch       []float64 // of Quantile
}

// request is one that was not refused.
type request struct{ arrived, taken time.Duration }

// worker is one with its batch.
type worker struct {
	batch            []request
	sent, start, end time.Duration
}

// running is when a busy worker is done.
type running struct {
	end    time.Duration
	worker int32
}

// New returns a server that has just started, its queue empty.
func New(c Config) *Sim {
	pcg := rand.NewPCG(0, 0)
	s := &Sim{pcg: pcg, rng: rand.New(pcg), ring: make([]request, 64)}
	s.Reset(c)
	return s
}

// Reset starts anew with another config and the memory of before: slices that
// were returned are overwritten.
func (s *Sim) Reset(c Config) {
	s.c, s.queue = c, c.Settings.QueueSize
	s.now, s.wake, s.next, s.sent, s.refused, s.awake = 0, never, 0, 0, 0, false
	s.head, s.taken, s.tail = 0, 0, 0
	s.latencies, s.samples = s.latencies[:0], s.samples[:0]
	s.pcg.Seed(c.Seed, seedStream)
	s.plan, s.room = c.Plan, math.MaxInt
	if c.Plan == nil {
		s.own = append(s.own[:0], make([]time.Duration, c.Clients)...)
		s.plan = s.own
		if c.Requests > 0 {
			s.room = c.Requests
		}
	}
	s.setService()
	rule := batching.TorchServe
	if c.Rule == knob.Eager {
		rule = batching.Eager
	}
	s.col = batching.New(batching.Config{Rule: rule, Size: c.Settings.BatchSize, Delay: c.Settings.BatchDelay})
	s.workers = slices.Grow(s.workers[:0], c.Settings.Workers)[:c.Settings.Workers]
	s.idle, s.busy = s.idle[:0], s.busy[:0]
	for i := range s.workers {
		s.idle = append(s.idle, int32(i))
		s.step(batching.Event{Kind: batching.WorkerIdle})
	}
}

// setService puts the curve into tables.
func (s *Sim) setService() {
	s.median, s.sigma, s.noisy = append(s.median[:0], 0), append(s.sigma[:0], 0), false
	for b := 1; b <= s.c.Settings.BatchSize; b++ {
		sigma := s.c.Service.Sigma(b)
		s.median, s.sigma = append(s.median, s.c.Service.At(b)), append(s.sigma, sigma)
		s.noisy = s.noisy || sigma > 0
	}
}

// Now is the time of the last event.
func (s *Sim) Now() time.Duration { return s.now }

// Sent is how many requests were sent, refused ones included.
func (s *Sim) Sent() int { return s.sent }

// Refused is how many found the queue full.
func (s *Sim) Refused() int { return s.refused }

// Latencies returns the request latencies in ms, in order of completion, of
// what was sent from Warm on; nil with Detail. The slice is overwritten by
// Reset.
func (s *Sim) Latencies() []float64 { return s.latencies }

// Samples returns, with Detail, what was sent from Warm on, in order of
// completion. The slice is overwritten by Reset.
func (s *Sim) Samples() []load.Sample { return s.samples }

// Quantile is the quantile q of Latencies in ms, by the index rule of package
// latency; NaN where there are fewer than 1/(1-q).
func (s *Sim) Quantile(q float64) float64 {
	s.scratch = append(s.scratch[:0], s.latencies...)
	return s.quantile(q)
}

// quantile is that of scratch, whose values it moves about.
func (s *Sim) quantile(q float64) float64 {
	n := float64(len(s.scratch))
	if n*(1-q) < 1-1e-9 {
		return math.NaN()
	}
	return nth(s.scratch, max(int(math.Ceil(q*n-1e-9*n)), 1)-1)
}

// nth returns what would be v[k] if v were sorted, and moves v's values about:
// Hoare's selection, which long runs want instead of a sort.
func nth(v []float64, k int) float64 {
	for low, high := 0, len(v)-1; low < high; {
		pivot := v[low+(high-low)/2]
		i, j := low, high
		for i <= j {
			for v[i] < pivot {
				i++
			}
			for v[j] > pivot {
				j--
			}
			if i <= j {
				v[i], v[j] = v[j], v[i]
				i, j = i+1, j-1
			}
		}
		switch {
		case k <= j:
			high = j
		case k >= i:
			low = i
		default:
			return v[k]
		}
	}
	return v[k]
}

// Hist returns Latencies as a histogram.
func (s *Sim) Hist() *latency.Hist {
	h := latency.New()
	for _, v := range s.latencies {
		h.Record(time.Duration(v * float64(time.Millisecond)))
	}
	return h
}
