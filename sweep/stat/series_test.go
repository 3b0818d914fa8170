package stat_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"sweetspot/sweep/stat"
)

func TestMean(t *testing.T) {
	if iv := stat.Mean(nil); !math.IsNaN(iv.Value) || !math.IsNaN(iv.Low) || !math.IsNaN(iv.High) {
		t.Errorf("Mean of nothing = %v, want all open", iv)
	}
	if iv := stat.Mean([]float64{3}); iv.Value != 3 || !math.IsNaN(iv.Low) || !math.IsNaN(iv.High) {
		t.Errorf("Mean of one = %v, want 3 with open ends", iv)
	}
	iv := stat.Mean([]float64{1, 3}) // sd sqrt 2, t(1) = 12.706
	if iv.Value != 2 || math.Abs(iv.High-2-12.706) > 1e-9 || math.Abs(2-12.706-iv.Low) > 1e-9 {
		t.Errorf("Mean of 1, 3 = %v, want 2 -+ 12.706", iv)
	}
	iv = stat.Mean([]float64{5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5})
	if math.Abs(iv.Value-5) > 1e-9 || iv.High-iv.Low > 1e-9 {
		t.Errorf("Mean of eleven 5 = %v, want 5 exactly", iv)
	}
}

// The interval of batch means accounts for correlation.
func TestMeanCoverage(t *testing.T) {
	const runs = 200
	covered := 0
	for i := range uint64(runs) {
		rng := rand.New(rand.NewPCG(i, 3))
		v, x := make([]float64, 600), 0.0
		for j := range v {
			x = .7*x + rng.NormFloat64()
			v[j] = 50 + x
		}
		if covers(stat.Mean(v), 50) {
			covered++
		}
	}
	if covered < runs*90/100 {
		t.Errorf("the interval of a dependent mean covers %d of %d, want 90%%", covered, runs)
	}
}

func TestWithin(t *testing.T) {
	nan := math.NaN()
	tests := []struct {
		iv    stat.Interval
		share float64
		want  bool
	}{
		{stat.Interval{Value: 100, Low: 97, High: 103}, .03, true},
		{stat.Interval{Value: 100, Low: 99, High: 107}, .03, false},
		{stat.Interval{Value: -100, Low: -101, High: -99}, .03, true},
		{stat.Interval{Value: 100, Low: 99, High: nan}, 10, false},
		{stat.Interval{Value: nan, Low: nan, High: nan}, 10, false},
	}
	for _, c := range tests {
		if got := c.iv.Within(c.share); got != c.want {
			t.Errorf("%v.Within(%g) = %v, want %v", c.iv, c.share, got, c.want)
		}
	}
}

func TestRate(t *testing.T) {
	counts := make([]int, 40)
	for i := range counts {
		counts[i] = 100 + i%2
	}
	iv := stat.Rate(counts, 250*time.Millisecond)
	if math.Abs(iv.Value-402) > 1e-6 || iv.Low > 402.1 || iv.High < 401.9 || iv.High-iv.Low > 1 {
		t.Errorf("Rate of 100, 101 ... per 250 ms = %v, want 402 tightly", iv)
	}
	if iv := stat.Rate([]int{0, 9}, time.Second); iv.Low != 0 {
		t.Errorf("Rate of 0, 9 = %v, want a low end of 0", iv)
	}
	if iv := stat.Rate([]int{9}, time.Second); iv.Value != 9 || !math.IsNaN(iv.Low) {
		t.Errorf("Rate of one block = %v, want 9 with open ends", iv)
	}
}

func TestWarmup(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	series := func(n, warm int, slow float64) []float64 {
		v := make([]float64, n)
		for i := range v {
			v[i] = 10 + rng.NormFloat64()
			if i < warm {
				v[i] += slow
			}
		}
		return v
	}
	rising := make([]float64, 200)
	for i := range rising {
		rising[i] = float64(i)
	}
	tests := []struct {
		name     string
		values   []float64
		low, top int
	}{
		{"nothing", nil, 0, 0},
		{"nine", series(9, 3, 50), 0, 0},
		{"constant", make([]float64, 100), 0, 0},
		{"steady", series(400, 0, 0), 0, 60},
		{"slow start", series(400, 60, 30), 60, 120},
		{"short slow start", series(30, 4, 60), 4, 9},
		{"slow past the middle", series(400, 300, 30), 400, 400},
		{"never steady", rising, 200, 200},
	}
	for _, c := range tests {
		if got := stat.Warmup(c.values); got < c.low || got > c.top {
			t.Errorf("%s: Warmup = %d of %d, want %d-%d", c.name, got, len(c.values), c.low, c.top)
		}
	}
}

func TestPaired(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	const n = 60
	a, b, same := make([]float64, n), make([]float64, n), make([]float64, n)
	for i := range n { // a drifting machine: each alone moves by 2, the ratio by 3%
		machine := 100 * (1 + float64(i)/n)
		a[i] = 1.2 * machine * (1 + .03*rng.NormFloat64())
		b[i] = machine * (1 + .03*rng.NormFloat64())
		same[i] = machine * (1 + .03*rng.NormFloat64())
	}
	seeded := func() *rand.Rand { return rand.New(rand.NewPCG(1, 1)) }
	iv := stat.Paired(a, b, seeded())
	if iv.Low > 1.2 || iv.High < 1.2 || iv.High-iv.Low > .06 || iv.Low > iv.Value || iv.High < iv.Value {
		t.Errorf("Paired of 1.2 = %v, want about 1.2 within 3%%", iv)
	}
	if again := stat.Paired(a, b, seeded()); again != iv {
		t.Errorf("Paired with the same seed = %v, then %v", iv, again)
	}
	if iv := stat.Paired(same, b, seeded()); iv.Low > 1 || iv.High < 1 {
		t.Errorf("Paired of A/A = %v, want 1 inside", iv)
	}
	if iv := stat.Paired([]float64{2, 4, 0, math.NaN()}, []float64{1, 2, 1, 1}, seeded()); iv.Value != 2 || !math.IsNaN(iv.Low) {
		t.Errorf("Paired of two usable pairs = %v, want 2 with open ends", iv)
	}
	if iv := stat.Paired([]float64{3, 1, 2}, []float64{1, 1, 1}, seeded()); iv.Value != 2 {
		t.Errorf("Paired of ratios 3, 1, 2 = %v, want 2", iv)
	}
	if iv := stat.Paired([]float64{1, 2, 3, 4, 5}, []float64{1, 1, 1, 1, 1}, seeded()); iv.Value != 3 || iv.Low != 1 || iv.High != 5 {
		t.Errorf("Paired of ratios 1 to 5 = %v, want 3 from 1 to 5", iv)
	}
	if iv := stat.Paired(nil, nil, seeded()); !math.IsNaN(iv.Value) {
		t.Errorf("Paired of nothing = %v, want NaN", iv)
	}
}
