// Package batching has the two batching rules as a pure state machine: no clock, no
// goroutine, no allocation. The engine steps it in real time and the simulator in
// virtual time, so that both build the same batches.
//
// A [Collector] only counts; it never sees a request. Its owner has a FIFO queue, one
// open batch and a set of idle workers. The owner reports each change of them as an
// [Event] and executes the returned [Action] until that is Wait:
//
//	a := c.Step(now, batching.Event{Kind: batching.Arrived})
//	for a.Do != batching.Wait {
//		switch a.Do {
//		case batching.Take: // pop the queue's head; then step with Took or Dropped
//		case batching.Send: // give the open batch to an idle worker; then step with Sent
//		}
//	}
//	// step with Timer at the time a.Wake, unless it is Never
//
// Contract, for a batch size b and a delay d:
//
//   - a batch never holds more than b requests, and batches are sent in arrival order;
//   - a batch is sent only when a worker is idle;
//   - torchserve: a batch opens when an idle worker takes a request, and is sent when
//     it has b requests, or d after that first take. The end of the delay is checked
//     after each take, so that with d = 0 a batch has at most 2 requests, however
//     many are queued. An abandoned request uses one of the b-1 further takes;
//   - eager: a batch is sent when it has b requests, or as soon as its oldest request
//     is d old; with d = 0 an idle worker takes min(queue, b) at once.
//
// The torchserve rule follows BatchAggregator and Model.pollBatch of TorchServe 0.12;
// docs/torchserve-compatibility.md lists the differences.
package batching

import "time"

// Never is the Wake of an action that needs no timer.
const Never = time.Duration(1<<63 - 1)

// Rule is a batching rule.
type Rule uint8

// The rules.
const (
	TorchServe Rule = iota
	Eager
)

// Config is the part of a rule that may change at any time.
type Config struct {
	Rule  Rule
	Size  int           // most requests in a batch, at least 1
	Delay time.Duration // longest wait for a batch to fill, not negative
}

// Kind is the kind of an event.
type Kind uint8

// The events.
const (
	Arrived       Kind = iota // N requests were appended to the queue; 0 means one
	Removed                   // N requests were removed from the queue without a take
	WorkerIdle                // a worker became idle
	WorkerRetired             // an idle worker was removed
	Took                      // after Take: the queue's head is now in the open batch
	Dropped                   // after Take: the queue's head was abandoned and dropped
	Sent                      // after Send: a worker has the open batch
	Timer                     // the time of Wake has come
	Configured                // Configure was called
)

// Event is one change that the owner reports.
type Event struct {
	Kind    Kind
	Arrival time.Duration // Took: arrival time of the taken request, of several that of the first
	N       int           // Arrived, Removed, Took: number of requests; 0 means one for Arrived and Took
}

// Do is what the owner must do next.
type Do uint8

// The possible actions.
const (
	Wait Do = iota // wait for the next event or for Wake
	Take           // take the queue's head, then step with Took or Dropped
	Send           // give the open batch to an idle worker, then step with Sent
)

// Action is a Collector's answer.
type Action struct {
	Do   Do
	Wake time.Duration // with Wait: when to step with Timer, or Never
	N    int           // with Take: how many requests one Took may report, if none of them is dropped and no time passes between
}

// Collector decides when a batch takes requests and when it is sent. It is not safe for
// concurrent use. Times count from any fixed moment and must not decrease.
type Collector struct {
	cfg      Config
	idle     int           // idle workers
	queued   int           // requests in the queue
	open     int           // requests in the open batch
	takes    int           // takes after the first, dropped requests included
	started  bool          // an open batch exists
	deadline time.Duration // when the open batch is sent even if it is not full
	overdue  bool          // torchserve: the last take was at or after the deadline
}

// New returns a collector without workers and requests.
func New(c Config) *Collector {
	k := &Collector{}
	k.Configure(c)
	return k
}

// Configure changes the configuration; step with Configured afterwards. An open batch
// keeps its deadline, but is sent at once if it has the new size.
func (c *Collector) Configure(cfg Config) {
	if cfg.Size < 1 || cfg.Delay < 0 {
		panic("batching: size below 1 or negative delay")
	}
	c.cfg = cfg
}

// Queued is the number of requests in the queue, the open batch not counted.
func (c *Collector) Queued() int { return c.queued }

// Open is the number of requests in the open batch.
func (c *Collector) Open() int { return c.open }

// Reason is why a batch is sent.
type Reason uint8

// The reasons.
const (
	Full      Reason = iota // it has as many requests as a batch may have
	Delayed                 // the batch delay is over
	Undelayed               // there is no batch delay, and the queue was empty
	Abandoned               // torchserve: abandoned requests used up the further takes
	Reasons                 // number of reasons
)

func (r Reason) String() string {
	return [...]string{Full: "full", Delayed: "delay", Undelayed: "no_delay", Abandoned: "abandoned"}[r]
}

// Reason returns why the open batch is sent. It is valid between Send and Sent.
func (c *Collector) Reason() Reason {
	switch {
	case c.open >= c.cfg.Size:
		return Full
	case c.cfg.Delay == 0:
		return Undelayed
	case c.cfg.Rule == TorchServe && !c.overdue && c.takes >= c.cfg.Size-1:
		return Abandoned
	}
	return Delayed
}

// Step processes an event and returns the next action.
func (c *Collector) Step(now time.Duration, e Event) Action {
	switch e.Kind {
	case Arrived:
		c.queued += max(1, e.N)
	case Removed:
		c.queued -= e.N
	case WorkerIdle:
		c.idle++
	case WorkerRetired:
		c.idle--
	case Took:
		c.took(now, e)
	case Dropped:
		c.dropped(now)
	case Sent:
		c.idle--
		c.open, c.takes, c.started, c.overdue = 0, 0, false, false
	case Timer, Configured:
	}
	return c.next(now)
}

func (c *Collector) took(now time.Duration, e Event) {
	n := max(1, e.N)
	c.queued -= n
	c.open += n
	if !c.started {
		c.started = true
		c.deadline = now + c.cfg.Delay
		if c.cfg.Rule == Eager {
			c.deadline = e.Arrival + c.cfg.Delay
		}
		return
	}
	c.takes += n
	c.overdue = now >= c.deadline
}

func (c *Collector) dropped(now time.Duration) {
	c.queued--
	if c.started {
		c.takes++
		c.overdue = now >= c.deadline
	}
}

func (c *Collector) next(now time.Duration) Action {
	if c.idle == 0 {
		return Action{Do: Wait, Wake: Never}
	}
	if !c.started {
		if c.queued == 0 {
			return Action{Do: Wait, Wake: Never}
		}
		return Action{Do: Take, N: 1} // its time sets the deadline
	}
	switch {
	case c.full():
		return Action{Do: Send}
	case c.queued > 0:
		return Action{Do: Take, N: c.takeable(now)}
	case now >= c.deadline:
		return Action{Do: Send}
	}
	return Action{Do: Wait, Wake: c.deadline}
}

// takeable is how many requests the open batch takes now, at least one.
func (c *Collector) takeable(now time.Duration) int {
	n := min(c.queued, c.cfg.Size-c.open)
	if c.cfg.Rule == Eager {
		return n
	}
	if now >= c.deadline {
		return 1 // the end of the delay is checked after each
	}
	return min(n, c.cfg.Size-1-c.takes)
}

// full reports whether the open batch takes no further request.
func (c *Collector) full() bool {
	if c.open >= c.cfg.Size {
		return true
	}
	return c.cfg.Rule == TorchServe && (c.takes >= c.cfg.Size-1 || c.overdue)
}
