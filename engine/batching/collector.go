// Package batching holds the two rules by which requests become batches, as a
// pure state machine: no clock, no goroutine, no allocation. The engine steps
// it in real time, the simulator in virtual time, so both batch alike.
//
// A [Collector] counts; it never sees a request. Its owner keeps a FIFO queue,
// one open batch and a set of idle workers, reports what happens to them as an
// [Event], and does what the returned [Action] says until that is Wait:
//
//	a := c.Step(now, batching.Event{Kind: batching.Arrived})
//	for a.Do != batching.Wait {
//		switch a.Do {
//		case batching.Take: // pop the queue's head; live: Took, dead: Dropped
//		case batching.Send: // give the open batch to an idle worker; Sent
//		}
//	}
//	// step again with Timer at a.Wake, unless it is Never
//
// Contract, for a batch size b and a delay d:
//
//   - a batch never holds more than b requests, and leaves in arrival order;
//   - it leaves only when a worker is idle;
//   - torchserve: one batch is open at a time. It opens when an idle worker
//     takes a request, and leaves at b requests or d after that first take. The
//     end of the delay is looked at after each take, so that d = 0 gives at most
//     2 requests whatever the backlog; a request that died in the queue uses up
//     one of the b-1 further takes;
//   - eager: a batch leaves at b requests, or as soon as its oldest request is d
//     old; with d = 0 an idle worker takes min(queue, b) at once.
//
// The torchserve rule restates BatchAggregator and Model.pollBatch of TorchServe
// 0.12; the differences are listed in docs/torchserve-compatibility.md.
package batching

import "time"

// Never is the Wake of an action that waits for an event, not for the clock.
const Never = time.Duration(1<<63 - 1)

// Rule picks the batching rule.
type Rule uint8

// The rules.
const (
	TorchServe Rule = iota
	Eager
)

// Config is what may change while batches form.
type Config struct {
	Rule  Rule
	Size  int           // most requests in a batch, at least 1
	Delay time.Duration // longest wait for a batch to fill, not negative
}

// Kind is what happened.
type Kind uint8

// The events.
const (
	Arrived Kind = iota // N requests joined the queue's end, 0 being one
	Left                // N requests left the queue without being taken
	Freed               // a worker became idle
	Retired             // an idle worker left
	Took                // after Take: the head was alive and joined the open batch
	Dropped             // after Take: the head was dead and is gone
	Sent                // after Send: the open batch is with a worker
	Timer               // the time of Wake has come
	Changed             // Configure was called
)

// Event reports one thing to a Collector.
type Event struct {
	Kind    Kind
	Arrival time.Duration // Took: when the taken request arrived
	N       int           // Arrived, Left: how many
}

// Do is what the owner does next.
type Do uint8

// What to do.
const (
	Wait Do = iota // nothing until the next event, or until Wake
	Take           // take the queue's head, then step with Took or Dropped
	Send           // give the open batch to an idle worker, then step with Sent
)

// Action is a Collector's answer.
type Action struct {
	Do   Do
	Wake time.Duration // with Wait: when to step with Timer, or Never
}

// Collector forms batches. It is not safe for concurrent use. Times are counted
// from any fixed moment and never run backwards.
type Collector struct {
	cfg      Config
	idle     int           // idle workers
	queued   int           // requests in the queue
	open     int           // requests in the open batch
	takes    int           // takes used up after the first, dead ones included
	started  bool          // an open batch exists; it may be empty while its first take is under way
	deadline time.Duration // when the open batch leaves however full it is
	spent    bool          // torchserve: a take ended at or after the deadline
}

// New returns a collector without workers and requests.
func New(c Config) *Collector {
	k := &Collector{}
	k.Configure(c)
	return k
}

// Configure changes the rule's values; step with Changed afterwards. An open
// batch keeps its deadline, but leaves at once when it has reached the new size.
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

// Step records an event and says what to do.
func (c *Collector) Step(now time.Duration, e Event) Action {
	switch e.Kind {
	case Arrived:
		c.queued += max(1, e.N)
	case Left:
		c.queued -= e.N
	case Freed:
		c.idle++
	case Retired:
		c.idle--
	case Took:
		c.took(now, e.Arrival)
	case Dropped:
		c.dropped(now)
	case Sent:
		c.idle--
		c.open, c.takes, c.started, c.spent = 0, 0, false, false
	case Timer, Changed:
	}
	return c.next(now)
}

func (c *Collector) took(now, arrival time.Duration) {
	c.queued--
	c.open++
	if !c.started {
		c.started = true
		c.deadline = now + c.cfg.Delay
		if c.cfg.Rule == Eager {
			c.deadline = arrival + c.cfg.Delay
		}
		return
	}
	c.takes++
	c.spent = now >= c.deadline
}

func (c *Collector) dropped(now time.Duration) {
	c.queued--
	if c.started {
		c.takes++
		c.spent = now >= c.deadline
	}
}

func (c *Collector) next(now time.Duration) Action {
	if c.idle == 0 {
		return Action{Wait, Never}
	}
	if !c.started {
		if c.queued == 0 {
			return Action{Wait, Never}
		}
		return Action{Do: Take}
	}
	switch {
	case c.full():
		return Action{Do: Send}
	case c.queued > 0:
		return Action{Do: Take}
	case now >= c.deadline:
		return Action{Do: Send}
	}
	return Action{Wait, c.deadline}
}

// full tells whether the open batch takes no more, whatever waits in the queue.
func (c *Collector) full() bool {
	if c.open >= c.cfg.Size {
		return true
	}
	return c.cfg.Rule == TorchServe && (c.takes >= c.cfg.Size-1 || c.spent)
}
