package engine_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine"
	"sweetspot/engine/knob"
)

func bareConfig(workers, batch int) knob.Config {
	c := knob.Config{Settings: knob.Default(knob.Eager), Options: knob.Options{Rule: knob.Eager}}
	c.Workers, c.BatchSize = workers, batch
	return c
}

// The bare rate is the throughput of all workers in parallel: with batches of 8 in 10 ms,
// and with one that takes longer than the measurement.
func TestBare(t *testing.T) {
	for _, tt := range []struct {
		name string
		d    *doubler
		want engine.BareRate
	}{
		{"short", &doubler{fixed: 2 * ms, perItem: ms}, engine.BareRate{PerSecond: 2400, Workers: 3, Batch: 8, Runs: 45, PerRun: 10 * ms}},
		{"own sessions", &doubler{fixed: 2 * ms, perItem: ms, own: true}, engine.BareRate{PerSecond: 2400, Workers: 3, Batch: 8, Runs: 45, PerRun: 10 * ms}},
		{"long", &doubler{fixed: 4 * time.Second}, engine.BareRate{PerSecond: 6, Workers: 3, Batch: 8, Runs: 3, PerRun: 4 * time.Second}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, closeAll := serve(t, tt.d, bareConfig(3, 8))
				defer closeAll()
				begin := time.Now()
				got, err := s.Bare(t.Context())
				if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
					t.Errorf("%v -want +got\n%s", err, diff)
				}
				if took := time.Since(begin); took > 4*time.Second {
					t.Errorf("it took %v", took)
				}
				if st := s.Stats(); st.Batches != 0 || st.WorkNS != 0 {
					t.Errorf("the measurement counts as work: %+v", st)
				}
			})
		})
	}
}

// The measurement waits for a running request, and a request that arrives meanwhile waits.
func TestBareBesideRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, closeAll := serve(t, &doubler{fixed: 100 * ms}, bareConfig(2, 1))
		defer closeAll()
		var wg sync.WaitGroup
		defer wg.Wait()
		submit := func(after, least time.Duration) {
			wg.Go(func() {
				time.Sleep(after)
				begin := time.Now()
				if _, _, err := s.Submit(t.Context(), itemOf(1)); err != nil || time.Since(begin) < least {
					t.Errorf("after %v: answered after %v, %v", after, time.Since(begin), err)
				}
			})
		}
		submit(0, 100*ms)
		submit(150*ms, 300*ms)
		time.Sleep(ms)
		got, err := s.Bare(t.Context())
		if err != nil || got.PerSecond != 20 || got.Runs != 4 {
			t.Errorf("Bare = %+v, %v; want 20/s of 4 runs", got, err)
		}
	})
}

func TestBareRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &doubler{fixed: 3 * time.Second}
		s, closeAll := serve(t, d, bareConfig(1, 1))
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _, _, _ = s.Submit(t.Context(), itemOf(1)) })
		synctest.Wait()
		if _, err := s.Bare(ctx); !errors.Is(err, engine.ErrBusy) || !strings.Contains(err.Error(), "hold the load first") {
			t.Errorf("busy: %v", err)
		}
		wg.Wait()
		wg.Go(func() {
			time.Sleep(ms)
			cancel()
		})
		if _, err := s.Bare(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		wg.Wait()
		if _, _, err := s.Submit(t.Context(), itemOf(1)); err != nil {
			t.Errorf("the workers do not serve again: %v", err)
		}
		closeAll()
		if _, err := s.Bare(t.Context()); !errors.Is(err, engine.ErrClosed) {
			t.Errorf("closed: %v", err)
		}
	})
}

// Applies and bare-rate measurements alternate while requests arrive: every request is
// answered, and no measurement is counted as a request.
func TestBareBetweenApplies(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 7))
			rule := knob.TorchServe + knob.Rule(rng.IntN(2))
			c := knob.Config{Settings: knob.Default(rule), Options: knob.Options{Rule: rule}}
			s, closeAll := serve(t, &doubler{fixed: 3 * ms, own: seed%2 == 0}, c)
			defer closeAll()
			var wg sync.WaitGroup
			const requests = 100
			for range requests {
				at := time.Duration(rng.IntN(5000)) * ms
				wg.Go(func() {
					time.Sleep(at)
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					if _, _, err := s.Submit(ctx, itemOf(1)); err != nil {
						t.Errorf("seed %d: a request at %v: %v", seed, at, err)
					}
				})
			}
			for range 15 {
				time.Sleep(time.Duration(rng.IntN(100)) * ms)
				to := c.Settings
				to.Workers, to.BatchSize, to.Threads = 1+rng.IntN(3), 1+rng.IntN(8), 1+rng.IntN(2)
				if err := s.Apply(t.Context(), to, nil); err != nil {
					t.Errorf("seed %d: %v", seed, err)
				}
				if _, err := s.Bare(t.Context()); err != nil && !errors.Is(err, engine.ErrBusy) {
					t.Errorf("seed %d: %v", seed, err)
				}
			}
			wg.Wait()
			if st := s.Stats(); st.OK != requests || st.InFlight != 0 || st.Queue != 0 {
				t.Errorf("seed %d: %+v", seed, st)
			}
		})
	}
}
