package servercost

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"sweetspot/engine/batching"
	"sweetspot/engine/knob"
)

// Load is a closed load, or an open one if it has Arrivals.
type Load struct {
	Clients  int             // closed: each sends again as soon as it has its answer
	Requests int             // closed: answers to simulate
	Arrivals []time.Duration // open: ascending send times
	Seed     uint64          // of the spread
}

// The first part of the answers does not count.
const warmupPart = 10

// Figures are the results of a simulation.
type Figures struct {
	Rate     float64 // answers per second
	P50, P99 float64 // request latency in ms; P99 is NaN with fewer than 100 answers
	Batch    float64 // mean size of the batches
	Refused  int     // requests that were refused
}

// Simulate simulates a server with settings, of which it uses workers, batch size, batch delay and
// queue size, under a load. It returns an error for values that cannot be simulated.
func Simulate(s Server, set knob.Settings, l Load) (Figures, error) {
	m, err := simulated(s, set, l)
	if err != nil {
		return Figures{}, err
	}
	return m.figures(), nil
}

// simulated returns a machine after its load.
func simulated(s Server, set knob.Settings, l Load) (*machine, error) {
	if l.Arrivals != nil {
		l.Clients, l.Requests = max(len(l.Arrivals), 1), len(l.Arrivals)
	}
	if err := s.check(set, l.Clients); err != nil {
		return nil, err
	}
	m := newMachine(s, set, l)
	m.run()
	return m, nil
}

// task is work that uses a core.
type task struct {
	left   float64 // ns of a whole core
	kind   taskKind
	id     int  // of the worker, or of the client
	worker bool // whether busy workers slow it
}

type taskKind uint8

const (
	execute    taskKind = iota // a batch by a worker
	background                 // the server's own work for a batch
	readIn                     // a request by the frontend
	sendOut                    // an answer by the frontend
)

// machine is a simulation. Times are in ns.
type machine struct {
	s         Server
	load      Load
	collector *batching.Collector
	queueSize int
	rng       *rand.Rand

	now     float64
	wake    time.Duration // when to step the collector with Timer
	tasks   []task        // that run
	waiting []task        // of the frontend, in order
	serving bool          // a task of the frontend runs
	busy    int           // workers that execute
	sleep   []sleeper     // clients that send later, in order
	sentAt  []float64     // by client
	queue   []int         // clients whose requests wait for a batch, then those of the open batch at its begin
	taken   int           // requests of the open batch, at the begin of queue
	idle    []int         // workers
	last    int           // worker of the last batch
	batches [][]int       // clients of the batch of each worker

	answered  int // or refused, of an open load
	refused   int
	count     int // batches after the warm-up
	rows      int // requests in them
	begin     float64
	latencies []float64 // ms, after the warm-up
}

type sleeper struct {
	until  float64
	client int
}

func newMachine(s Server, set knob.Settings, l Load) *machine {
	m := &machine{
		s: s, load: l, queueSize: max(set.QueueSize, 1), wake: batching.Never,
		rng:       rand.New(rand.NewPCG(l.Seed, 0x636f7374)),
		collector: batching.New(batching.Config{Rule: batching.TorchServe, Size: set.BatchSize, Delay: set.BatchDelay}),
		sentAt:    make([]float64, l.Clients), batches: make([][]int, set.Workers),
	}
	for i := range set.Workers {
		m.idle = append(m.idle, i)
		m.step(batching.Event{Kind: batching.WorkerIdle})
	}
	for i, at := range l.Arrivals {
		m.sleep = append(m.sleep, sleeper{float64(at), i})
	}
	for i := range l.Clients {
		if l.Arrivals == nil {
			m.send(i)
		}
	}
	return m
}

// run simulates until all answers are there.
func (m *machine) run() {
	for m.answered < m.load.Requests {
		i, at := m.nextTask()
		asleep := math.Inf(1)
		if len(m.sleep) > 0 {
			asleep = m.sleep[0].until
		}
		timer := math.Inf(1)
		if m.wake != batching.Never {
			timer = max(float64(m.wake), m.now)
		}
		until := min(at, asleep, timer)
		if math.IsInf(until, 1) {
			panic("servercost: no request is under way")
		}
		m.advance(until)
		switch until {
		case at:
			m.end(i)
		case asleep:
			s := m.sleep[0]
			m.sleep = m.sleep[1:]
			m.send(s.client)
		default:
			m.step(batching.Event{Kind: batching.Timer})
		}
	}
}

// speeds returns which part of a core a task gets, of the frontend and of a worker.
func (m *machine) speeds() (frontend, worker float64) {
	share := 1.0
	if n := len(m.tasks); n > m.s.Cores {
		share = float64(m.s.Cores) / float64(n)
	}
	running := share * float64(m.busy) // workers that run at a time
	return share, share / (1 + m.s.Cost.Slowdown*max(running-1, 0))
}

// nextTask returns the task that ends first, and when.
func (m *machine) nextTask() (index int, at float64) {
	index, at = -1, math.Inf(1)
	frontend, worker := m.speeds()
	for i, t := range m.tasks {
		speed := frontend
		if t.worker {
			speed = worker
		}
		if end := m.now + t.left/speed; end < at {
			index, at = i, end
		}
	}
	return index, at
}

// advance runs all tasks until a time.
func (m *machine) advance(until float64) {
	frontend, worker := m.speeds()
	d := until - m.now
	for i := range m.tasks {
		speed := frontend
		if m.tasks[i].worker {
			speed = worker
		}
		m.tasks[i].left -= d * speed
	}
	m.now = until
}

// end ends a running task.
func (m *machine) end(i int) {
	t := m.tasks[i]
	m.tasks[i] = m.tasks[len(m.tasks)-1]
	m.tasks = m.tasks[:len(m.tasks)-1]
	switch t.kind {
	case execute:
		m.busy--
		m.complete(t.id)
	case background:
	case readIn:
		m.serving = false
		m.arrive(t.id)
	case sendOut:
		m.serving = false
		m.answer(t.id)
	}
	m.serve()
}

// serve starts the next task of the frontend, which has one thread.
func (m *machine) serve() {
	if !m.serving && len(m.waiting) > 0 {
		m.tasks = append(m.tasks, m.waiting[0])
		m.waiting = m.waiting[1:]
		m.serving = true
	}
}

// send sends the next request of a client.
func (m *machine) send(client int) {
	m.sentAt[client] = m.now
	m.frontend(readIn, client)
}

// frontend gives the frontend a task, half of the work for a request.
func (m *machine) frontend(k taskKind, client int) {
	m.waiting = append(m.waiting, task{left: m.s.Cost.Frontend / 2 * 1e6, kind: k, id: client})
	m.serve()
}

// refusedPause is the time, in ns, until a refused client sends again.
const refusedPause = 1e6

// arrive adds a request to the queue.
func (m *machine) arrive(client int) {
	if len(m.queue)-m.taken >= m.queueSize {
		m.refused++
		if m.load.Arrivals != nil {
			m.countAnswer()
			return
		}
		m.sleep = append(m.sleep, sleeper{m.now + refusedPause, client}) // in order, because all pauses are equal
		return
	}
	m.queue = append(m.queue, client)
	m.step(batching.Event{Kind: batching.Arrived})
}

// answer ends a request.
func (m *machine) answer(client int) {
	m.countAnswer()
	if m.answered > m.load.Requests/warmupPart {
		m.latencies = append(m.latencies, (m.now-m.sentAt[client])*1e-6)
	}
	if m.load.Arrivals == nil {
		m.send(client)
	}
}

// countAnswer counts an answer or a refusal, and ends the warm-up.
func (m *machine) countAnswer() {
	m.answered++
	if m.answered == m.load.Requests/warmupPart {
		m.begin, m.count, m.rows = m.now, 0, 0
	}
}

// complete answers the requests of a batch.
func (m *machine) complete(worker int) {
	batch := m.batches[worker]
	m.count++
	m.rows += len(batch)
	for _, client := range batch {
		m.frontend(sendOut, client)
	}
	if m.s.Cost.Background > 0 {
		m.tasks = append(m.tasks, task{left: m.s.Cost.Background * 1e6, kind: background})
	}
	m.idle = append(m.idle, worker)
	m.step(batching.Event{Kind: batching.WorkerIdle})
}

// step steps the collector and executes its actions.
func (m *machine) step(e batching.Event) {
	now := time.Duration(m.now)
	a := m.collector.Step(now, e)
	for a.Do != batching.Wait {
		if a.Do == batching.Take {
			m.taken++
			a = m.collector.Step(now, batching.Event{Kind: batching.Took, Arrival: now})
			continue
		}
		m.dispatch()
		a = m.collector.Step(now, batching.Event{Kind: batching.Sent})
	}
	m.wake = a.Wake
}

// dispatch gives the open batch to the worker that has been idle for the longest time.
func (m *machine) dispatch() {
	worker := m.idle[0]
	m.idle = m.idle[1:]
	m.batches[worker] = append(m.batches[worker][:0], m.queue[:m.taken]...)
	m.queue = m.queue[m.taken:]
	left := m.s.cycle(m.taken)
	if worker != m.last && m.busy == 0 {
		left += m.s.Cost.Switch * 1e6
	}
	m.last = worker
	if m.s.Spread > 0 {
		sigma := math.Sqrt(math.Log1p(m.s.Spread * m.s.Spread))
		left *= math.Exp(sigma*m.rng.NormFloat64() - sigma*sigma/2)
	}
	m.taken = 0
	m.busy++
	m.tasks = append(m.tasks, task{left: left, kind: execute, id: worker, worker: true})
}

func (m *machine) figures() Figures {
	f := Figures{Refused: m.refused, P50: quantile(m.latencies, .5), P99: quantile(m.latencies, .99)}
	if d := (m.now - m.begin) * 1e-9; d > 0 {
		f.Rate = float64(len(m.latencies)) / d
	}
	if m.count > 0 {
		f.Batch = float64(m.rows) / float64(m.count)
	}
	return f
}

// quantile returns the quantile q, as package latency defines it, and sorts v; NaN if v has fewer than 1/(1-q)
// values.
func quantile(v []float64, q float64) float64 {
	n := float64(len(v))
	if n*(1-q) < 1-1e-9 {
		return math.NaN()
	}
	slices.Sort(v)
	return v[max(int(math.Ceil(q*n-1e-9*n)), 1)-1]
}
