package sweep_test

import (
	"math"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/engine/servicetime"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/predict"
	"sweetspot/sweep/trial"
)

// servedBy is a server of 2 workers that takes 4 + 2b ms with a spread of 8%,
// and what is known of it.
func servedBy(rho float64) (predict.Config, load.Spec, knob.Config) {
	s := knob.Default(knob.TorchServe)
	s.Workers, s.BatchSize, s.BatchDelay, s.QueueSize = 2, 8, 8*time.Millisecond, 1_000_000
	curve := servicetime.Line(4*time.Millisecond, 2*time.Millisecond)
	l := load.Spec{Mode: load.Open, Rate: rho * curve.Rate(2, 8)}
	c := predict.Config{Settings: s, Service: curve.WithSpread(.08), Wake: 50 * time.Microsecond}
	return c, l, knob.Config{Settings: s}
}

// ran is a run of that server as the generator tells it, and its summary.
func ran(c predict.Config, l load.Spec, seed uint64, n int, noise ...sweep.Disturbance) (trial.Result, load.Result) {
	c.Plan, c.Seed, c.Detail = load.Plan(l, seed, math.MaxInt64, n), seed, true
	sim := predict.New(c)
	sim.Run()
	r := load.Result{Samples: sim.Samples(), Planned: n, Sent: n, Seconds: (sim.Now() - c.Plan[0]).Seconds()}
	return sweep.Summarize(r, load.Spec{}, trial.SLA{Percentile: 99, Limit: time.Second}, "", noise...), r
}

// Short runs of a busy server are too good on average, and scatter; corrected they
// are closer to a long one.
func TestCorrected(t *testing.T) {
	const runs, n = 12, 3000
	c, l, served := servedBy(.9)
	c.Plan = load.Plan(l, 99, math.MaxInt64, 1_000_000)
	sim := predict.New(c)
	sim.Run()
	truth := sim.Quantile(.99)
	var raw, corrected float64 // mean squared errors
	for seed := range uint64(runs) {
		out, r := ran(c, l, seed, n)
		k, ok := sweep.CorrectedP99(out, r, l, served).Get()
		if !ok {
			t.Fatal("a run was not corrected")
		}
		raw += math.Pow(out.Latency.P99.Value.Or(0)/truth-1, 2) / runs
		corrected += math.Pow(k/truth-1, 2) / runs
	}
	t.Logf("off by %.3f, corrected by %.3f", math.Sqrt(raw), math.Sqrt(corrected))
	if corrected > raw/2 {
		t.Errorf("corrected figures are off by %.3f, raw ones by %.3f, want far less", math.Sqrt(corrected), math.Sqrt(raw))
	}
}

func TestCorrectedNull(t *testing.T) {
	c, l, served := servedBy(.6)
	out, r := ran(c, l, 1, 2000)
	noise := []sweep.Disturbance{{From: 0, To: 2 * time.Second}, {From: 2 * time.Second, To: 3 * time.Second, Steal: 1}, {From: 3 * time.Second, To: time.Hour}}
	noisy, _ := ran(c, l, 1, 2000, noise...)
	untold := load.Result{Seconds: r.Seconds}
	for _, s := range r.Samples {
		s.Batch = 0
		untold.Samples = append(untold.Samples, s)
	}
	alone := served
	alone.Settings.Workers = 1
	closed, ramp, over := load.Spec{Concurrency: 10}, load.Spec{Mode: load.Ramp, From: 1, To: 2, Over: time.Second}, l
	over.Rate /= .6
	unlike := out
	unlike.Latency.P99.Value = trial.NumOf(3 * out.Latency.P99.Value.Or(0))
	few := out
	few.Latency.P99.Value = trial.Num{}
	tests := []struct {
		name   string
		out    trial.Result
		r      load.Result
		l      load.Spec
		served knob.Config
		noise  []sweep.Disturbance
		want   bool
	}{
		{"open", out, r, l, served, nil, true},
		{"open, blocks cut out", noisy, r, l, served, noise, true},
		{"closed", out, r, closed, served, nil, false},
		{"ramp", out, r, ramp, served, nil, false},
		{"no batches told", out, untold, l, served, nil, false},
		{"no P99", few, r, l, served, nil, false},
		{"more than it bears", out, r, over, served, nil, false},
		{"more than these settings bear", out, r, l, alone, nil, false},
		{"another server", unlike, r, l, served, nil, false},
	}
	for _, tt := range tests {
		got, ok := sweep.CorrectedP99(tt.out, tt.r, tt.l, tt.served, tt.noise...).Get()
		if ok != tt.want || ok && !(math.Abs(got/out.Latency.P99.Value.Or(0)-1) < .2) {
			t.Errorf("%s: corrected %v to %.2f, want it: %v, near %.2f", tt.name, ok, got, tt.want, out.Latency.P99.Value.Or(0))
		}
	}
}
