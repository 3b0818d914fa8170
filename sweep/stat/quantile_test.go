package stat_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"sweetspot/sweep/stat"
)

func ramp(n int) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = float64(i + 1)
	}
	return v
}

func TestQuantileValue(t *testing.T) {
	nan := math.NaN()
	tests := []struct {
		n    int
		q    float64
		want float64
	}{
		{0, .5, nan},
		{1, .5, nan},
		{2, .5, 1},
		{3, .5, 2},
		{99, .99, nan},
		{100, .99, 99},
		{999, .999, nan},
		{1000, .999, 999},
		{100, .07, 7},
		{100, 0, nan},
		{100, 1, nan},
		{100, nan, nan},
	}
	for _, c := range tests {
		got := stat.Quantile(ramp(c.n), c.q).Value
		if got != c.want && !(math.IsNaN(got) && math.IsNaN(c.want)) {
			t.Errorf("Quantile(1..%d, %g).Value = %g, want %g", c.n, c.q, got, c.want)
		}
	}
}

func TestQuantileOpenEnds(t *testing.T) {
	steady := make([]float64, 400)
	for i := range steady {
		steady[i] = float64(i * 7 % 400)
	}
	if iv := stat.Quantile(steady[:300], .99); !math.IsNaN(iv.High) || math.IsNaN(iv.Low) {
		t.Errorf("P99 of 300 = %v, want an open high end only", iv)
	}
	burst := make([]float64, 2000) // all slow requests are in one burst
	for i := range burst {
		burst[i] = float64(i % 10)
		if i >= 1000 && i < 1100 {
			burst[i] = 1000 + float64(i)
		}
	}
	if iv := stat.Quantile(burst, .99); !math.IsNaN(iv.High) {
		t.Errorf("P99 of one burst of 100 in 2000 = %v, want an open high end", iv)
	}
}

// The ends enclose the value, the input does not change, percentiles do not decrease, and the
// order of samples does not change the value.
func TestQuantileProperties(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	for range 60 {
		v := make([]float64, 1+rng.IntN(3000))
		for i := range v {
			v[i] = math.Round(rng.ExpFloat64() * 50)
		}
		before := slices.Clone(v)
		qs := []float64{.5, .9, .95, .99, .999}
		ivs := stat.Quantiles(v, qs...)
		if !slices.Equal(v, before) {
			t.Fatal("Quantiles changed its input")
		}
		rng.Shuffle(len(v), func(i, j int) { v[i], v[j] = v[j], v[i] })
		for i, iv := range ivs {
			if iv.Low > iv.Value || iv.High < iv.Value {
				t.Fatalf("n %d: Quantile(%g) = %v, want Low <= Value <= High", len(v), qs[i], iv)
			}
			if i > 0 && iv.Value < ivs[i-1].Value {
				t.Fatalf("n %d: P%g %g is below P%g %g", len(v), 100*qs[i], iv.Value, 100*qs[i-1], ivs[i-1].Value)
			}
			if got := stat.Quantile(v, qs[i]).Value; got != iv.Value && iv.Value == iv.Value {
				t.Fatalf("n %d: Quantile(%g) = %g shuffled, %g before", len(v), qs[i], got, iv.Value)
			}
		}
	}
}

func covers(iv stat.Interval, x float64) bool { return !(iv.Low > x) && !(iv.High < x) }

func TestQuantileCoverage(t *testing.T) {
	tests := []struct {
		name string
		q    queue
		n    int
	}{
		{"one server at .4", single(.4), 3000},
		{"batching at .4", batching(.4), 3000},
		{"batching at .6", batching(.6), 3000},
		{"batching at .8", batching(.8), 4000},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			const runs = 100
			x, covered := trueQuantile(c.q, .99, 400_000), 0
			for i := range uint64(runs) {
				if covers(stat.Quantile(warm(c.q, rand.New(rand.NewPCG(i, 7)), c.n), .99), x) {
					covered++
				}
			}
			t.Logf("covered %d of %d", covered, runs)
			if covered < runs*92/100 {
				t.Errorf("the interval covers the true P99 in %d of %d runs, want 92%%", covered, runs)
			}
		})
	}
}

// The interval of a run that ends at its first narrow interval still covers.
func TestSettledCoverage(t *testing.T) {
	const runs = 60
	q := batching(.6)
	x, covered, closed := trueQuantile(q, .99, 400_000), 0, 0
	for i := range uint64(runs) {
		v := warm(q, rand.New(rand.NewPCG(i, 7)), 32000)
		n := 500
		for n < len(v) && !stat.Settled(v[:n], nil, .99, .1) {
			n = min(n+n/4, len(v))
		}
		iv := stat.Quantile(v[:n], .99)
		if !math.IsNaN(iv.High) {
			closed++
		}
		if covers(iv, x) {
			covered++
		}
	}
	t.Logf("covered %d, closed %d of %d", covered, closed, runs)
	if covered < runs*92/100 || closed < runs*90/100 {
		t.Errorf("covered %d, closed %d of %d runs to 10%%, want 92%% and 90%%", covered, closed, runs)
	}
}

func TestSettled(t *testing.T) {
	v := make([]float64, 8000)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range v {
		v[i] = 100 + rng.Float64()
	}
	tests := []struct {
		n      int
		within float64
		want   bool
	}{{0, .1, false}, {499, .1, false}, {5999, .1, false}, {6000, .1, true}, {7999, .1, true}, {8000, 1e-6, false}}
	for _, c := range tests {
		if got := stat.Settled(v[:c.n], nil, .99, c.within); got != c.want {
			t.Errorf("Settled(%d samples, .99, %g) = %v, want %v", c.n, c.within, got, c.want)
		}
	}
}

func BenchmarkQuantiles(b *testing.B) {
	v := batching(.6)(rand.New(rand.NewPCG(1, 1)), 20000)
	b.ReportAllocs()
	for b.Loop() {
		stat.Quantiles(v, .5, .9, .95, .99, .999)
	}
}
