package batching_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sweetspot/engine/batching"
)

// errContract means that the collector broke the contract of its rule.
var errContract = errors.New("broken contract")

// owner is the owner of a collector in virtual time: requests arrive in a queue, workers
// run batches, and a log records every action. After every event it checks the contract.
type owner struct {
	col     *batching.Collector
	cfg     batching.Config
	service time.Duration // time of every batch; 0: until a finish command
	limit   int           // of the queue

	now       time.Duration
	queue     []request
	open      []request
	due       time.Duration // when the open batch must be sent
	idle      int
	busy      []time.Duration // end times of the running batches
	wake      time.Duration
	last      int // number of the latest request
	abandoned int // abandoned requests that were removed from the queue

	sent  [][]request
	taken []request // taken at this time, not yet in the log
	log   strings.Builder
	err   error // the first broken contract
}

type request struct {
	n         int
	arrival   time.Duration
	abandoned bool
	size      int // the batch size when it was taken
}

// never is the end time of a batch that only a finish command ends.
const never = batching.Never

func newOwner(cfg batching.Config, workers int, service time.Duration, limit int) *owner {
	o := &owner{col: batching.New(cfg), cfg: cfg, service: service, limit: limit, wake: never}
	for range workers {
		o.addWorker()
	}
	return o
}

func (o *owner) addWorker() {
	o.idle++
	o.step(batching.Event{Kind: batching.WorkerIdle})
}

// step reports an event to the collector and executes its actions.
func (o *owner) step(e batching.Event) {
	a := o.col.Step(o.now, e)
	for a.Do != batching.Wait {
		if a.Do == batching.Take {
			a = o.col.Step(o.now, o.take())
			continue
		}
		o.send()
		a = o.col.Step(o.now, batching.Event{Kind: batching.Sent})
	}
	o.wake = a.Wake
	o.checkContract()
}

func (o *owner) take() batching.Event {
	if len(o.queue) == 0 {
		panic("batching: take from an empty queue")
	}
	r := o.queue[0]
	o.queue = o.queue[1:]
	if r.abandoned {
		o.abandoned++
		o.report("drop %d", r.n)
		return batching.Event{Kind: batching.Dropped}
	}
	if len(o.open) == 0 {
		o.due = o.now + o.cfg.Delay
		if o.cfg.Rule == batching.Eager {
			o.due = r.arrival + o.cfg.Delay
		}
	}
	r.size = o.cfg.Size
	o.open = append(o.open, r)
	o.taken = append(o.taken, r)
	return batching.Event{Kind: batching.Took, Arrival: r.arrival}
}

func (o *owner) send() {
	o.report("send %s", numbers(o.open))
	o.check(o.idle > 0, "a batch is sent without an idle worker")
	o.check(len(o.open) > 0, "an empty batch is sent")
	o.idle--
	o.sent = append(o.sent, o.open)
	o.open = nil
	end := never
	if o.service > 0 {
		end = o.now + o.service
	}
	o.busy = append(o.busy, end)
}

// checkContract checks what must be true whenever the collector waits.
func (o *owner) checkContract() {
	o.check(len(o.queue) == o.col.Queued() && len(o.open) == o.col.Open(), "a count is wrong")
	if o.idle == 0 {
		return
	}
	o.check(len(o.queue) == 0, "a request waits in the queue while a worker is idle")
	if len(o.open) == 0 {
		return
	}
	o.check(len(o.open) < o.cfg.Size, "a full batch waits")
	o.check(o.now < o.due, "a batch waits beyond its delay")
	o.check(o.wake == o.due, "the timer of a short batch is not at its deadline")
}

func (o *owner) check(ok bool, what string) {
	if !ok && o.err == nil {
		o.err = fmt.Errorf("%w at %v: %s", errContract, o.now, what)
	}
}

// arrive queues one request, or refuses it if the queue is full.
func (o *owner) arrive(abandoned bool) {
	o.last++
	if o.col.Queued() >= o.limit {
		o.report("refuse %d", o.last)
		return
	}
	o.queue = append(o.queue, request{n: o.last, arrival: o.now, abandoned: abandoned})
	o.step(batching.Event{Kind: batching.Arrived})
}

// wait advances the time: batches end and the timer fires.
func (o *owner) wait(t time.Duration) {
	for until := o.now + t; ; {
		next := o.wake
		if len(o.busy) > 0 {
			next = min(next, slices.Min(o.busy))
		}
		if next > until {
			o.flush()
			o.now = until
			return
		}
		o.flush()
		o.now = max(o.now, next)
		if slices.Contains(o.busy, next) {
			o.finish(next)
			continue
		}
		o.step(batching.Event{Kind: batching.Timer})
	}
}

// finish ends one of the batches whose end time is end.
func (o *owner) finish(end time.Duration) {
	i := slices.Index(o.busy, end)
	o.busy = slices.Delete(o.busy, i, i+1)
	o.report("a worker is idle")
	o.addWorker()
}

// removeAbandoned removes the abandoned requests from the queue.
func (o *owner) removeAbandoned() {
	before := len(o.queue)
	o.queue = slices.DeleteFunc(o.queue, func(r request) bool { return r.abandoned })
	removed := before - len(o.queue)
	o.abandoned += removed
	o.step(batching.Event{Kind: batching.Removed, N: removed})
}

func (o *owner) configure(cfg batching.Config) {
	o.cfg = cfg
	o.col.Configure(cfg)
	o.step(batching.Event{Kind: batching.Configured})
}

func (o *owner) report(format string, args ...any) {
	o.flush()
	fmt.Fprintf(&o.log, "%v "+format+"\n", append([]any{o.now}, args...)...)
}

// flush logs the requests that were taken at this time.
func (o *owner) flush() {
	if taken := o.taken; len(taken) > 0 {
		o.taken = nil
		o.report("take %s", numbers(taken))
	}
}

// output returns the log since the last call, and the current state.
func (o *owner) output() string {
	o.report("%s", o.state())
	out := o.log.String()
	o.log.Reset()
	return out
}

func (o *owner) state() string {
	parts := []string{fmt.Sprintf("idle %d", o.idle)}
	if len(o.queue) > 0 {
		parts = append(parts, "queue "+numbers(o.queue))
	}
	if len(o.open) > 0 {
		parts = append(parts, "open "+numbers(o.open))
	}
	if o.wake != never {
		parts = append(parts, fmt.Sprintf("until %v", o.wake))
	}
	return strings.Join(parts, ", ")
}

// numbers lists requests; consecutive ones as 3-9.
func numbers(rs []request) string {
	var out []string
	for i := 0; i < len(rs); {
		j := i
		for j+1 < len(rs) && rs[j+1].n == rs[j].n+1 {
			j++
		}
		text := fmt.Sprint(rs[i].n)
		if j > i {
			text += fmt.Sprintf("-%d", rs[j].n)
		}
		out, i = append(out, text), j+1
	}
	return strings.Join(out, " ")
}
