package batching_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"sweetspot/engine/batching"
)

const ms = time.Millisecond

// TestContract checks the contract of both rules with random requests, while workers are
// added and retired and settings change. The owner checks every event; checkResult checks
// that no request is lost and that they are sent in order.
func TestContract(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		o := newOwner(randomConfig(rng, batching.Rule(rng.IntN(2))), 1+rng.IntN(3), time.Duration(1+rng.IntN(40))*ms, 1<<20)
		for range 200 {
			o.wait(time.Duration(rng.ExpFloat64() * float64(5*ms)))
			randomChange(o, rng)
			o.arrive(rng.IntN(10) == 0)
		}
		o.addWorker()
		o.wait(time.Hour)
		checkResult(t, seed, o)
	}
}

func randomConfig(rng *rand.Rand, r batching.Rule) batching.Config {
	c := batching.Config{Rule: r, Size: 1 + rng.IntN(8), Delay: time.Duration(rng.IntN(30)) * ms}
	if rng.IntN(3) == 0 {
		c.Delay = 0
	}
	return c
}

// randomChange sometimes changes the settings or the workers, or abandons a request.
func randomChange(o *owner, rng *rand.Rand) {
	switch rng.IntN(20) {
	case 0:
		o.configure(randomConfig(rng, o.cfg.Rule))
	case 1:
		if o.idle > 0 {
			o.idle--
			o.step(batching.Event{Kind: batching.WorkerRetired})
		}
	case 2:
		o.addWorker()
	case 3:
		if n := len(o.queue); n > 0 {
			o.queue[rng.IntN(n)].abandoned = true
		}
	case 4:
		o.removeAbandoned()
	}
}

func checkResult(t *testing.T, seed uint64, o *owner) {
	t.Helper()
	if o.err != nil {
		t.Fatalf("seed %d: %v", seed, o.err)
	}
	if len(o.open) != 0 || len(o.queue) != 0 {
		t.Fatalf("seed %d: %d open and %d queued requests were never sent", seed, len(o.open), len(o.queue))
	}
	last := 0
	for _, b := range o.sent {
		if last := b[len(b)-1]; len(b) > last.size {
			t.Fatalf("seed %d: batch of %d, size %d", seed, len(b), last.size)
		}
		for _, r := range b {
			if r.n <= last || r.abandoned {
				t.Fatalf("seed %d: request %d, abandoned %t, is sent after %d", seed, r.n, r.abandoned, last)
			}
			last = r.n
		}
	}
	if remaining := o.last - o.abandoned; remaining != sum(o.sent) {
		t.Fatalf("seed %d: %d of %d requests were sent in batches", seed, sum(o.sent), remaining)
	}
}

func sum(batches [][]request) (n int) {
	for _, b := range batches {
		n += len(b)
	}
	return n
}

func BenchmarkCollector(b *testing.B) {
	col := batching.New(batching.Config{Rule: batching.TorchServe, Size: 8, Delay: ms})
	col.Step(0, batching.Event{Kind: batching.WorkerIdle})
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
			a = col.Step(now, batching.Event{Kind: batching.WorkerIdle})
		}
	}
}
