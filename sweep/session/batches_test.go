package session_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sweetspot/sweep"
	"sweetspot/sweep/session"
)

// batchDevice reports a batch of size n in its answer n. Its second answer is an error;
// the third comes only when the context of the request ends.
type batchDevice struct {
	device
	answers int // guarded by device.mu
}

func (d *batchDevice) Batches(ctx context.Context) (sweep.RecentBatches, error) {
	d.mu.Lock()
	d.answers++
	n := d.answers
	d.mu.Unlock()
	switch n {
	case 2:
		return sweep.RecentBatches{}, errors.New("busy")
	case 3:
		<-ctx.Done()
		return sweep.RecentBatches{}, ctx.Err()
	}
	return sweep.RecentBatches{BatchSize: 8, Workers: [][]sweep.FormedBatch{{{Size: n}}}}, nil
}

// The latest batches are asked for once a second. The last answer stays if a request
// fails, and one that lasts long does not hold up the session.
func TestRecentBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &batchDevice{device: device{applyTime: ms}}
		s := session.New(session.Config{
			Plan: testPlan(t),
			Open: func(context.Context) (session.Target, error) { return d, nil },
		})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := s.Run(ctx); err != nil {
				t.Errorf("Run = %v", err)
			}
		})
		size := func() int {
			if b := s.Snapshot().Internals.Batches; b != nil {
				return b.Workers[0][0].Size
			}
			return 0
		}
		time.Sleep(500 * ms)
		seen := []int{size()}
		for range 8 {
			time.Sleep(time.Second)
			if n := size(); n != seen[len(seen)-1] {
				seen = append(seen, n)
			}
		}
		if len(seen) < 4 || seen[0] != 0 || seen[1] != 1 || seen[2] != 4 {
			t.Errorf("batches seen: %v, want 0, 1, 4 and later ones", seen)
		}
		d.mu.Lock()
		if d.answers > 9 {
			t.Errorf("%d requests in 9 seconds", d.answers)
		}
		d.mu.Unlock()
		cancel()
		wg.Wait()
	})
}
