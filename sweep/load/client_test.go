package load_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/sweep/load"
)

// fakeClient is a load.Client that answers each request with answer.
type fakeClient struct {
	connected atomic.Int64
	sent      atomic.Int64
	answer    func(ctx context.Context, n int64, body int) load.Answer
}

func (f *fakeClient) Connect(_ context.Context, requests int) error {
	f.connected.Store(int64(requests))
	return nil
}

func (f *fakeClient) Send(ctx context.Context, body int) load.Answer {
	return f.answer(ctx, f.sent.Add(1), body)
}

func clientConfig(f *fakeClient, s load.Spec) load.Config {
	return load.Config{Client: f, Bodies: make([]load.Body, 2), Spec: s, Seed: 1}
}

func TestClientClosed(t *testing.T) {
	var mu sync.Mutex
	seen := map[int]int{}
	f := &fakeClient{answer: func(_ context.Context, n int64, body int) load.Answer {
		mu.Lock()
		defer mu.Unlock()
		seen[body]++
		switch n % 4 {
		case 0:
			return load.Answer{Status: 503}
		case 1:
			return load.Answer{Status: 400}
		}
		return load.Answer{Status: 200, Timing: []byte("queue;dur=8.5, execution;dur=9.25, batch;desc=4")}
	}}
	c := clientConfig(f, closed(3))
	c.Max = 100
	res, n := mustRun(t, c)
	if n.OK != 50 || n.Refused != 25 || n.Failed != 25 || res.Sent != 100 || f.connected.Load() != 3 || res.Lag.Count() != 0 {
		t.Errorf("%+v, sent %d, connected %d, lags %d", n, res.Sent, f.connected.Load(), res.Lag.Count())
	}
	if d := cmp.Diff(map[int]int{0: 50, 1: 50}, seen); d != "" {
		t.Errorf("bodies (-want +got):\n%s", d)
	}
	i := slices.IndexFunc(res.Samples, func(s load.Sample) bool { return s.Outcome == load.OK })
	if s := res.Samples[i]; s.Queue != 8500*time.Microsecond || s.Model != 9250*time.Microsecond || s.Batch != 4 {
		t.Errorf("sample = %+v, want the times of the answer", s)
	}
}

// TestClientOpen: the arrivals are those of the plan, and each latency counts from the planned time, also that of
// requests that wait in the server one behind the other.
func TestClientOpen(t *testing.T) {
	var turn sync.Mutex
	f := &fakeClient{answer: func(context.Context, int64, int) load.Answer {
		turn.Lock()
		defer turn.Unlock()
		time.Sleep(4 * time.Millisecond) // the server; less than every second request fits
		return load.Answer{Status: 200}
	}}
	c := clientConfig(f, open(500))
	c.Max = 60
	res, n := mustRun(t, c)
	if n.OK != 60 || res.Planned != 60 || res.Lag.Count() != 60 || f.connected.Load() != 8 {
		t.Errorf("ok %d, planned %d, lags %d, connected %d", n.OK, res.Planned, res.Lag.Count(), f.connected.Load())
	}
	plan := load.Plan(c.Spec, c.Seed, 0, c.Max)
	var planned []time.Duration
	for _, s := range res.Samples {
		planned = append(planned, s.Planned)
		if s.Lag < 0 || s.Latency < s.Lag {
			t.Errorf("lag %v, latency %v, want 0 <= lag <= latency", s.Lag, s.Latency)
		}
	}
	// All requests are served one after the other, so that the last one ends no earlier than 60 services after the first arrival.
	end := time.Duration(0)
	for _, s := range res.Samples {
		end = max(end, s.Planned+s.Latency)
	}
	if end < plan[0]+60*4*time.Millisecond {
		t.Errorf("the last answer came at %v, and 60 services take %v: a latency does not count from the planned time", end, 60*4*time.Millisecond)
	}
	slices.Sort(planned)
	if d := cmp.Diff(plan, planned); d != "" {
		t.Errorf("planned times (-plan +samples):\n%s", d)
	}
}

// TestClientTimeout: requests without an answer end at their timeout, which is their latency, and without a deadline that the
// server could know. No request has an answer, so that a slow machine has no effect.
func TestClientTimeout(t *testing.T) {
	f := &fakeClient{answer: func(ctx context.Context, _ int64, _ int) load.Answer {
		if _, ok := ctx.Deadline(); ok {
			t.Error("the context has a deadline")
		}
		<-ctx.Done()
		return load.Answer{Err: ctx.Err()}
	}}
	for _, spec := range []load.Spec{closed(1), open(1000)} {
		c := clientConfig(f, spec)
		c.Max, c.Timeout = 2, 20*time.Millisecond
		res, n := mustRun(t, c)
		if n.Timeout != 2 || res.Err != "" || res.Abandoned != 0 {
			t.Errorf("%v: %+v, error %q, abandoned %d", spec, n, res.Err, res.Abandoned)
		}
		for _, s := range res.Samples {
			if s.Latency != c.Timeout {
				t.Errorf("%v: latency %v of a timeout", spec, s.Latency)
			}
		}
	}
}

// TestClientError: an error of the client is a failed request, and the first one is reported.
func TestClientError(t *testing.T) {
	f := &fakeClient{answer: func(_ context.Context, n int64, _ int) load.Answer {
		if n == 1 {
			return load.Answer{Err: errors.New("the connection is broken")}
		}
		return load.Answer{Status: 200}
	}}
	for _, spec := range []load.Spec{closed(1), open(1000)} {
		f.sent.Store(0)
		c := clientConfig(f, spec)
		c.Max, c.Timeout = 3, time.Minute
		if res, n := mustRun(t, c); n.Failed != 1 || n.OK != 2 || res.Err != "the connection is broken" || res.Abandoned != 0 {
			t.Errorf("%v: %+v, error %q, abandoned %d", spec, n, res.Err, res.Abandoned)
		}
	}
}

// TestClientEnd: when the context ends, requests in flight are abandoned and the goroutines end.
func TestClientEnd(t *testing.T) {
	for _, spec := range []load.Spec{closed(2), open(1000)} {
		ctx, cancel := context.WithCancel(t.Context())
		f := &fakeClient{answer: func(ctx context.Context, n int64, _ int) load.Answer {
			if n == 2 {
				cancel()
			}
			<-ctx.Done()
			return load.Answer{Err: ctx.Err()}
		}}
		c := clientConfig(f, spec)
		res, err := load.Run(ctx, c)
		if !errors.Is(err, context.Canceled) || len(res.Samples) != 0 || res.Abandoned < 2 || res.Sent != res.Abandoned {
			t.Errorf("%v: %v, %d samples, sent %d, abandoned %d", spec, err, len(res.Samples), res.Sent, res.Abandoned)
		}
	}
}
