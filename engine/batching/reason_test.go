package batching_test

import (
	"testing"

	"sweetspot/engine/batching"
)

// Each batch has the reason for which it is sent.
func TestReason(t *testing.T) {
	const ms = 1_000_000
	for _, tt := range []struct {
		name    string
		cfg     batching.Config
		arrive  int
		dropped int // of the first ones that are taken after the first
		want    batching.Reason
	}{
		{"full", batching.Config{Rule: batching.Eager, Size: 2, Delay: ms}, 2, 0, batching.Full},
		{"size 1", batching.Config{Rule: batching.TorchServe, Size: 1}, 1, 0, batching.Full},
		{"delay, eager", batching.Config{Rule: batching.Eager, Size: 3, Delay: ms}, 2, 0, batching.Delayed},
		{"delay, torchserve", batching.Config{Rule: batching.TorchServe, Size: 3, Delay: ms}, 2, 0, batching.Delayed},
		{"no delay, eager", batching.Config{Rule: batching.Eager, Size: 3}, 2, 0, batching.Undelayed},
		{"no delay, torchserve", batching.Config{Rule: batching.TorchServe, Size: 5}, 4, 0, batching.Undelayed},
		{"takes of abandoned requests", batching.Config{Rule: batching.TorchServe, Size: 3, Delay: ms}, 4, 2, batching.Abandoned},
	} {
		c := batching.New(tt.cfg)
		c.Step(0, batching.Event{Kind: batching.Arrived, N: tt.arrive})
		a := c.Step(0, batching.Event{Kind: batching.WorkerIdle})
		for taken := 0; a.Do != batching.Send; {
			switch {
			case a.Do == batching.Take && taken > 0 && taken <= tt.dropped:
				taken++
				a = c.Step(0, batching.Event{Kind: batching.Dropped})
			case a.Do == batching.Take:
				taken++
				a = c.Step(0, batching.Event{Kind: batching.Took})
			default:
				a = c.Step(a.Wake, batching.Event{Kind: batching.Timer})
			}
		}
		if got := c.Reason(); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}
