package batching_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"sweetspot/engine/batching"
)

// TestDroppedAtTheDeadline: an abandoned request that is taken at the end of the delay ends the batch, as any take
// does, and one before does not.
func TestDroppedAtTheDeadline(t *testing.T) {
	for _, c := range []struct {
		at   time.Duration
		want batching.Do
	}{{9 * ms, batching.Take}, {10 * ms, batching.Send}, {11 * ms, batching.Send}} {
		k := batching.New(batching.Config{Rule: batching.TorchServe, Size: 8, Delay: 10 * ms})
		k.Step(0, batching.Event{Kind: batching.WorkerIdle})
		k.Step(0, batching.Event{Kind: batching.Arrived, N: 5})
		k.Step(0, batching.Event{Kind: batching.Took})
		got := k.Step(c.at, batching.Event{Kind: batching.Dropped})
		if got.Do != c.want {
			t.Errorf("at %v: %v, want %v", c.at, got.Do, c.want)
		}
		if got.Do == batching.Send && k.Reason() != batching.Delayed {
			t.Errorf("at %v: sent for %v", c.at, k.Reason())
		}
	}
}

// TestTakesTogether: an owner that reports several takes at once gets the same batches at the same times as one that reports
// each.
func TestTakesTogether(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 1))
	for range 2000 {
		cfg := batching.Config{Rule: batching.Rule(r.IntN(2)), Size: 1 + r.IntN(9), Delay: time.Duration(r.IntN(4)) * ms}
		one, all := batching.New(cfg), batching.New(cfg)
		now := time.Duration(0)
		idle, largest := 0, 0
		for range 40 {
			now += time.Duration(r.IntN(3)) * ms
			e := batching.Event{Kind: batching.Timer}
			switch n := r.IntN(5); {
			case n < 2:
				e = batching.Event{Kind: batching.Arrived, N: 1 + r.IntN(6)}
			case n < 4 && idle < 3:
				e = batching.Event{Kind: batching.WorkerIdle}
				idle++
			}
			sent, wake := settle(t, one, now, e, false, &largest)
			sentAll, wakeAll := settle(t, all, now, e, true, &largest)
			if !slices.Equal(sent, sentAll) || wake != wakeAll || one.Queued() != all.Queued() || one.Open() != all.Open() {
				t.Fatalf("%+v at %v: batches %v, wake %v with single takes; %v, %v with several", cfg, now, sent, wake, sentAll, wakeAll)
			}
			idle -= len(sent)
		}
		if cfg.Size > 3 && largest < 2 && cfg.Delay > 0 {
			t.Errorf("%+v: never more than %d takes at once", cfg, largest)
		}
	}
}

// settle steps a collector until it waits, and returns the sizes of the batches that it sends, with their reasons, and when
// it wants to be woken up. With together it reports as many takes at once as the collector allows.
func settle(t *testing.T, k *batching.Collector, now time.Duration, e batching.Event, together bool, largest *int) (sent []string, wake time.Duration) {
	t.Helper()
	a := k.Step(now, e)
	for a.Do != batching.Wait {
		e = batching.Event{Kind: batching.Sent}
		if a.Do == batching.Take {
			e = batching.Event{Kind: batching.Took, Arrival: now - ms}
			if together {
				e.N = a.N
				*largest = max(*largest, a.N)
			}
		} else {
			sent = append(sent, fmt.Sprint(k.Open(), k.Reason()))
		}
		a = k.Step(now, e)
	}
	return sent, a.Wake
}

// TestConfigurePanics: a configuration that the contract excludes is a fault of the caller.
func TestConfigurePanics(t *testing.T) {
	for _, c := range []struct {
		cfg  batching.Config
		want bool
	}{
		{batching.Config{Size: 0, Delay: ms}, true},
		{batching.Config{Size: 1, Delay: -1}, true},
		{batching.Config{Size: 0, Delay: -1}, true},
		{batching.Config{Size: 1, Delay: 0}, false},
	} {
		func() {
			defer func() {
				if got := recover() != nil; got != c.want {
					t.Errorf("%+v: panic %t, want %t", c.cfg, got, c.want)
				}
			}()
			batching.New(c.cfg)
		}()
	}
}
