package engine_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/batching"
	"sweetspot/engine/knob"
)

// Recent batches have the size of each batch and why it left: full, after the delay, or
// at once to an idle worker.
func TestRecentBatches(t *testing.T) {
	type batch struct {
		Size int
		Left string
	}
	cases := []struct {
		name  string
		delay time.Duration
		want  []batch
	}{
		{"with a delay", 20 * ms, []batch{{1, batching.Delayed.String()}, {4, batching.Full.String()}, {2, batching.Delayed.String()}}},
		{"without a delay", 0, []batch{{1, batching.Undelayed.String()}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := config(1, 4, c.delay)
				if c.delay == 0 {
					cfg.Rule = knob.Eager // TorchServe has no delay of 0
				}
				s, done := serve(t, &doubler{fixed: 5 * ms}, cfg)
				defer done()
				for _, n := range []int{1, 6}[:min(len(c.want), 2)] {
					var wg sync.WaitGroup
					for range n {
						wg.Go(func() {
							if _, _, err := s.Submit(t.Context(), itemOf(1)); err != nil {
								t.Error(err)
							}
						})
					}
					wg.Wait()
				}
				var got []batch
				end := int64(0)
				for _, b := range s.RecentBatches() {
					if b.Worker != 0 || b.RunNS != int64(5*ms) || b.EndNS <= end {
						t.Errorf("batch %+v after one that ended at %d", b, end)
					}
					end = b.EndNS
					got = append(got, batch{b.Size, b.Left})
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("-want +got\n%s", diff)
				}
			})
		})
	}
}

// A service remembers the latest 128 batches, of present workers only.
func TestRecentBatchesAreTheLatest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, done := serve(t, &doubler{fixed: ms}, config(1, 1, ms))
		defer done()
		for range 200 {
			if _, _, err := s.Submit(t.Context(), itemOf(1)); err != nil {
				t.Fatal(err)
			}
		}
		all := s.RecentBatches()
		if len(all) != 128 || all[127].EndNS-all[0].EndNS != int64(127*ms) {
			t.Errorf("%d batches from %d to %d", len(all), all[0].EndNS, all[len(all)-1].EndNS)
		}
	})
}
