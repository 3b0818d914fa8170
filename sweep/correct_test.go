//go:build !race

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

// simulatedServer returns a server with 2 workers and a service time of 4 + 2b ms with a
// spread of 8%, an open load of the given utilization, and the server's configuration.
func simulatedServer(utilization float64) (predict.Config, load.Spec, knob.Config) {
	s := knob.Default(knob.TorchServe)
	s.Workers, s.BatchSize, s.BatchDelay, s.QueueSize = 2, 8, 8*time.Millisecond, 1_000_000
	curve := servicetime.Line(4*time.Millisecond, 2*time.Millisecond)
	l := load.Spec{Mode: load.Open, Rate: utilization * curve.Rate(2, 8)}
	c := predict.Config{Settings: s, Service: curve.WithSpread(.08), Wake: 50 * time.Microsecond}
	return c, l, knob.Config{Settings: s, Options: knob.Options{Rule: knob.TorchServe}}
}

// simulate returns the summary and the samples of a run of n requests on that server.
func simulate(c predict.Config, l load.Spec, seed uint64, n int, disturbances ...sweep.Disturbance) (trial.Result, load.Result) {
	c.Plan, c.Seed, c.Detail = load.Plan(l, seed, math.MaxInt64, n), seed, true
	sim := predict.New(c)
	sim.Run()
	r := load.Result{Samples: sim.Samples(), Planned: n, Sent: n, Seconds: (sim.Now() - c.Plan[0]).Seconds()}
	return sweep.Summarize(r, load.Spec{}, trial.SLA{Percentile: 99, Limit: time.Second}, "", disturbances...), r
}

// TestCorrectedP99 checks that the P99 of short runs at a high utilization has a smaller
// error after the correction. The measured one is too low on average and varies.
func TestCorrectedP99(t *testing.T) {
	const runs, n = 12, 3000
	c, l, served := simulatedServer(.9)
	c.Plan = load.Plan(l, 99, math.MaxInt64, 1_000_000)
	sim := predict.New(c)
	sim.Run()
	truth := sim.Quantile(.99)
	var measured, corrected float64 // mean squared errors
	for seed := range uint64(runs) {
		out, r := simulate(c, l, seed, n)
		k, ok := sweep.CorrectedP99(out, r, l, served).Get()
		if !ok {
			t.Fatal("a run was not corrected")
		}
		measured += math.Pow(out.Latency.P99.Value.Or(0)/truth-1, 2) / runs
		corrected += math.Pow(k/truth-1, 2) / runs
	}
	t.Logf("error of the measured P99 %.3f, of the corrected P99 %.3f", math.Sqrt(measured), math.Sqrt(corrected))
	if corrected > measured/2 {
		t.Errorf("error of the corrected P99 %.3f, of the measured P99 %.3f, want a much smaller one", math.Sqrt(corrected), math.Sqrt(measured))
	}
}

func TestCorrectedP99Missing(t *testing.T) {
	c, l, served := simulatedServer(.6)
	out, r := simulate(c, l, 1, 2000)
	disturbances := []sweep.Disturbance{{From: 0, To: 2 * time.Second}, {From: 2 * time.Second, To: 3 * time.Second, Steal: 1}, {From: 3 * time.Second, To: time.Hour}}
	disturbed, _ := simulate(c, l, 1, 2000, disturbances...)
	noBatches := load.Result{Seconds: r.Seconds}
	for _, s := range r.Samples {
		s.Batch = 0
		noBatches.Samples = append(noBatches.Samples, s)
	}
	oneWorker := served
	oneWorker.Settings.Workers = 1
	closed, ramp, overload := load.Spec{Concurrency: 10}, load.Spec{Mode: load.Ramp, From: 1, To: 2, Over: time.Second}, l
	overload.Rate /= .6
	slower := out
	slower.Latency.P99.Value = trial.NumOf(3 * out.Latency.P99.Value.Or(0))
	noP99 := out
	noP99.Latency.P99.Value = trial.Num{}
	tests := []struct {
		name         string
		out          trial.Result
		r            load.Result
		l            load.Spec
		served       knob.Config
		disturbances []sweep.Disturbance
		want         bool
	}{
		{"open load", out, r, l, served, nil, true},
		{"open load, a rejected block", disturbed, r, l, served, disturbances, true},
		{"closed load", out, r, closed, served, nil, false},
		{"ramp", out, r, ramp, served, nil, false},
		{"no batch sizes", out, noBatches, l, served, nil, false},
		{"no P99", noP99, r, l, served, nil, false},
		{"rate above the capacity", out, r, overload, served, nil, false},
		{"rate above the capacity of these settings", out, r, l, oneWorker, nil, false},
		{"P99 unlike the simulated one", slower, r, l, served, nil, false},
	}
	for _, tt := range tests {
		got, ok := sweep.CorrectedP99(tt.out, tt.r, tt.l, tt.served, tt.disturbances...).Get()
		if ok != tt.want || ok && !(math.Abs(got/out.Latency.P99.Value.Or(0)-1) < .2) {
			t.Errorf("%s: corrected %v to %.2f; want %v, near %.2f", tt.name, ok, got, tt.want, out.Latency.P99.Value.Or(0))
		}
	}
}
