package batching_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"sweetspot/engine/batching"
)

const ms = time.Millisecond

// world drives a Collector in virtual time: requests arrive, workers serve each
// batch for a fixed time, and what leaves is written down.
type world struct {
	t       *testing.T
	col     *batching.Collector
	cfg     batching.Config
	now     time.Duration
	queue   []request
	open    []request
	idle    int
	busy    []time.Duration // ends of the batches being served
	service time.Duration
	wake    time.Duration
	batches []batch
}

type request struct {
	arrival time.Duration
	dead    bool
}

type batch struct {
	at       time.Duration
	requests []request
}

func newWorld(t *testing.T, cfg batching.Config, workers int, service time.Duration) *world {
	w := &world{t: t, col: batching.New(cfg), cfg: cfg, service: service, wake: batching.Never}
	for range workers {
		w.idle++
		w.step(batching.Event{Kind: batching.Freed})
	}
	return w
}

func (w *world) step(e batching.Event) {
	a := w.col.Step(w.now, e)
	for a.Do != batching.Wait {
		if a.Do == batching.Take {
			if len(w.queue) == 0 {
				w.t.Fatalf("at %v: Take from an empty queue", w.now)
			}
			r := w.queue[0]
			w.queue = w.queue[1:]
			if r.dead {
				a = w.col.Step(w.now, batching.Event{Kind: batching.Dropped})
				continue
			}
			w.open = append(w.open, r)
			a = w.col.Step(w.now, batching.Event{Kind: batching.Took, Arrival: r.arrival})
			continue
		}
		if w.idle == 0 || len(w.open) == 0 {
			w.t.Fatalf("at %v: Send with %d idle workers and %d requests", w.now, w.idle, len(w.open))
		}
		w.idle--
		w.batches = append(w.batches, batch{w.now, w.open})
		w.open = nil
		w.busy = append(w.busy, w.now+w.service)
		a = w.col.Step(w.now, batching.Event{Kind: batching.Sent})
	}
	w.wake = a.Wake
}

func (w *world) arrive(r request) {
	w.queue = append(w.queue, r)
	w.step(batching.Event{Kind: batching.Arrived})
}

// until runs what happens up to and including t.
func (w *world) until(t time.Duration) {
	for {
		next := w.wake
		if len(w.busy) > 0 {
			next = min(next, slices.Min(w.busy))
		}
		if next > t {
			w.now = t
			return
		}
		w.now = max(w.now, next)
		if i := slices.Index(w.busy, next); i >= 0 {
			w.busy = slices.Delete(w.busy, i, i+1)
			w.idle++
			w.step(batching.Event{Kind: batching.Freed})
			continue
		}
		w.wake = batching.Never
		w.step(batching.Event{Kind: batching.Timer})
	}
}

func (w *world) String() string {
	var b strings.Builder
	for i, x := range w.batches {
		if i > 0 {
			b.WriteString(" ")
		}
		fmt.Fprintf(&b, "%v:%d", x.at, len(x.requests))
	}
	return b.String()
}

// TestTorchServe states the facts of the torchserve rule one by one.
func TestTorchServe(t *testing.T) {
	at := func(times ...int) []time.Duration {
		out := make([]time.Duration, len(times))
		for i, x := range times {
			out[i] = time.Duration(x) * ms
		}
		return out
	}
	many := func(n, every int) []time.Duration {
		out := make([]time.Duration, n)
		for i := range out {
			out[i] = time.Duration(i*every) * ms
		}
		return out
	}
	for _, tc := range []struct {
		name     string
		size     int
		delay    time.Duration
		workers  int
		service  time.Duration
		arrivals []time.Duration
		want     string
	}{
		{"a lone request waits the whole delay", 8, 50 * ms, 1, ms, at(0), "50ms:1"},
		{"a full batch leaves at once", 4, 50 * ms, 1, ms, at(0, 0, 0, 0), "0s:4"},
		{"batch size 1 never waits", 1, 50 * ms, 1, ms, at(0, 3), "0s:1 3ms:1"},
		{"an arrival every 10 ms within 50 ms", 8, 50 * ms, 1, ms, many(6, 10), "50ms:5 101ms:1"},
		{"delay 0 and an empty queue gives 1", 8, 0, 1, ms, at(0, 5), "0s:1 5ms:1"},
		{"delay 0 with a backlog gives at most 2", 8, 0, 1, 10 * ms, at(0, 1, 1, 1, 1, 1), "0s:1 10ms:2 20ms:2 30ms:1"},
		{"1 ms with a backlog fills", 8, ms, 1, 10 * ms, append(at(0), many(16, 0)...), "0s:8 10ms:8 21ms:1"},
		{"the delay counts from the first take, not from the arrival", 8, 20 * ms, 1, 30 * ms, at(0, 21), "20ms:1 70ms:1"},
		{"one collector: two idle workers form batches one after another", 4, 40 * ms, 2, 500 * ms, at(0, 10, 20, 30, 35, 50), "30ms:4 75ms:2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, batching.Config{Rule: batching.TorchServe, Size: tc.size, Delay: tc.delay}, tc.workers, tc.service)
			for _, a := range tc.arrivals {
				w.until(a)
				w.arrive(request{arrival: a})
			}
			w.until(time.Minute)
			if got := w.String(); got != tc.want {
				t.Errorf("batches = %s, want %s", got, tc.want)
			}
		})
	}
}

func TestEager(t *testing.T) {
	for _, tc := range []struct {
		name     string
		size     int
		delay    time.Duration
		service  time.Duration
		arrivals []int
		want     string
	}{
		{"delay 0 takes what is there", 8, 0, 10 * ms, []int{0, 1, 2, 3}, "0s:1 10ms:3"},
		{"a short batch waits until its oldest is d old", 8, 20 * ms, 10 * ms, []int{0, 5}, "20ms:2"},
		{"who waited d in the queue is held no longer", 8, 20 * ms, 50 * ms, []int{0, 21, 30}, "20ms:1 70ms:2"},
		{"a full batch leaves at once", 2, 20 * ms, 10 * ms, []int{0, 4}, "4ms:2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, batching.Config{Rule: batching.Eager, Size: tc.size, Delay: tc.delay}, 1, tc.service)
			for _, a := range tc.arrivals {
				w.until(time.Duration(a) * ms)
				w.arrive(request{arrival: time.Duration(a) * ms})
			}
			w.until(time.Minute)
			if got := w.String(); got != tc.want {
				t.Errorf("batches = %s, want %s", got, tc.want)
			}
		})
	}
}

// TestDeadUseUpTakes: a request that died in the queue shortens a torchserve
// batch and not an eager one.
func TestDeadUseUpTakes(t *testing.T) {
	for _, tc := range []struct {
		rule batching.Rule
		want string
	}{
		{batching.TorchServe, "0s:1 10ms:2 20ms:1"},
		{batching.Eager, "0s:1 10ms:3"},
	} {
		w := newWorld(t, batching.Config{Rule: tc.rule, Size: 3, Delay: 0}, 1, 10*ms)
		if tc.rule == batching.TorchServe {
			w = newWorld(t, batching.Config{Rule: tc.rule, Size: 3, Delay: ms}, 1, 10*ms)
			w.arrive(request{})
			w.until(ms)
			tc.want = "1ms:1 11ms:2 22ms:1"
		} else {
			w.arrive(request{})
		}
		for _, dead := range []bool{false, true, false, false} {
			w.arrive(request{arrival: w.now, dead: dead})
		}
		w.until(time.Minute)
		if got := w.String(); got != tc.want {
			t.Errorf("rule %d: batches = %s, want %s", tc.rule, got, tc.want)
		}
	}
}

// TestLaws holds what both rules promise against random traffic: no batch above
// its size, arrival order kept, nothing lost, nothing held beyond the promise.
func TestLaws(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		cfg := batching.Config{
			Rule:  batching.Rule(rng.IntN(2)),
			Size:  1 + rng.IntN(8),
			Delay: time.Duration(rng.IntN(30)) * ms,
		}
		w := newWorld(t, cfg, 1+rng.IntN(3), time.Duration(1+rng.IntN(40))*ms)
		n, at := 200, time.Duration(0)
		alive := 0
		for range n {
			at += time.Duration(rng.ExpFloat64() * float64(5*ms))
			w.until(at)
			dead := rng.IntN(10) == 0
			if !dead {
				alive++
			}
			w.arrive(request{arrival: at, dead: dead})
		}
		w.until(time.Hour)
		checkLaws(t, seed, w, alive)
	}
}

func checkLaws(t *testing.T, seed uint64, w *world, alive int) {
	t.Helper()
	last := time.Duration(-1)
	for _, b := range w.batches {
		if len(b.requests) > w.cfg.Size {
			t.Fatalf("seed %d: batch of %d, size %d", seed, len(b.requests), w.cfg.Size)
		}
		for _, r := range b.requests {
			if r.arrival < last {
				t.Fatalf("seed %d: order broken", seed)
			}
			last = r.arrival
			alive--
		}
	}
	if alive != 0 || len(w.open) != 0 || len(w.queue) != 0 {
		t.Fatalf("seed %d: %d requests lost", seed, alive)
	}
}

// TestReconfigure: a smaller size lets the open batch go at once, a larger one
// keeps it open.
func TestReconfigure(t *testing.T) {
	w := newWorld(t, batching.Config{Rule: batching.TorchServe, Size: 8, Delay: 50 * ms}, 1, ms)
	w.arrive(request{})
	w.arrive(request{})
	w.until(10 * ms)
	w.col.Configure(batching.Config{Rule: batching.TorchServe, Size: 2, Delay: 50 * ms})
	w.step(batching.Event{Kind: batching.Changed})
	if got := w.String(); got != "10ms:2" {
		t.Errorf("batches = %s, want 10ms:2", got)
	}
}

func BenchmarkCollector(b *testing.B) {
	col := batching.New(batching.Config{Rule: batching.TorchServe, Size: 8, Delay: ms})
	col.Step(0, batching.Event{Kind: batching.Freed})
	b.ReportAllocs()
	now := time.Duration(0)
	for b.Loop() {
		now++
		a := col.Step(now, batching.Event{Kind: batching.Arrived})
		for a.Do != batching.Wait {
			if a.Do == batching.Take {
				a = col.Step(now, batching.Event{Kind: batching.Took, Arrival: now})
				continue
			}
			col.Step(now, batching.Event{Kind: batching.Sent})
			a = col.Step(now, batching.Event{Kind: batching.Freed})
		}
	}
}
