package drive_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/target/drive"
)

// closed is a load of two clients.
var closed = load.Spec{Mode: load.Closed, Concurrency: 2}

// start runs a server that answers at once and counts the requests that it has not answered.
func start(t *testing.T) (drive.Run, *atomic.Int32) {
	t.Helper()
	inFlight := &atomic.Int32{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		inFlight.Add(1)
		defer inFlight.Add(-1)
		w.WriteHeader(http.StatusOK)
	}))
	t.Cleanup(s.Close)
	c := load.Config{Addr: strings.TrimPrefix(s.URL, "http://"), Path: "/", Bodies: []load.Body{{Data: []byte("x")}}, Block: 5 * time.Millisecond}
	return drive.Run{Config: c, Timeout: time.Minute}, inFlight
}

// TestMeasure: a run ends for the reason of the measurement, or because its server has ended.
func TestMeasure(t *testing.T) {
	r, _ := start(t)
	blocks, shown := 0, 0
	r.OnBlock = func(time.Duration) { blocks++ }
	m := sweep.Measurement{Load: closed, Seed: 1, Time: time.Minute, Stop: func(_ time.Duration, samples []load.Sample) (bool, string) {
		return len(samples) >= 20, "enough"
	}, Progress: func(_ time.Duration, samples []load.Sample) { shown = len(samples) }}
	result, why, err := drive.Measure(t.Context(), r, m)
	if err != nil || why != "enough" || len(result.Samples) < 20 || blocks == 0 || shown < 20 {
		t.Errorf("%d samples, %d blocks, %d shown, why %q, %v", len(result.Samples), blocks, shown, why, err)
	}
	for _, s := range result.Samples {
		if s.Outcome != load.OK {
			t.Errorf("a request was not answered: %+v", s)
		}
	}

	ended := false
	r.OnBlock = func(time.Duration) { ended = true }
	r.Ended = func() bool { return ended }
	m.Stop = func(time.Duration, []load.Sample) (bool, string) { return false, "" }
	if _, why, err := drive.Measure(t.Context(), r, m); err != nil || why != "" {
		t.Errorf("of a server that ended: why %q, %v", why, err)
	}

	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("interrupted")
	r.Ended, r.OnBlock = nil, func(time.Duration) { cancel(cause) }
	if _, _, err := drive.Measure(ctx, r, m); !errors.Is(err, cause) {
		t.Errorf("of a measurement that was interrupted: %v", err)
	}
}

// TestChange: live load makes way for each change, none of its requests is in flight while one
// runs, and it goes on after it with other seeds.
func TestChange(t *testing.T) {
	r, inFlight := start(t)
	var gate drive.Gate
	answered := make(chan struct{}, 1)
	seeds := []uint64{}
	ctx, cancel := context.WithCancel(t.Context())
	live := make(chan error)
	go func() {
		live <- gate.Live(ctx, 7, func(seed uint64) error {
			defer gate.Hold()()
			seeds = append(seeds, seed)
			return gate.Segment(ctx, r, closed, seed, func(fresh []load.Sample) {
				if len(fresh) > 0 {
					select {
					case answered <- struct{}{}:
					default:
					}
				}
			})
		})
	}()
	refused := errors.New("refused")
	for range 3 {
		<-answered
		if err := gate.Change(func() error {
			if n := inFlight.Load(); n != 0 {
				t.Errorf("%d requests in flight during a change", n)
			}
			select {
			case <-answered: // of the segment that has ended
			default:
			}
			return refused
		}); !errors.Is(err, refused) {
			t.Errorf("Change = %v", err)
		}
	}
	<-answered
	cancel()
	if err := <-live; err != nil {
		t.Errorf("Live = %v", err)
	}
	for i, seed := range seeds {
		if seed != uint64(7+i) {
			t.Errorf("seeds %v", seeds)
		}
	}
	if len(seeds) < 2 {
		t.Errorf("%d segments for 3 changes", len(seeds))
	}
}

// TestLiveFails: live load ends with the error of its segment.
func TestLiveFails(t *testing.T) {
	var gate drive.Gate
	lost := errors.New("lost")
	if err := gate.Live(t.Context(), 1, func(uint64) error { return lost }); !errors.Is(err, lost) {
		t.Errorf("Live = %v", err)
	}
}

// TestClose: a target is closed once, and not changed after it.
func TestClose(t *testing.T) {
	var gate drive.Gate
	calls := 0
	count := func() error { calls++; return errors.New("first") }
	if err := gate.Close(count); err == nil || calls != 1 {
		t.Errorf("Close = %v, %d calls", err, calls)
	}
	if err := gate.Close(count); err != nil || calls != 1 {
		t.Errorf("the second Close = %v, %d calls", err, calls)
	}
	if err := gate.Change(count); err == nil || !strings.Contains(err.Error(), "closed") || calls != 1 {
		t.Errorf("Change after Close = %v, %d calls", err, calls)
	}
}
