//go:build !race

package sweep_test

import (
	"context"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/engine/latency"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// starting is a target in virtual time that is started again for each settings: one worker, 8 clients, a batch
// takes 4 ms + 1 ms b, and more while slow says so.
type starting struct {
	slow func(age time.Duration, answers int) float64 // factor of the time of a batch

	current  knob.Settings
	age      time.Duration // under load, since the start
	answers  int
	applied  int
	spent    time.Duration // of load, by all servers
	measured int
}

func (d *starting) Info(ctx context.Context) (sweep.Info, error) { return (&device{}).Info(ctx) }

func (d *starting) Apply(_ context.Context, s knob.Settings) (sweep.Applied, error) {
	if d.applied++; s != d.current || d.applied == 1 {
		d.current, d.age, d.answers = s, 0, 0
	}
	return sweep.Applied{Settings: s, Fresh: d.age == 0}, nil
}

func (d *starting) Close(context.Context) error { return nil }

func (d *starting) Measure(ctx context.Context, m sweep.Measurement) (trial.Result, error) {
	d.measured++
	batch := min(d.current.BatchSize, m.Load.Concurrency)
	rounds := time.Duration((m.Load.Concurrency + batch - 1) / batch)
	rng := rand.New(rand.NewPCG(m.Seed, 0))
	var samples []load.Sample
	why, elapsed := "", time.Duration(0)
	for next := 250 * ms; elapsed < m.Time && (m.Max == 0 || len(samples) < m.Max); {
		took := time.Duration(float64(4*ms+time.Duration(batch)*ms) * d.slow(d.age, d.answers) * (1 + .1*rng.Float64()))
		for range batch {
			samples = append(samples, load.Sample{Planned: elapsed, Status: 200, Latency: took * rounds})
		}
		elapsed, d.age, d.answers = elapsed+took, d.age+took, d.answers+batch
		if elapsed < next {
			continue
		}
		next += 250 * ms
		stop, reason := m.Stop(elapsed, samples)
		if m.Progress != nil {
			m.Progress(elapsed, samples)
		}
		if stop {
			why = reason
			break
		}
	}
	d.spent += elapsed
	r := load.Result{Seconds: elapsed.Seconds(), Samples: samples, Lag: latency.New()}
	return sweep.Summarize(r, m.Load, m.SLA, why), ctx.Err()
}

// on returns a sweep of a starting server.
func on(d *starting, n *memoryRecorder, limit time.Duration) *sweep.Runner {
	r := runner(&device{}, n, limit)
	r.Target = d
	return r
}

// slowStarts are servers that are slow at first.
var slowStarts = map[string]func(time.Duration, int) float64{
	"steady":       func(time.Duration, int) float64 { return 1 },
	"200 requests": func(_ time.Duration, n int) float64 { return factor(n < 200, 3) },
	"5 s":          func(d time.Duration, _ int) float64 { return factor(d < 5*time.Second, 3) },
	"5 s, 2x":      func(d time.Duration, _ int) float64 { return factor(d < 5*time.Second, 2) },
	"gradual": func(d time.Duration, _ int) float64 {
		return 1 + 4*max(0, 1-d.Seconds()/6)
	},
}

func factor(slow bool, by float64) float64 {
	if slow {
		return by
	}
	return 1
}

// TestSlowStartDoesNotMoveTheChoice: batches of 1, 2, 4 and 8 take 40, 24, 16 and 12 ms for 8 clients. Whatever a
// server does at first, the trials say what they say of the steady one, and the choice is the same.
func TestSlowStartDoesNotMoveTheChoice(t *testing.T) {
	steady := &starting{slow: slowStarts["steady"]}
	want := &memoryRecorder{}
	if _, err := on(steady, want, 20*ms).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, slow := range slowStarts {
		t.Run(name, func(t *testing.T) {
			d, n := &starting{slow: slow}, &memoryRecorder{}
			out, err := on(d, n, 20*ms).Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if out.Choice == nil || out.Choice.Settings.BatchSize != 8 {
				t.Errorf("choice %+v", out.Choice)
			}
			for i, r := range n.trials {
				w := want.trials[i]
				t.Logf("%v %v/s %v ms %s %v", r.Settings, r.Throughput.Value, r.Verdict.ValueMS, r.Verdict.Label(), r.Warnings)
				if r.Settings != w.Settings || r.Verdict.Label() != w.Verdict.Label() || !near(r.Throughput.Value, w.Throughput.Value) || !near(r.Verdict.ValueMS, w.Verdict.ValueMS) {
					t.Errorf("trial %d: %v, %v/s, %v ms, %s; want %v/s, %v ms, %s", r.N, r.Settings, r.Throughput.Value, r.Verdict.ValueMS, r.Verdict.Label(),
						w.Throughput.Value, w.Verdict.ValueMS, w.Verdict.Label())
				}
			}
			t.Logf("%d measurements, %v of load", d.measured, d.spent)
		})
	}
}

// near reports whether two figures differ by at most 5%.
func near(a, b trial.Num) bool {
	x, ok1 := a.Get()
	y, ok2 := b.Get()
	return ok1 && ok2 && x > .95*y && x < 1.05*y
}

// TestNeverSteady: a server that becomes faster to the end has no certain verdict, and the trial says why.
func TestNeverSteady(t *testing.T) {
	faster := func(d time.Duration, _ int) float64 { return 8 * math.Exp(-d.Seconds()/8) }
	n := &memoryRecorder{}
	r := on(&starting{slow: faster}, n, time.Second)
	r.Duration = 5 * time.Second
	if _, err := r.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, x := range n.trials {
		t.Logf("%v %s %s %v", x.Settings, x.Verdict.Label(), x.Verdict.Why, x.Warnings)
		if x.Role == trial.RoleLoad && (x.Verdict.Result != trial.Undecided || !strings.Contains(x.Verdict.Why, "still becoming faster")) {
			t.Errorf("trial %d: %s, %s", x.N, x.Verdict.Label(), x.Verdict.Why)
		}
	}
}

// TestLeastWarmUp: the time of the plan is load that does not count, before each trial of any target.
func TestLeastWarmUp(t *testing.T) {
	var loads []time.Duration
	d := &device{}
	n := &memoryRecorder{}
	r := runner(d, n, 20*ms)
	r.Warmup = 3 * time.Second
	r.OnProgress = func(p sweep.Progress) {
		if c := p.Current; c != nil && c.Stage == sweep.StageWarmUp && c.Elapsed > 0 {
			loads = append(loads, c.Elapsed)
		}
	}
	if _, err := r.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d.measured != 2*len(n.trials) {
		t.Errorf("%d measurements for %d trials, want one before each", d.measured, len(n.trials))
	}
	if len(loads) == 0 || loads[len(loads)-1] < 2500*ms {
		t.Errorf("warm-up %v", loads)
	}
}
