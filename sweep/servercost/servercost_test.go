package servercost_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/engine/servicetime"
	"sweetspot/sweep/servercost"
)

const ms = time.Millisecond

func settings(workers, batch int, delay time.Duration) knob.Settings {
	s := knob.Default(knob.TorchServe)
	s.Workers, s.BatchSize, s.BatchDelay, s.QueueSize = workers, batch, delay, 100
	return s
}

func simulate(t *testing.T, s servercost.Server, set knob.Settings, l servercost.Load) servercost.Figures {
	t.Helper()
	f, err := servercost.Simulate(s, set, l)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestSimulate compares rates with sums by hand. The service times are 1 ms + 1 ms per request.
func TestSimulate(t *testing.T) {
	line := servicetime.Line(ms, ms)
	for _, c := range []struct {
		name    string
		cost    servercost.Cost
		cores   int
		set     knob.Settings
		clients int
		want    float64 // answers per second
		batch   float64
	}{
		{"the model alone, one client", servercost.Cost{}, 4, settings(1, 1, ms), 1, 500, 1},
		{"full batches", servercost.Cost{}, 4, settings(1, 4, 10*ms), 16, 800, 4},
		{"two workers", servercost.Cost{}, 4, settings(2, 4, 10*ms), 32, 1600, 4},
		{"with a cost a batch and a request", servercost.Cost{Batch: 2, Request: .5}, 4, settings(1, 4, 10*ms), 16, 4000 / 9., 4},
		{"one core for two workers", servercost.Cost{}, 1, settings(2, 4, 10*ms), 32, 800, 4},
		{"the delay of a batch that does not fill", servercost.Cost{}, 4, settings(1, 4, 10*ms), 2, 2000 / 13., 2},
		{"the frontend is the limit", servercost.Cost{Frontend: 5}, 4, settings(4, 1, ms), 16, 200, 1},
		{"a frontend beside a worker", servercost.Cost{Frontend: .5}, 4, settings(1, 4, 10*ms), 16, 800, 4},
		{"one client waits for the frontend", servercost.Cost{Frontend: 2}, 4, settings(1, 1, ms), 1, 250, 1},
		{"work beside the workers on one core", servercost.Cost{Background: 5}, 1, settings(1, 4, 10*ms), 16, 400, 4},
		{"workers that slow each other", servercost.Cost{Slowdown: .25}, 4, settings(2, 4, 10*ms), 32, 1280, 4},
		{"a worker after another one", servercost.Cost{Switch: 2}, 4, settings(2, 1, ms), 1, 250, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := simulate(t, servercost.Server{Cost: c.cost, Service: line, Cores: c.cores}, c.set, servercost.Load{Clients: c.clients, Requests: 4000})
			if math.Abs(got.Rate/c.want-1) > .02 || math.Abs(got.Batch-c.batch) > .02 {
				t.Errorf("%.1f answers/s in batches of %.2f, want %.1f in batches of %.2f", got.Rate, got.Batch, c.want, c.batch)
			}
			if got.P50 <= 0 || got.P99 < got.P50 {
				t.Errorf("P50 %g, P99 %g", got.P50, got.P99)
			}
		})
	}
}

// TestSimulateOpen: an open load has its rate, and requests for which the queue has no place are refused.
func TestSimulateOpen(t *testing.T) {
	s := servercost.Server{Service: servicetime.Line(ms, ms), Cores: 4}
	var arrivals []time.Duration
	for i := range 2000 {
		arrivals = append(arrivals, time.Duration(i)*5*ms)
	}
	got := simulate(t, s, settings(1, 1, ms), servercost.Load{Arrivals: arrivals})
	if math.Abs(got.Rate-200) > 2 || math.Abs(got.P99-2) > .01 || got.Refused != 0 {
		t.Errorf("a constant load of 200/s: %+v", got)
	}
	for i := range arrivals {
		arrivals[i] /= 20
	}
	if got = simulate(t, s, settings(1, 1, ms), servercost.Load{Arrivals: arrivals}); math.Abs(got.Rate-500) > 5 || got.Refused < 1500-300 {
		t.Errorf("a load of 4000/s for 500/s: %+v", got)
	}
}

// TestSimulateErrors: what cannot be simulated is an error.
func TestSimulateErrors(t *testing.T) {
	good := servercost.Server{Service: servicetime.Line(ms, ms), Cores: 2}
	for name, change := range map[string]func(*servercost.Server, *knob.Settings, *servercost.Load){
		"cores":    func(s *servercost.Server, _ *knob.Settings, _ *servercost.Load) { s.Cores = 0 },
		"clients":  func(_ *servercost.Server, _ *knob.Settings, l *servercost.Load) { l.Clients = 0 },
		"workers":  func(_ *servercost.Server, k *knob.Settings, _ *servercost.Load) { k.Workers = 0 },
		"frontend": func(s *servercost.Server, _ *knob.Settings, _ *servercost.Load) { s.Cost.Frontend = -1 },
		"batch":    func(s *servercost.Server, _ *knob.Settings, _ *servercost.Load) { s.Cost.Batch = math.NaN() },
		"spread":   func(s *servercost.Server, _ *knob.Settings, _ *servercost.Load) { s.Spread = math.Inf(1) },
	} {
		s, k, l := good, settings(1, 1, ms), servercost.Load{Clients: 1, Requests: 10}
		change(&s, &k, &l)
		if _, err := servercost.Simulate(s, k, l); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// points are the settings of a small plan.
func points() []knob.Settings {
	var out []knob.Settings
	for _, w := range []int{1, 2} {
		for _, b := range []int{1, 2, 4, 8} {
			for _, d := range []time.Duration{ms, 10 * ms} {
				out = append(out, settings(w, b, d))
			}
		}
	}
	return out
}

// probe measures the steps of a simulated server, whose rates have an error.
func probe(t *testing.T, s servercost.Server, steps []servercost.Step, relative float64, seed uint64) []servercost.Probe {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 7))
	var out []servercost.Probe
	for i, step := range steps {
		f := simulate(t, s, step.Settings, servercost.Load{Clients: step.Clients, Requests: 3000, Seed: seed + uint64(i)})
		out = append(out, servercost.Probe{
			Settings: step.Settings, Clients: step.Clients, Rate: f.Rate * math.Exp(relative*rng.NormFloat64()), Error: relative, P99: f.P99,
		})
	}
	return out
}

// TestFit: the fit finds the costs of simulated servers within its intervals, and predicts the best settings.
func TestFit(t *testing.T) {
	if testing.Short() {
		t.Skip("seconds: the test of sweep.ServerProbe fits one server")
	}
	for _, c := range []struct {
		name string
		cost servercost.Cost
		line servicetime.Curve
	}{
		{"small model", servercost.Cost{Batch: .7, Request: .3, Background: .3, Frontend: .1, Switch: .1, Slowdown: .05}, servicetime.Line(50*time.Microsecond, 120*time.Microsecond)},
		{"slow batches", servercost.Cost{Batch: 1.5, Request: .2, Background: .1, Frontend: .05, Switch: .5, Slowdown: .4}, servicetime.Line(1400*time.Microsecond, 250*time.Microsecond)},
		{"no cost", servercost.Cost{Frontend: .05}, servicetime.Line(2*ms, ms)},
	} {
		t.Run(c.name, func(t *testing.T) {
			truth := servercost.Server{Cost: c.cost, Service: c.line, Cores: 2, Spread: .15}
			inBatch, inRequest, runs := 0, 0, 4
			for seed := range uint64(runs) {
				f, err := servercost.Fit(c.line, 2, probe(t, truth, servercost.Plan(points()), .02, 100*seed))
				if err != nil {
					t.Fatal(err)
				}
				if f.Batch.Low <= c.cost.Batch && c.cost.Batch <= f.Batch.High {
					inBatch++
				}
				if f.Request.Low <= c.cost.Request && c.cost.Request <= f.Request.High {
					inRequest++
				}
				if half := (f.Batch.High - f.Batch.Low) / 2; !(half < .3+.3*c.cost.Batch) {
					t.Errorf("seed %d: %v", seed, f)
				}
				t.Logf("seed %d: %v", seed, f)
				if err := f.Check(); err != nil {
					t.Error(err)
				}
				if seed == 0 {
					checkPrediction(t, truth, f)
				}
			}
			if least := runs - 1; inBatch < least || inRequest < least {
				t.Errorf("of %d intervals %d have the cost of a batch and %d that of a request", runs, inBatch, inRequest)
			}
		})
	}
}

// checkPrediction compares predictions under the load of 10 clients with the true server.
func checkPrediction(t *testing.T, truth servercost.Server, f servercost.Fitted) {
	t.Helper()
	all, err := f.Predict(points(), servercost.Load{Clients: 10, Requests: 3000, Seed: 5}, servercost.Promise{Q: .99})
	if err != nil {
		t.Fatal(err)
	}
	best, chosen := 0., 0.
	for i, p := range all {
		got := simulate(t, truth, p.Settings, servercost.Load{Clients: 10, Requests: 3000, Seed: 77}).Rate
		if math.Abs(math.Log(p.Rate/got)) > .12 {
			t.Errorf("%v: predicted %.0f answers/s, the server has %.0f", p.Settings, p.Rate, got)
		}
		best = max(best, got)
		if i == 0 {
			chosen = got
		}
	}
	if chosen < .95*best {
		t.Errorf("the choice %v has %.0f answers/s, the best settings %.0f", all[0].Settings, chosen, best)
	}
}

// TestCheck: rates that no server has with these service times are no base of predictions.
func TestCheck(t *testing.T) {
	if testing.Short() {
		t.Skip("seconds of fitting")
	}
	truth := servercost.Server{Service: servicetime.Line(ms, ms), Cores: 2}
	probes := probe(t, truth, servercost.Plan(points()), .02, 1)
	for i := range probes {
		probes[i].Rate *= float64(1 + i%3) // a machine that is busy from time to time
	}
	f, err := servercost.Fit(truth.Service, 2, probes)
	if err == nil {
		err = f.Check()
	}
	if err == nil {
		t.Errorf("no error: %v", f)
	}
}

// TestFitErrors: too few probes are an error.
func TestFitErrors(t *testing.T) {
	line := servicetime.Line(ms, ms)
	one := servercost.Probe{Settings: settings(1, 1, ms), Clients: 7, Rate: 300}
	for name, probes := range map[string][]servercost.Probe{
		"none": nil, "one batch size": {one, one}, "no rate": {{Settings: settings(1, 1, ms), Clients: 7}},
		"no clients": {{Settings: settings(1, 1, ms), Rate: 1}},
	} {
		if _, err := servercost.Fit(line, 2, probes); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestPlan: each batch size is set once, and no step has more clients than the queue takes.
func TestPlan(t *testing.T) {
	big := []knob.Settings{settings(1, 1, ms), settings(4, 32, ms), settings(2, 6, ms)}
	for _, all := range [][]knob.Settings{points(), big, {settings(1, 8, ms)}} {
		steps := servercost.Plan(all)
		var sizes []int
		for _, s := range steps {
			sizes = append(sizes, s.Settings.BatchSize)
			if rows := s.Settings.Workers * s.Settings.BatchSize; s.Clients > s.Settings.QueueSize+rows || s.Clients < 1 {
				t.Errorf("%v: %d clients", s.Settings, s.Clients)
			}
		}
		changes := slices.Compact(sizes) // of the batch size
		if sorted := slices.Compact(slices.Sorted(slices.Values(changes))); len(sorted) != len(changes) || sorted[0] != 1 {
			t.Errorf("batch sizes in this order: %v", changes)
		}
		if testing.Short() {
			continue
		}
		if _, err := servercost.Fit(servicetime.Line(ms, ms), 2, probe(t, servercost.Server{Service: servicetime.Line(ms, ms), Cores: 2}, steps, .02, 1)); err != nil {
			t.Error(err)
		}
	}
	if servercost.Plan(nil) != nil {
		t.Error("steps without points")
	}
}

// TestPredictOrder: those that keep the promise are first, and of equal rates the longest delay.
// TestPredictOverload: settings that do not answer as many requests as arrive, or refuse some, keep no promise, however high
// its limit is.
func TestPredictOverload(t *testing.T) {
	f := servercost.Fitted{Server: servercost.Server{Service: servicetime.Line(4*ms, ms), Cores: 4}, P99: 1}
	at := func(rate float64) (out []time.Duration) {
		for i := range 2000 {
			out = append(out, time.Duration(float64(i)/rate*1e9))
		}
		return out
	}
	queue := func(n int) knob.Settings {
		s := settings(1, 4, ms)
		s.QueueSize = n
		return s
	}
	for _, c := range []struct {
		name   string
		rate   float64 // 4 requests take 8 ms: 500/s at most
		set    knob.Settings
		errors float64
		want   bool
	}{
		{"it keeps up", 450, queue(100000), 0, true},
		{"it does not", 550, queue(100000), 0, false},
		{"it refuses requests", 2000, queue(10), 0, false},
		{"it refuses as many as it may, and does not keep up", 2000, queue(10), 1, false},
	} {
		all, err := f.Predict([]knob.Settings{c.set}, servercost.Load{Arrivals: at(c.rate)}, servercost.Promise{Q: .99, Limit: time.Minute, Errors: c.errors})
		if err != nil || all[0].Keeps != c.want {
			t.Errorf("%s: %+v, %v; want kept %v", c.name, all, err, c.want)
		}
	}
}

func TestPredictOrder(t *testing.T) {
	f := servercost.Fitted{Server: servercost.Server{Service: servicetime.Line(4*ms, ms), Cores: 4}, P99: 1}
	l := servercost.Load{Clients: 10, Requests: 1000}
	all, err := f.Predict([]knob.Settings{settings(1, 4, ms), settings(1, 4, 20*ms), settings(1, 1, ms)}, l, servercost.Promise{Q: .99})
	if err != nil {
		t.Fatal(err)
	}
	if all[0].Settings != settings(1, 4, 20*ms) || all[2].Settings != settings(1, 1, ms) {
		t.Errorf("order %v", all)
	}
	all, err = f.Predict([]knob.Settings{settings(1, 4, ms), settings(4, 1, ms)}, l, servercost.Promise{Q: .99, Limit: 18 * ms})
	if err != nil {
		t.Fatal(err)
	}
	if !all[0].Keeps || all[0].Settings != settings(4, 1, ms) || all[1].Keeps {
		t.Errorf("with a promise %+v", all)
	}
	f.P99 = 2 // of the tail, not of the median
	for q, want := range map[float64]float64{.5: 6, .99: 12} {
		all, err = f.Predict([]knob.Settings{settings(4, 2, ms)}, servercost.Load{Clients: 4, Requests: 1000}, servercost.Promise{Q: q})
		if err != nil || math.Abs(all[0].Value/want-1) > .05 || math.Abs(all[0].P99-12) > 1 {
			t.Errorf("percentile %g: %+v, %v; want %g ms", q, all, err, want)
		}
	}
	if _, err := f.Predict([]knob.Settings{{}}, l, servercost.Promise{Q: .99}); err == nil {
		t.Error("settings without workers: no error")
	}
}
