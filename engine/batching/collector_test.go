package batching_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"sweetspot/engine/batching"
)

const ms = time.Millisecond

// TestLaws holds what both rules promise against random traffic, while workers
// come and go and settings change: the desk checks the promises of waiting at
// every event; here, that nothing is lost and the order kept.
func TestLaws(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		d := newDesk(randomConfig(rng, batching.Rule(rng.IntN(2))), 1+rng.IntN(3), time.Duration(1+rng.IntN(40))*ms, 1<<20)
		for range 200 {
			d.pass(time.Duration(rng.ExpFloat64() * float64(5*ms)))
			disturb(d, rng)
			d.arrive(rng.IntN(10) == 0)
		}
		d.join()
		d.pass(time.Hour)
		checkLaws(t, seed, d)
	}
}

func randomConfig(rng *rand.Rand, r batching.Rule) batching.Config {
	c := batching.Config{Rule: r, Size: 1 + rng.IntN(8), Delay: time.Duration(rng.IntN(30)) * ms}
	if rng.IntN(3) == 0 {
		c.Delay = 0
	}
	return c
}

// disturb changes the settings or the workers, or cancels a request, sometimes.
func disturb(d *desk, rng *rand.Rand) {
	switch rng.IntN(20) {
	case 0:
		d.configure(randomConfig(rng, d.cfg.Rule))
	case 1:
		if d.idle > 0 {
			d.idle--
			d.step(batching.Event{Kind: batching.Retired})
		}
	case 2:
		d.join()
	case 3:
		if n := len(d.queue); n > 0 {
			d.queue[rng.IntN(n)].dead = true
		}
	case 4:
		d.purge()
	}
}

func checkLaws(t *testing.T, seed uint64, d *desk) {
	t.Helper()
	if d.fault != nil {
		t.Fatalf("seed %d: %v", seed, d.fault)
	}
	if len(d.open) != 0 || len(d.queue) != 0 {
		t.Fatalf("seed %d: %d and %d requests never left", seed, len(d.open), len(d.queue))
	}
	last := 0
	for _, b := range d.sent {
		if last := b[len(b)-1]; len(b) > last.size {
			t.Fatalf("seed %d: batch of %d, size %d", seed, len(b), last.size)
		}
		for _, r := range b {
			if r.n <= last || r.dead {
				t.Fatalf("seed %d: request %d, dead %t, leaves after %d", seed, r.n, r.dead, last)
			}
			last = r.n
		}
	}
	if alive := d.last - d.dead; alive != sum(d.sent) {
		t.Fatalf("seed %d: %d of %d requests left in batches", seed, sum(d.sent), alive)
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
