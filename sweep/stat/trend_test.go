package stat_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"sweetspot/sweep/stat"
)

// noise returns n values of an autoregressive process with standard deviation 1.
func noise(rng *rand.Rand, n int, phi float64) []float64 {
	out := make([]float64, n)
	x := rng.NormFloat64()
	for i := range out {
		out[i] = x
		x = phi*x + math.Sqrt(1-phi*phi)*rng.NormFloat64()
	}
	return out
}

// trends counts how often a trend is found in n values of noise with standard deviation sd, to which a drift is added.
func trends(n int, phi, sd, drift float64) (found float64) {
	const runs = 2000
	times := make([]float64, n)
	for seed := range uint64(runs) {
		values := noise(rand.New(rand.NewPCG(seed, 1)), n, phi)
		for i := range values {
			times[i] = float64(i) / float64(n)
			values[i] = sd*values[i] + drift*times[i]
		}
		if stat.IsTrend(stat.Trend(times, values)) {
			found += 1. / runs
		}
	}
	return found
}

// Steady noise has no trend in 95% of the runs, also if neighbours are correlated a little, or for a short part of the time.
// A drift of twice the noise is found.
func TestTrend(t *testing.T) {
	for _, tt := range []struct {
		n           int
		phi, drift  float64
		least, most float64
	}{
		{n: 6, most: .05},
		{n: 12, most: .05},
		{n: 60, most: .05},
		{n: 60, phi: .3, most: .05},
		{n: 1440, phi: .9, most: .05},
		{n: 60, drift: .2, least: .8, most: 1}, // noise of 10%, a drift of 20%
		{n: 20, drift: .3, least: .7, most: 1},
	} {
		if got := trends(tt.n, tt.phi, .1, tt.drift); got < tt.least || got > tt.most {
			t.Errorf("%d values, correlation %g, drift %g: found in %.1f%%, want %.0f-%.1f%%", tt.n, tt.phi, tt.drift, 100*got, 100*tt.least, 100*tt.most)
		} else {
			t.Logf("%d values, correlation %g, drift %g: found in %.1f%%", tt.n, tt.phi, tt.drift, 100*got)
		}
	}
}

// One value far off is no trend, wherever it is.
func TestTrendOutlier(t *testing.T) {
	for n := stat.TrendMin; n <= 40; n++ {
		for at := range n {
			times, values := make([]float64, n), make([]float64, n)
			for i := range n {
				times[i] = float64(i)
				values[i] = .001 * math.Sin(float64(7*i))
			}
			values[at] = 1000
			if iv := stat.Trend(times, values); stat.IsTrend(iv) {
				t.Errorf("%d values, number %d far off: a trend of %v", n, at, iv)
			}
		}
	}
}

func TestTrendOfTooFew(t *testing.T) {
	for _, n := range []int{0, 1, stat.TrendMin - 1} {
		if iv := stat.Trend(make([]float64, n), make([]float64, n)); !math.IsNaN(iv.Value) {
			t.Errorf("%d values: %v, want none", n, iv)
		}
	}
	if stat.IsTrend(stat.Trend(nil, nil)) {
		t.Error("no values are a trend")
	}
	if iv := stat.Trend(make([]float64, 9), make([]float64, 9)); !math.IsNaN(iv.Value) {
		t.Errorf("all at one time: %v, want none", iv)
	}
}
