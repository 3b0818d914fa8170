package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
	"sweetspot/engine/server"
	"sweetspot/engine/tensor"
)

// failing is a backend that doubles numbers, and fails in the ways of a runtime: a row, a whole batch, a panic, a lost
// session, a run that does not end.
type failing struct {
	mu    sync.Mutex // guards rng
	rng   *rand.Rand
	share float64      // of the runs that fail
	left  atomic.Int64 // how many more may fail
	hung  chan struct{}
}

func (f *failing) Open(context.Context, *engine.Model, knob.Config) (engine.Session, error) {
	return failingSession{f}, nil
}

type failingSession struct{ *failing }

func (failingSession) Shared() bool { return false }
func (failingSession) Close() error { return nil }

// fault returns the kind of fault of a run; 0 is none.
func (f *failing) fault() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.rng.Float64() >= f.share || f.left.Add(-1) < 0 {
		return 0
	}
	return 1 + f.rng.IntN(5)
}

func (s failingSession) Run(_ context.Context, in []payload.Row, out []payload.Result) error {
	kind := s.fault()
	switch kind {
	case 2:
		return errors.New("the runtime failed")
	case 3:
		panic("in the runtime")
	case 4:
		return fmt.Errorf("%w: the device was reset", engine.ErrSessionLost)
	case 5:
		<-s.hung
	}
	for i := range in {
		if kind == 1 && i == 0 {
			out[i].Err = errors.New("this row failed")
			continue
		}
		out[i].Outputs = tensor.Item{{Type: tensor.Uint8, Shape: []int64{1}, Data: []byte{2 * in[i].Item[0].Data[0]}}}
	}
	return nil
}

// TestChaosRuntime: whether the runtime fails once, often or always, and in whatever way, each request gets one answer: its own, or
// an error that says why. The counts add up, and after the last fault all is well again.
func TestChaosRuntime(t *testing.T) {
	for _, c := range []struct {
		name  string
		share float64
		most  int64
	}{{"once", 1, 1}, {"often", .3, 1 << 40}, {"always", 1, 1 << 40}} {
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("%s, seed %d", c.name, seed), func(t *testing.T) {
				t.Parallel()
				f := &failing{rng: rand.New(rand.NewPCG(seed, 1)), share: c.share, hung: make(chan struct{})}
				f.left.Store(c.most)
				chaosRuntime(t, f)
			})
		}
	}
}

func chaosRuntime(t *testing.T, f *failing) {
	t.Cleanup(func() { close(f.hung) })
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{"failing": f}, Cores: 2})
	t.Cleanup(func() { _ = e.Close(context.Background()) })
	one := func(name string) []tensor.Spec {
		return []tensor.Spec{{Name: name, Type: tensor.Uint8, Shape: []int64{1}}}
	}
	cfg := knob.Config{Settings: knob.Default(knob.Eager), Options: knob.Options{Rule: knob.Eager}}
	cfg.Workers, cfg.BatchSize = 2, 4
	m := &engine.Model{Name: "m", Version: "1.0", Backend: "failing", BatchAxis: true, Inputs: one("x"), Outputs: one("y"), RunTime: 100 * time.Millisecond}
	share := f.share
	f.share = 0 // while it is loaded
	if err := e.Load(t.Context(), m, cfg); err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	f.share = share
	f.mu.Unlock()
	a, _ := serve(t, server.Config{}, e)
	var answered, failed atomic.Int64
	var clients sync.WaitGroup
	for client := range 8 {
		clients.Go(func() {
			for i := range 25 {
				ok, err := askDouble(a.Inference, byte(client*25+i)/2)
				switch {
				case err != nil:
					t.Errorf("client %d, request %d: %v", client, i, err)
				case ok:
					answered.Add(1)
				default:
					failed.Add(1)
				}
			}
		})
	}
	clients.Wait()
	if n := answered.Load() + failed.Load(); n != 200 && !t.Failed() {
		t.Errorf("%d of 200 requests have an answer", n)
	}
	f.left.Store(0)
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		ok, err := askDouble(a.Inference, 21)
		if ok && err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("it does not recover: %v", err)
		}
	}
	service, err := e.Find("m", "")
	if err != nil {
		t.Fatal(err)
	}
	if s := service.Stats(); s.Accepted != s.OK+s.Failed+s.Cancelled+s.Expired {
		t.Errorf("the outcomes do not add up: %+v", s)
	}
	t.Logf("%d answered, %d failed", answered.Load(), failed.Load())
}

// askDouble asks for the double of x. ok is the right answer; an error without a reason, or a wrong answer, is an error.
func askDouble(address string, x byte) (ok bool, err error) {
	client := http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Post("http://"+address+"/predictions/m", "application/json", strings.NewReader(fmt.Sprintf("[%d]", x)))
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return false, err
	}
	if resp.StatusCode == http.StatusOK {
		if want := fmt.Sprintf("[%d]\n", 2*x); string(body) != want {
			return false, fmt.Errorf("%d is answered with %q, want %q", x, body, want)
		}
		return true, nil
	}
	var e struct {
		Code    int
		Message string
	}
	if err := json.Unmarshal(body, &e); err != nil || e.Code != resp.StatusCode || e.Message == "" || e.Code < 500 {
		return false, fmt.Errorf("%d is answered with %d %q", x, resp.StatusCode, body)
	}
	return false, nil
}
