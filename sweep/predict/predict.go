// Package predict simulates a served model in virtual time: the batching rule of the engine
// ([batching.Collector], stepped as in the engine), a bounded queue with refusals, workers with
// the service times of a curve, and the arrivals of the load generator ([load.Plan]).
//
// [New] makes a [Sim] of a [Config]; [Sim.Advance] advances the virtual time. The answers so far
// are in [Sim.Latencies] or [Sim.Samples]. After Reset a Sim reuses its memory and allocates
// nothing per request. [MaxRate] finds the highest load at which a setting keeps a promise. A
// [Corrector] corrects the bias of a short measurement.
//
// The same Config gives the same run on every machine. Only one goroutine may use a Sim.
//
// It does not simulate decoding, encoding, the network, servers that notice that a client has given up, and anything
// that the curve does not have. A spread of service times and a wake-up delay may be added, so that
// it can replace a real server in tests.
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
	Settings knob.Settings     // workers, batch size, batch delay, queue size; Service covers the others
	Rule     knob.Rule         // batching rule
	Service  servicetime.Curve // service times s(b) with their spread
	// Lengths, if it is not nil, simulates requests of different lengths: the time of a batch
	// differs from that of Service as its lengths do from the mean of batches of its size,
	// and has the spread of Lengths. Sim does not change it.
	Lengths *Lengths

	// Plan has the ascending send times of an open or trace load. Sim does not change
	// it. If it is nil, the load is closed.
	Plan []time.Duration
	// Clients is the concurrency of a closed load. All clients send at the start; each
	// sends again as soon as it has its answer.
	Clients int
	// Requests is the largest number of requests of a closed load; 0 is no limit.
	Requests int

	// Wake is the mean of the exponentially distributed time that a sleeping worker needs
	// to wake up for a batch. A worker that has just ended a batch is awake.
	Wake time.Duration
	Seed uint64        // of spread and Wake
	Warm time.Duration // requests sent before this time are not recorded

	// Timeout is the time after which a client gives up, which needs Detail; 0 is never. The sample of the request
	// has this latency, and a client of a closed load sends again. The server executes the request all the same, as
	// one does that does not notice it.
	Timeout time.Duration

	// Detail records a load.Sample of every request, also of refused ones, instead of
	// the latencies of answered ones.
	Detail bool
}

// refusedPause is the time until a refused client of a closed load sends again, about the
// shortest time of a refusal over the network. Without it, virtual time would stop at a full
// queue.
const refusedPause = time.Millisecond

// seedStream is the second seed of the random generator, so that it differs from the load's.
const seedStream = 0x70726564

// never is later than everything.
const never = batching.Never

// Sim is one simulated server under load.
type Sim struct {
	c         Config
	collector *batching.Collector
	queue     int
	now       time.Duration
	wake      time.Duration // when to step the collector with Timer

	plan      []time.Duration // send times; for a closed load only those of the start and of refused clients
	next      int             // index of the next send time
	remaining int             // requests that a closed load may still send

	medians   []time.Duration // by batch size
	sigmas    []float64       // likewise
	hasSpread bool
	pcg       *rand.PCG
	rng       *rand.Rand

	// ring has the batches of the workers, the open batch and the queue: requests are sent in the order of their arrival, so
	// that each batch is a part of it. Its length is a power of two.
	ring      []request
	first     int // index of the first request that may still be needed
	head      int // index of the first request of the open batch; indices are not wrapped
	queueHead int // index of the first request of the queue
	tail      int // index of the next free element
	waiting   int // with Timeout: index of the first request whose client may give up next
	workers   []worker
	idle      []int32      // idle workers; the last one became idle last
	busy      []busyWorker // sorted by end, the latest first
	awake     bool         // the last idle worker has just ended a batch

	sent, refused int
	closedPlan    []time.Duration // memory of plan for closed loads
	lengths       []int64         // temporary memory of lengthTime
	lengthMeans   []float64       // mean times by batch size, with Config.Lengths
	latencies     []float64
	samples       []load.Sample
	sortBuffer    []float64 // temporary memory of Quantile
}

// request is a request that was not refused.
type request struct {
	arrived, taken time.Duration
	body           int32 // index in Lengths.Drawn
	ended          bool  // with Timeout: it was answered, or its client gave up
}

// worker is a worker with its batch.
type worker struct {
	from, to         int // the batch: indices of requests in the ring
	sent, start, end time.Duration
}

// size is the number of requests of the batch.
func (w *worker) size() int { return w.to - w.from }

// busyWorker has the end time of the batch of a worker.
type busyWorker struct {
	end    time.Duration
	worker int32
}

// New returns a Sim with an empty queue at time 0.
func New(c Config) *Sim {
	pcg := rand.NewPCG(0, 0)
	s := &Sim{pcg: pcg, rng: rand.New(pcg), ring: make([]request, 64)}
	s.Reset(c)
	return s
}

// Reset starts again at time 0 with another config. It reuses the memory: returned slices are
// overwritten.
func (s *Sim) Reset(c Config) {
	s.c, s.queue = c, c.Settings.QueueSize
	s.now, s.wake, s.next, s.sent, s.refused, s.awake = 0, never, 0, 0, 0, false
	s.first, s.head, s.queueHead, s.tail, s.waiting = 0, 0, 0, 0, 0
	s.latencies, s.samples = s.latencies[:0], s.samples[:0]
	s.pcg.Seed(c.Seed, seedStream)
	s.plan, s.remaining = c.Plan, math.MaxInt
	if c.Plan == nil {
		s.closedPlan = append(s.closedPlan[:0], make([]time.Duration, c.Clients)...)
		s.plan = s.closedPlan
		if c.Requests > 0 {
			s.remaining = c.Requests
		}
	}
	s.setService()
	rule := batching.TorchServe
	if c.Rule == knob.Eager {
		rule = batching.Eager
	}
	s.collector = batching.New(batching.Config{Rule: rule, Size: c.Settings.BatchSize, Delay: c.Settings.BatchDelay})
	s.workers = slices.Grow(s.workers[:0], c.Settings.Workers)[:c.Settings.Workers]
	s.idle, s.busy = s.idle[:0], s.busy[:0]
	for i := range s.workers {
		s.idle = append(s.idle, int32(i))
		s.step(batching.Event{Kind: batching.WorkerIdle})
	}
}

// setService computes tables of the curve.
func (s *Sim) setService() {
	s.medians, s.sigmas, s.hasSpread = append(s.medians[:0], 0), append(s.sigmas[:0], 0), false
	for b := 1; b <= s.c.Settings.BatchSize; b++ {
		sigma := s.c.Service.Sigma(b)
		s.medians, s.sigmas = append(s.medians, s.c.Service.At(b)), append(s.sigmas, sigma)
		s.hasSpread = s.hasSpread || sigma > 0
	}
	s.lengthMeans = s.lengthMeans[:0]
	if l := s.c.Lengths; l != nil {
		s.lengthMeans = append(s.lengthMeans, 0)
		for b := 1; b <= s.c.Settings.BatchSize; b++ {
			s.lengthMeans = append(s.lengthMeans, l.mean(b))
		}
	}
}

// Now returns the time of the last event.
func (s *Sim) Now() time.Duration { return s.now }

// Sent returns the number of sent requests, including refused ones.
func (s *Sim) Sent() int { return s.sent }

// Refused returns the number of refused requests.
func (s *Sim) Refused() int { return s.refused }

// Latencies returns the latencies in ms, in order of completion, of the requests that were sent
// from Warm on; nil with Detail. Reset overwrites the slice.
func (s *Sim) Latencies() []float64 { return s.latencies }

// Samples returns, with Detail, the requests that were sent from Warm on, in order of
// completion. Reset overwrites the slice.
func (s *Sim) Samples() []load.Sample { return s.samples }

// Quantile returns the quantile q of Latencies in ms, as defined in package latency; NaN if there
// are fewer than 1/(1-q).
func (s *Sim) Quantile(q float64) float64 {
	s.sortBuffer = append(s.sortBuffer[:0], s.latencies...)
	return s.quantile(q)
}

// quantile returns the quantile of sortBuffer and reorders its values.
func (s *Sim) quantile(q float64) float64 {
	n := float64(len(s.sortBuffer))
	if n*(1-q) < 1-1e-9 {
		return math.NaN()
	}
	return selectNth(s.sortBuffer, max(int(math.Ceil(q*n-1e-9*n)), 1)-1)
}

// selectNth returns the value that v[k] would have if v were sorted, and reorders v. It is
// Hoare's selection algorithm, which is faster than a sort.
func selectNth(v []float64, k int) float64 {
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
