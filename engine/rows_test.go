package engine_test

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// rowsOf returns a request with one row per number.
func rowsOf(v ...float64) payload.Request {
	var r payload.Request
	for _, x := range v {
		r.Items = append(r.Items, itemOf(x))
	}
	return r
}

// Rows of one request run in batches of the batch size, also with rows of other requests,
// and are answered together, in order.
func TestRowsOfOneRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, done := serve(t, &doubler{fixed: 5 * ms}, config(1, 4, 50*ms))
		defer done()
		var wg sync.WaitGroup
		wg.Go(func() {
			a, timing, err := s.Do(t.Context(), rowsOf(1, 2, 3, 4, 5, 6), nil)
			if err != nil || len(a.Items) != 6 {
				t.Errorf("Do = %v, %v", a, err)
				return
			}
			for i, item := range a.Items {
				if value(item) != 2*float64(i+1) {
					t.Errorf("row %d = %v", i, value(item))
				}
			}
			if timing.Queue < 5*ms || timing.Batch != 4 {
				t.Errorf("timing %+v is not the timing of the last rows", timing)
			}
		})
		wg.Go(func() {
			time.Sleep(ms)
			a, _, err := s.Do(t.Context(), rowsOf(7, 8), nil)
			if err != nil || value(a.Items[1]) != 16 {
				t.Errorf("Do = %v, %v", a, err)
			}
		})
		wg.Wait()
		if st := s.Stats(); st.Batches != 2 || st.Sizes[4] != 2 || st.OK != 8 || st.Accepted != 8 {
			t.Errorf("stats = %+v, want two batches of 4", st)
		}
	})
}

// A request is queued with all its rows or refused.
func TestRowsAreQueuedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := config(1, 2, ms)
		c.QueueSize = 5
		s, done := serve(t, &doubler{fixed: 50 * ms}, c)
		defer done()
		var wg sync.WaitGroup
		for range 2 { // two in the worker, and four in the queue
			wg.Go(func() {
				if _, _, err := s.Do(t.Context(), rowsOf(1, 2, 3), nil); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		if _, _, err := s.Do(t.Context(), rowsOf(1, 2), nil); !errors.Is(err, engine.ErrQueueFull) {
			t.Errorf("two rows with room for one: %v", err)
		}
		if _, _, err := s.Do(t.Context(), rowsOf(1, 2, 3, 4, 5, 6), nil); !errors.Is(err, engine.ErrTooManyRows) {
			t.Errorf("six rows for a queue of five: %v", err)
		}
		if _, _, err := s.Do(t.Context(), payload.Request{}, nil); err == nil {
			t.Error("a request without rows was answered")
		}
		wg.Wait()
		if st := s.Stats(); st.OK != 6 || st.Refused != 2 || st.Accepted != 6 {
			t.Errorf("stats = %+v, want 6 rows answered and 2 refused", st)
		}
	})
}

// The error of a row fails its request, and abandoned rows do not run.
func TestRowsFailOrAreAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, done := serve(t, &doubler{fixed: 50 * ms}, config(1, 2, ms))
		defer done()
		bad := rowsOf(1, math.NaN())
		if _, _, err := s.Do(t.Context(), bad, nil); err == nil {
			t.Error("a NaN row did not fail its request")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*ms)
		defer cancel()
		if _, _, err := s.Do(ctx, rowsOf(1, 2, 3, 4), nil); !errors.Is(err, engine.ErrExpired) {
			t.Errorf("Do with 20 ms = %v", err)
		}
		time.Sleep(time.Second)
		if st := s.Stats(); st.Expired != 2 || st.Accepted != st.OK+st.Failed+st.Expired {
			t.Errorf("stats = %+v, want two rows expired and all accounted for", st)
		}
	})
}

// Many requests of many rows arrive and are abandoned while settings change; every other
// request gets its own rows.
func TestRowsUnderChange(t *testing.T) {
	s, done := serve(t, &doubler{perItem: 50 * time.Microsecond}, config(2, 4, ms))
	defer done()
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for i := range 8 {
		clients.Go(func() {
			for k := 0; ctx.Err() == nil; k++ {
				n := 1 + (i+k)%5
				items := make([]tensor.Item, n)
				for j := range items {
					items[j] = itemOf(float64(100*k + j))
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+k%20)*ms)
				a, _, err := s.Do(ctx, payload.Request{Items: items}, nil)
				cancel()
				for j := range a.Items {
					if err == nil && value(a.Items[j]) != 2*float64(100*k+j) {
						t.Errorf("row %d of %d: %v", j, k, value(a.Items[j]))
					}
				}
			}
		})
	}
	for i := range 30 {
		want := s.Config().Settings
		want.Workers, want.BatchSize = 1+i%3, 1+i%6
		if err := s.Apply(t.Context(), want, nil); err != nil {
			t.Error(err)
		}
	}
	cancel()
	clients.Wait()
	for s.Stats().Queue+s.Stats().InFlight > 0 {
		time.Sleep(ms)
	}
	if st := s.Stats(); st.Accepted != st.OK+st.Failed+st.Expired+st.Cancelled {
		t.Errorf("stats = %+v: not every row is accounted for once", st)
	}
}
