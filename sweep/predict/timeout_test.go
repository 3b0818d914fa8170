package predict_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/predict"
)

// A client gives up after the timeout, and one of a closed load sends again. The server executes the request all the
// same, so that the next ones wait for it. Every request takes 1.5 ms.
func TestTimeout(t *testing.T) {
	type sample struct {
		sent, latency float64 // ms
		outcome       load.Outcome
	}
	for _, tt := range []struct {
		name    string
		plan    []time.Duration
		clients int
		timeout time.Duration
		want    []sample
	}{
		{"open", at(0, .5, 1), 0, 2 * ms, []sample{{0, 1.5, load.OK}, {.5, 2, load.Timeout}, {1, 2, load.Timeout}}},
		{"an answer at the timeout is late", at(0, .5), 0, 2500 * time.Microsecond, []sample{{0, 1.5, load.OK}, {.5, 2.5, load.Timeout}}},
		{"long enough", at(0, .5, 1), 0, 4 * ms, []sample{{0, 1.5, load.OK}, {.5, 2.5, load.OK}, {1, 3.5, load.OK}}},
		{"closed", nil, 2, 2 * ms, []sample{{0, 1.5, load.OK}, {0, 2, load.Timeout}, {1.5, 2, load.Timeout}, {2, 2, load.Timeout}}},
		{"no answer in time", nil, 1, ms, []sample{{0, 1, load.Timeout}, {1, 1, load.Timeout}, {2, 1, load.Timeout}, {3, 1, load.Timeout}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := config(knob.Eager, 1, 1, 0)
			c.Plan, c.Clients, c.Timeout, c.Detail = tt.plan, tt.clients, tt.timeout, true
			if c.Plan == nil {
				c.Requests = 4
			}
			s := predict.New(c)
			s.Run()
			var got []sample
			for _, x := range s.Samples() {
				got = append(got, sample{float64(x.Planned) / 1e6, float64(x.Latency) / 1e6, x.Outcome})
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(sample{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if s.Sent() != len(tt.want) {
				t.Errorf("sent %d, want %d", s.Sent(), len(tt.want))
			}
		})
	}
}

// Every request has exactly one sample, whatever the load and the timeout, and with batches of several workers. A timeout
// that no request reaches changes nothing.
func TestTimeoutSamples(t *testing.T) {
	for seed := range uint64(20) {
		c := config(knob.TorchServe, 2, 4, 2*ms)
		c.Detail, c.Seed = true, seed
		if seed%2 == 0 {
			c.Plan = load.Plan(load.Spec{Mode: load.Open, Rate: 2500}, seed, time.Second, 5000)
		} else {
			c.Clients, c.Requests = 40, 3000
		}
		run := func(timeout time.Duration) []load.Sample {
			c.Timeout = timeout
			s := predict.New(c)
			s.Run()
			if len(s.Samples()) != s.Sent() {
				t.Errorf("seed %d, timeout %v: %d samples of %d requests", seed, timeout, len(s.Samples()), s.Sent())
			}
			return s.Samples()
		}
		for _, x := range run(8 * ms) {
			if late := x.Latency >= 8*ms; late != (x.Outcome == load.Timeout) || x.Latency > 8*ms {
				t.Fatalf("seed %d: %+v", seed, x)
			}
		}
		if diff := cmp.Diff(run(0), run(time.Hour)); diff != "" {
			t.Fatalf("seed %d (-none +an hour):\n%s", seed, diff)
		}
	}
}
