package predict_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/knob"
	"sweetspot/engine/servicetime"
	"sweetspot/sweep/load"
	"sweetspot/sweep/predict"
)

const ms = time.Millisecond

// config returns a config with s(b) = 1 + b/2 ms.
func config(rule knob.Rule, workers, size int, delay time.Duration) predict.Config {
	return predict.Config{
		Settings: knob.Settings{Workers: workers, BatchSize: size, BatchDelay: delay, QueueSize: 1000},
		Rule:     rule, Service: servicetime.Line(ms, ms/2),
	}
}

// at returns a plan in ms.
func at(times ...float64) []time.Duration {
	plan := []time.Duration{}
	for _, t := range times {
		plan = append(plan, time.Duration(t*float64(ms)))
	}
	return plan
}

// Small runs that can be computed by hand: latencies in ms, in order of completion.
func TestRun(t *testing.T) {
	for _, tt := range []struct {
		name  string
		rule  knob.Rule
		w, b  int
		delay time.Duration
		plan  []time.Duration
		want  []float64
	}{
		{"nothing", knob.Eager, 1, 1, 0, at(), nil},
		{"one", knob.Eager, 1, 1, 0, at(5), []float64{1.5}},
		{"waits for the worker", knob.Eager, 1, 1, 0, at(0, .5), []float64{1.5, 2.5}},
		{"two workers", knob.Eager, 2, 1, 0, at(0, .5), []float64{1.5, 1.5}},
		{"eager takes what is there", knob.Eager, 1, 4, 0, at(0, .5, 1), []float64{1.5, 3, 2.5}},
		{"eager holds for the oldest", knob.Eager, 1, 4, 2 * ms, at(0, 1), []float64{4, 3}},
		{"eager sends a full batch", knob.Eager, 1, 2, 2 * ms, at(0, 1), []float64{3, 2}},
		{"torchserve waits from the first take", knob.TorchServe, 1, 4, 2 * ms, at(0, .5), []float64{4, 3.5}},
		{"torchserve, delay 0: two at most", knob.TorchServe, 1, 4, 0, at(0, .1, .2, .3), []float64{1.5, 3.4, 3.3, 4.7}},
		{"an idle worker hoards", knob.TorchServe, 2, 4, 2 * ms, at(0, 1, 3), []float64{4, 3, 3.5}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := config(tt.rule, tt.w, tt.b, tt.delay)
			c.Plan = tt.plan
			s := predict.New(c)
			s.Run()
			if diff := cmp.Diff(tt.want, rounded(s.Latencies())); diff != "" {
				t.Errorf("latencies (-want +got):\n%s", diff)
			}
			if s.Sent() != len(tt.plan) || s.Refused() != 0 {
				t.Errorf("sent %d, refused %d", s.Sent(), s.Refused())
			}
		})
	}
}

func rounded(v []float64) []float64 {
	var out []float64
	for _, x := range v {
		out = append(out, math.Round(x*1e6)/1e6)
	}
	return out
}

func TestSamples(t *testing.T) {
	c := config(knob.TorchServe, 1, 2, 5*ms)
	c.Plan, c.Detail, c.Settings.QueueSize = at(0, 1, 1.5, 1.6, 20), true, 1
	s := predict.New(c)
	s.Run()
	ok := load.Sample{Status: 200, Outcome: load.OK}
	sample := func(planned, latency, queue, formation, model float64, batch int32) load.Sample {
		out, p := ok, at(planned, latency, queue, formation, model)
		out.Planned, out.Latency, out.Queue, out.Formation, out.Model, out.Batch = p[0], p[1], p[2], p[3], p[4], batch
		return out
	}
	want := []load.Sample{
		{Planned: at(1.6)[0], Status: 503, Outcome: load.Refused},
		sample(0, 3, 0, 1, 2, 2),
		sample(1, 2, 0, 0, 2, 2),
		sample(1.5, 8, 1.5, 5, 1.5, 1),
		sample(20, 6.5, 0, 5, 1.5, 1),
	}
	if diff := cmp.Diff(want, s.Samples()); diff != "" {
		t.Errorf("samples (-want +got):\n%s", diff)
	}
	for _, x := range s.Samples() {
		if x.Outcome == load.OK && x.Latency != x.Queue+x.Formation+x.Model {
			t.Errorf("the parts of %+v do not sum up", x)
		}
	}
}

// A closed load keeps its concurrency: its rate is that of full batches, and by Little's law
// its latency is clients / rate.
func TestClosed(t *testing.T) {
	c := config(knob.TorchServe, 1, 8, ms)
	c.Clients, c.Requests = 10, 10_000
	s := predict.New(c)
	s.Run()
	rate := float64(s.Sent()) / s.Now().Seconds()
	if math.Abs(rate-1600) > 5 {
		t.Errorf("rate %g, want 8 per 5 ms", rate)
	}
	sum := 0.0
	for _, l := range s.Latencies() {
		sum += l
	}
	if mean := sum / float64(len(s.Latencies())); math.Abs(mean-10/1.6) > .02 {
		t.Errorf("mean latency %g ms, want 10 clients / 1.6 per ms", mean)
	}
}

// Clients that find the queue full are refused, pause, and send again; no request is lost.
func TestClosedRefused(t *testing.T) {
	c := config(knob.Eager, 1, 1, 0)
	c.Clients, c.Requests, c.Settings.QueueSize, c.Detail = 5, 1000, 2, true
	s := predict.New(c)
	s.Run()
	if s.Refused() == 0 || s.Sent() != 1000 || len(s.Samples()) != 1000 {
		t.Errorf("sent %d, refused %d, %d samples; want 1000, some, 1000", s.Sent(), s.Refused(), len(s.Samples()))
	}
}

// A burst that is larger than the memory of the requests so far is queued whole, while a batch is executed.
func TestBurst(t *testing.T) {
	for _, n := range []int{1, 31, 32, 33, 63, 64, 65, 300} {
		c := config(knob.TorchServe, 1, 8, ms)
		c.Plan = append(at(0), slices.Repeat(at(1.2), n)...) // the first batch is executed from 1 ms on
		s := predict.New(c)
		s.Run()
		if len(s.Latencies()) != n+1 || s.Sent() != n+1 || s.Refused() != 0 {
			t.Errorf("a burst of %d: %d answers, %d sent, %d refused", n, len(s.Latencies()), s.Sent(), s.Refused())
		}
	}
}

func TestAdvanceAndStop(t *testing.T) {
	c := config(knob.Eager, 1, 1, 0)
	c.Clients = 1
	s := predict.New(c)
	if !s.Advance(15*ms) || len(s.Latencies()) != 10 {
		t.Errorf("after 15 ms %d answers, want 10 of 1.5 ms", len(s.Latencies()))
	}
	s.Stop()
	if s.Advance(time.Hour) || len(s.Latencies()) != 11 {
		t.Errorf("after Stop %d answers, want the one in progress too", len(s.Latencies()))
	}
}

func TestWarm(t *testing.T) {
	c := config(knob.Eager, 1, 1, 0)
	c.Plan, c.Warm = at(0, 10, 20), 10*ms
	s := predict.New(c)
	s.Run()
	if got := len(s.Latencies()); got != 2 {
		t.Errorf("%d latencies recorded, want the 2 from 10 ms on", got)
	}
}

// poisson returns an open load of n requests at utilization rho of c.
func poisson(c predict.Config, rho float64, n int, seed uint64) []time.Duration {
	rate := rho * c.Service.Rate(c.Settings.Workers, c.Settings.BatchSize)
	return load.Plan(load.Spec{Mode: load.Open, Rate: rate}, seed, 100*time.Hour, n)
}

// One worker without batches is the M/D/1 queue, whose mean wait has a formula.
func TestPollaczekKhinchine(t *testing.T) {
	for _, rho := range []float64{.3, .6, .8} {
		c := config(knob.Eager, 1, 1, 0)
		c.Settings.QueueSize = 1_000_000
		c.Plan = poisson(c, rho, 300_000, 1)
		s := predict.New(c)
		s.Run()
		sum := 0.0
		for _, l := range s.Latencies() {
			sum += l
		}
		got, want := sum/300_000, 1.5*(1+rho/(2*(1-rho)))
		if math.Abs(got/want-1) > .03 {
			t.Errorf("utilization %g: mean latency %.3f ms, want %.3f", rho, got, want)
		}
	}
}

// With random settings, every request is answered or refused once, no batch exceeds its size, and
// the same config gives the same run.
func TestConservation(t *testing.T) {
	s := predict.New(config(knob.Eager, 1, 1, 0))
	for _, rule := range []knob.Rule{knob.TorchServe, knob.Eager} {
		for _, w := range []int{1, 3, 16} {
			for _, b := range []int{1, 2, 7, 32} {
				for _, delay := range []time.Duration{0, ms, 50 * ms} {
					c := config(rule, w, b, delay)
					c.Service, c.Wake, c.Seed, c.Detail = c.Service.WithSpread(.3), 50*time.Microsecond, 7, true
					c.Settings.QueueSize = 20
					c.Plan = poisson(c, 1.1, 2000, 3)
					s.Reset(c)
					s.Run()
					first := slices.Clone(s.Samples())
					check(t, c, first)
					s.Reset(c)
					s.Run()
					if !slices.Equal(first, s.Samples()) {
						t.Fatalf("%v: another run (-first +second):\n%s", c.Settings, cmp.Diff(first, s.Samples()))
					}
				}
			}
		}
	}
}

func check(t *testing.T, c predict.Config, samples []load.Sample) {
	t.Helper()
	seen := map[time.Duration]int{}
	for _, x := range samples {
		seen[x.Planned]++
		if x.Outcome == load.OK && (x.Batch < 1 || int(x.Batch) > c.Settings.BatchSize || x.Latency < x.Queue+x.Formation+x.Model) {
			t.Fatalf("%v: sample %+v", c.Settings, x)
		}
	}
	planned := map[time.Duration]int{}
	for _, p := range c.Plan {
		planned[p]++
	}
	if diff := cmp.Diff(planned, seen); diff != "" {
		t.Fatalf("%v: requests (-planned +seen):\n%s", c.Settings, diff)
	}
}

func TestSpreadAndWake(t *testing.T) {
	c := config(knob.Eager, 1, 1, 0)
	for i := range 20_000 {
		c.Plan = append(c.Plan, time.Duration(i)*time.Second)
	}
	c.Service = c.Service.WithSpread(.2)
	s := predict.New(c)
	s.Run()
	if got := s.Quantile(.5); math.Abs(got-1.5) > .01 {
		t.Errorf("median %g ms with spread, want 1.5", got)
	}
	mean, sd := moments(s.Latencies())
	if math.Abs(sd/mean-.2) > .01 {
		t.Errorf("spread %g, want .2", sd/mean)
	}
	c.Service, c.Wake = c.Service.WithSpread(0), ms
	s.Reset(c)
	s.Run()
	if mean, _ := moments(s.Latencies()); math.Abs(mean-2.5) > .03 {
		t.Errorf("mean %g ms with a wake-up of 1 ms, want 2.5", mean)
	}
}

func moments(v []float64) (mean, sd float64) {
	for _, x := range v {
		mean += x / float64(len(v))
	}
	for _, x := range v {
		sd += (x - mean) * (x - mean) / float64(len(v))
	}
	return mean, math.Sqrt(sd)
}

func ExampleSim() {
	c := predict.Config{
		Settings: knob.Settings{Workers: 1, BatchSize: 8, BatchDelay: ms, QueueSize: 100},
		Service:  servicetime.Line(20*ms, 10*ms), Clients: 10, Requests: 1000,
	}
	s := predict.New(c)
	s.Run()
	fmt.Printf("%.0f requests/s, P99 %.0f ms\n", float64(s.Sent())/s.Now().Seconds(), s.Quantile(.99))
	// Output: 80 requests/s, P99 200 ms
}

func TestQuantileAndHist(t *testing.T) {
	c := config(knob.Eager, 1, 1, 0)
	s := predict.New(c)
	if q := s.Quantile(.5); !math.IsNaN(q) {
		t.Errorf("median of nothing is %g, want NaN", q)
	}
	c.Plan = poisson(c, .8, 1000, 1)
	s.Reset(c)
	s.Run()
	sorted := slices.Sorted(slices.Values(s.Latencies()))
	if got, want := s.Quantile(.99), sorted[989]; got != want {
		t.Errorf("P99 %g, want the 990th of 1000, %g", got, want)
	}
	if h := s.Hist(); h.Count() != 1000 || math.Abs(h.Quantile(.99).Seconds()*1000/sorted[989]-1) > .002 {
		t.Errorf("histogram: %d values, P99 %v, want %g ms", h.Count(), h.Quantile(.99), sorted[989])
	}
}

func TestNoAllocation(t *testing.T) {
	c := config(knob.TorchServe, 2, 8, 2*ms)
	c.Plan = poisson(c, .9, 5000, 1)
	s := predict.New(c)
	s.Run()
	// Reset allocates a collector; the 5000 requests allocate nothing.
	if n := testing.AllocsPerRun(5, func() { s.Reset(c); s.Run() }); n > 1 {
		t.Errorf("%g allocations in a run of 5000 requests, want 1", n)
	}
}

// A rate above the capacity of the workers never passes, even with a very high limit.
func TestMaxRateKeepsUp(t *testing.T) {
	s := knob.Default(knob.TorchServe)
	s.Workers, s.BatchSize, s.BatchDelay, s.QueueSize = 1, 8, time.Millisecond, 1_000_000
	c := predict.Config{Settings: s, Rule: knob.TorchServe, Service: servicetime.Line(2*time.Millisecond, time.Millisecond), Seed: 1}
	capacity := c.Service.Rate(1, 8)
	for _, model := range []bool{false, true} {
		rate := predict.MaxRate(predict.New(c), c, load.Poisson, 3000, predict.Promise{Q: .99, Limit: time.Hour, Model: model})
		if rate > capacity || rate < .9*capacity {
			t.Errorf("model %v: %.0f/s, want just below the capacity, %.0f/s", model, rate, capacity)
		}
	}
}
