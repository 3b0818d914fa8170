package predict_test

import (
	"math"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/engine/servicetime"
	"sweetspot/sweep/load"
	"sweetspot/sweep/predict"
)

func TestCorrect(t *testing.T) {
	if got := predict.Correct(90, 50, 45); got != 100 {
		t.Errorf("Correct(90, 50, 45) = %g, want 100", got)
	}
	for _, v := range [][3]float64{{0, 1, 1}, {1, math.NaN(), 1}, {1, 1, 0}, {1, math.Inf(1), 1}, {-1, 1, 1}} {
		if got := predict.Correct(v[0], v[1], v[2]); !math.IsNaN(got) {
			t.Errorf("Correct(%v) = %g, want NaN", v, got)
		}
	}
}

// Short runs at high utilization have too low percentiles; the corrected ones have less bias and
// variance, although the model is 4% too fast and has no spread. A curve fitted to the run is
// better still.
func TestCorrector(t *testing.T) {
	const rho, runs, n, long = .9, 40, 2000, 300_000
	model := config(knob.TorchServe, 2, 8, 2*ms)
	model.Settings.QueueSize = 1_000_000
	truth := model
	truth.Service = truth.Service.Scaled(1.04).WithSpread(.08)
	truth.Plan = poisson(truth, rho, long, 99)
	s := predict.New(truth)
	s.Run()
	p99 := s.Quantile(.99)
	model.Plan = truth.Plan
	k := predict.NewCorrector(model, .99)
	fitted := model
	fitted.Service = predict.Fit(model.Service, detail(truth))
	f := predict.NewCorrector(fitted, .99)
	var raw, corrected, better []float64
	for seed := range uint64(runs) {
		truth.Plan, truth.Seed = poisson(truth, rho, n, seed), seed
		s.Reset(truth)
		s.Run()
		v := s.Quantile(.99)
		raw = append(raw, v/p99)
		corrected = append(corrected, k.Correct(v, truth.Plan, 0)/p99)
		better = append(better, f.Correct(v, truth.Plan, 0)/p99)
	}
	off := func(v []float64) float64 { mean, _ := moments(v); return math.Abs(mean - 1) }
	sd := func(v []float64) float64 { _, sd := moments(v); return sd }
	t.Logf("off by %.3f +- %.3f, corrected %.3f +- %.3f, fitted %.3f +- %.3f",
		off(raw), sd(raw), off(corrected), sd(corrected), off(better), sd(better))
	if off(corrected) > off(raw) || sd(corrected) > .8*sd(raw) {
		t.Error("correction does not help")
	}
	if off(better) > .05 || sd(better) > .8*sd(raw) {
		t.Error("a fitted correction is no better")
	}
}

// detail runs c with samples.
func detail(c predict.Config) []load.Sample {
	c.Detail = true
	s := predict.New(c)
	s.Run()
	return s.Samples()
}

func TestFit(t *testing.T) {
	c := servicetime.Line(ms, ms/2)
	three := load.Sample{Batch: 2, Model: 3 * ms}
	got := predict.Fit(c, []load.Sample{three, three, {Batch: 1, Model: 9 * ms / 4}, {Outcome: load.Refused}})
	if got.At(1) != 9*ms/4 || got.At(2) != 3*ms {
		t.Errorf("fitted to half as much again: s(1) %v, s(2) %v", got.At(1), got.At(2))
	}
	if got := predict.Fit(c, []load.Sample{{Latency: ms}}); got.At(1) != 3*ms/2 {
		t.Errorf("fitted to nothing: s(1) %v, want 1.5ms", got.At(1))
	}
}

func TestMaxRate(t *testing.T) {
	s := predict.New(config(knob.Eager, 1, 1, 0))
	for _, tt := range []struct {
		name      string
		c         predict.Config
		limit     time.Duration
		low, high float64
	}{
		{"plain", config(knob.Eager, 2, 8, 0), 10 * ms, 2600, 3200},
		{"nothing does", config(knob.Eager, 1, 1, 0), ms, 0, 0},
		{"one worker", config(knob.Eager, 1, 1, 0), 15 * ms, 480, 667},
		// Below about 300/s batches do not fill within the delay.
		{"delay breaks it at low rates", config(knob.TorchServe, 1, 2, 20*ms), 12 * ms, 600, 1000},
	} {
		got := predict.MaxRate(s, tt.c, load.Poisson, 5000, predict.Promise{Q: .99, Limit: tt.limit})
		if got < tt.low || got > tt.high {
			t.Errorf("%s: %g/s, want %g-%g", tt.name, got, tt.low, tt.high)
		}
	}
}
