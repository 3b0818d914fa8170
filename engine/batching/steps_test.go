package batching_test

import (
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
