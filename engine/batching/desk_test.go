package batching_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sweetspot/engine/batching"
)

// errPromise marks what a collector may never do.
var errPromise = errors.New("broken promise")

// desk is a collector's owner in virtual time: requests arrive in a queue,
// workers serve batches, and what happens is written down. After every event it
// holds the collector to the promises of its rule.
type desk struct {
	col     *batching.Collector
	cfg     batching.Config
	service time.Duration // of every batch; 0 until a free command
	limit   int           // of the queue

	now   time.Duration
	queue []request
	open  []request
	due   time.Duration // when the open batch must leave
	idle  int
	busy  []time.Duration // ends of the batches being served
	wake  time.Duration
	last  int // number of the latest request
	dead  int // how many left unexecuted

	sent  [][]request
	taken []request // at this moment, not yet in the log
	log   strings.Builder
	fault error // the first broken promise
}

type request struct {
	n       int
	arrival time.Duration
	dead    bool
	size    int // the batch size when it was taken
}

// never is the end of a batch that only a free command ends.
const never = batching.Never

func newDesk(cfg batching.Config, workers int, service time.Duration, limit int) *desk {
	d := &desk{col: batching.New(cfg), cfg: cfg, service: service, limit: limit, wake: never}
	for range workers {
		d.join()
	}
	return d
}

func (d *desk) join() {
	d.idle++
	d.step(batching.Event{Kind: batching.Freed})
}

// step tells the collector and does what it says.
func (d *desk) step(e batching.Event) {
	a := d.col.Step(d.now, e)
	for a.Do != batching.Wait {
		if a.Do == batching.Take {
			a = d.col.Step(d.now, d.take())
			continue
		}
		d.send()
		a = d.col.Step(d.now, batching.Event{Kind: batching.Sent})
	}
	d.wake = a.Wake
	d.hold()
}

func (d *desk) take() batching.Event {
	if len(d.queue) == 0 {
		panic("batching: take from an empty queue")
	}
	r := d.queue[0]
	d.queue = d.queue[1:]
	if r.dead {
		d.dead++
		d.report("drop %d", r.n)
		return batching.Event{Kind: batching.Dropped}
	}
	if len(d.open) == 0 {
		d.due = d.now + d.cfg.Delay
		if d.cfg.Rule == batching.Eager {
			d.due = r.arrival + d.cfg.Delay
		}
	}
	r.size = d.cfg.Size
	d.open = append(d.open, r)
	d.taken = append(d.taken, r)
	return batching.Event{Kind: batching.Took, Arrival: r.arrival}
}

func (d *desk) send() {
	d.report("send %s", numbers(d.open))
	d.check(d.idle > 0, "a batch leaves without an idle worker")
	d.check(len(d.open) > 0, "an empty batch leaves")
	d.idle--
	d.sent = append(d.sent, d.open)
	d.open = nil
	end := never
	if d.service > 0 {
		end = d.now + d.service
	}
	d.busy = append(d.busy, end)
}

// hold checks what is true whenever a collector waits beside an idle worker.
func (d *desk) hold() {
	d.check(len(d.queue) == d.col.Queued() && len(d.open) == d.col.Open(), "it counts wrong")
	if d.idle == 0 {
		return
	}
	d.check(len(d.queue) == 0, "a request waits in the queue beside an idle worker")
	if len(d.open) == 0 {
		return
	}
	d.check(len(d.open) < d.cfg.Size, "a full batch waits")
	d.check(d.now < d.due, "a batch waits beyond its delay")
	d.check(d.wake == d.due, "a short batch is looked at again at another time than it is due")
}

func (d *desk) check(ok bool, what string) {
	if !ok && d.fault == nil {
		d.fault = fmt.Errorf("%w at %v: %s", errPromise, d.now, what)
	}
}

// arrive lets one request in, unless the queue is full.
func (d *desk) arrive(dead bool) {
	d.last++
	if d.col.Queued() >= d.limit {
		d.report("refuse %d", d.last)
		return
	}
	d.queue = append(d.queue, request{n: d.last, arrival: d.now, dead: dead})
	d.step(batching.Event{Kind: batching.Arrived})
}

// pass lets time pass: workers end, and the collector is woken.
func (d *desk) pass(t time.Duration) {
	for until := d.now + t; ; {
		next := d.wake
		if len(d.busy) > 0 {
			next = min(next, slices.Min(d.busy))
		}
		if next > until {
			d.flush()
			d.now = until
			return
		}
		d.flush()
		d.now = max(d.now, next)
		if slices.Contains(d.busy, next) {
			d.free(next)
			continue
		}
		d.step(batching.Event{Kind: batching.Timer})
	}
}

// free ends one of the batches that end at end.
func (d *desk) free(end time.Duration) {
	i := slices.Index(d.busy, end)
	d.busy = slices.Delete(d.busy, i, i+1)
	d.report("a worker is free")
	d.join()
}

// purge takes the dead out of the queue.
func (d *desk) purge() {
	before := len(d.queue)
	d.queue = slices.DeleteFunc(d.queue, func(r request) bool { return r.dead })
	left := before - len(d.queue)
	d.dead += left
	d.step(batching.Event{Kind: batching.Left, N: left})
}

func (d *desk) configure(cfg batching.Config) {
	d.cfg = cfg
	d.col.Configure(cfg)
	d.step(batching.Event{Kind: batching.Changed})
}

func (d *desk) report(format string, args ...any) {
	d.flush()
	fmt.Fprintf(&d.log, "%v "+format+"\n", append([]any{d.now}, args...)...)
}

// flush writes what was taken at this moment.
func (d *desk) flush() {
	if taken := d.taken; len(taken) > 0 {
		d.taken = nil
		d.report("take %s", numbers(taken))
	}
}

// told is what happened since the last call, and what stands now.
func (d *desk) told() string {
	d.report("%s", d.state())
	out := d.log.String()
	d.log.Reset()
	return out
}

func (d *desk) state() string {
	parts := []string{fmt.Sprintf("idle %d", d.idle)}
	if len(d.queue) > 0 {
		parts = append(parts, "queue "+numbers(d.queue))
	}
	if len(d.open) > 0 {
		parts = append(parts, "open "+numbers(d.open))
	}
	if d.wake != never {
		parts = append(parts, fmt.Sprintf("until %v", d.wake))
	}
	return strings.Join(parts, ", ")
}

// numbers lists requests: runs of neighbours as 3-9.
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
