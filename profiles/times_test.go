package profiles_test

import (
	"math"
	"testing"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/sweep/trial"
)

// timed returns a trial with the mean execution time of its requests, and the number of its
// batches of each size.
func timed(workers int, ms float64, sizes map[int]int) trial.Trial {
	t := trial.Trial{Settings: knob.Default(knob.TorchServe)}
	t.Settings.Workers = workers
	t.Breakdown.Execution, t.Batches.Sizes = trial.NumOf(ms), sizes
	return t
}

func probed(workers, batch int, ms float64) trial.Probe {
	s := knob.Default(knob.TorchServe)
	s.Workers, s.BatchSize = workers, batch
	return trial.Probe{Settings: s, BatchSize: batch, Runs: 10, ServiceTime: trial.ServiceTime{Median: trial.NumOf(ms)}}
}

func TestTimes(t *testing.T) {
	// s(b) = 2 + b ms: 10 requests are in batches of 1 and 10 in batches of 2, 1.5 on average.
	mixed := timed(1, 3.5, map[int]int{1: 10, 2: 5})
	for _, tt := range []struct {
		name    string
		profile profiles.Profile
		want    map[int]float64 // ms by batch size
		spread  float64
	}{
		{"nothing", profiles.Profile{Trials: []trial.Trial{timed(1, 5, nil)}}, nil, 0},
		{
			"sizes of batches without times",
			profiles.Profile{Trials: []trial.Trial{func() trial.Trial {
				r := timed(1, 5, map[int]int{8: 100})
				r.Breakdown.Execution = trial.Num{}
				return r
			}(), timed(1, 0, map[int]int{8: 100})}},
			nil,
			0,
		},
		{
			"probes",
			profiles.Profile{Probes: []trial.Probe{probed(1, 1, 3), probed(1, 8, 10), {Settings: knob.Default(knob.TorchServe), BatchSize: 4}}},
			map[int]float64{1: 3, 4: 6, 8: 10, 16: 18},
			0,
		},
		{
			"trials",
			profiles.Profile{Trials: []trial.Trial{timed(1, 10, map[int]int{8: 100}), mixed}},
			map[int]float64{1: 3, 2: 4, 8: 10},
			0,
		},
		{
			"both: probes have priority",
			profiles.Profile{Probes: []trial.Probe{probed(1, 8, 10)}, Trials: []trial.Trial{timed(1, 12, map[int]int{8: 100}), mixed}},
			map[int]float64{1: 3, 8: 10},
			0,
		},
		{
			"one size: smaller batches are assumed to be as slow",
			profiles.Profile{Trials: []trial.Trial{timed(1, 10, map[int]int{8: 100})}},
			map[int]float64{1: 10, 8: 10},
			0,
		},
		{
			"below the smallest: not less time per item",
			profiles.Profile{Probes: []trial.Probe{probed(1, 4, 4), probed(1, 8, 12)}},
			map[int]float64{1: 1, 4: 4, 8: 12},
			0,
		},
		{
			"times with a spread", // ln(P99/P50) is 2.326 sigma
			profiles.Profile{Trials: []trial.Trial{func() trial.Trial {
				r := timed(1, 10, map[int]int{8: 95, 1: 10})
				r.Model = trial.ModelLatencies{P50: trial.NumOf(10), P99: trial.NumOf(10 * math.Exp(.2326))}
				return r
			}(), timed(1, 3, map[int]int{1: 10})}},
			map[int]float64{1: 3},
			.1003,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, ok := tt.profile.ServiceTimes()[profiles.CurveKeyOf(knob.Default(knob.TorchServe))]
			if ok != (tt.want != nil) {
				t.Fatalf("a curve: %v", ok)
			}
			for batch, want := range tt.want {
				if got := float64(c.At(batch)) / 1e6; math.Abs(got-want) > 1e-6 {
					t.Errorf("s(%d) = %.4f ms, want %.4f", batch, got, want)
				}
			}
			if ok && math.Abs(c.Spread(8)-tt.spread) > 1e-3 {
				t.Errorf("spread %.4f, want %.4f", c.Spread(8), tt.spread)
			}
		})
	}
}

// TestTimesSeparate: times of different settings are in different curves.
func TestTimesSeparate(t *testing.T) {
	p := profiles.Profile{Probes: []trial.Probe{probed(1, 1, 3), probed(2, 1, 5)}}
	times := p.ServiceTimes()
	for workers, want := range map[int]float64{1: 3, 2: 5} {
		key := profiles.CurveKeyOf(probed(workers, 1, 0).Settings)
		if got := float64(times[key].At(1)) / 1e6; got != want {
			t.Errorf("%d workers: s(1) = %v ms, want %v", workers, got, want)
		}
	}
	if len(times) != 2 {
		t.Errorf("%d curves, want 2", len(times))
	}
}
