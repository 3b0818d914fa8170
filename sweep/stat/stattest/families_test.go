package stattest_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"sweetspot/sweep/stat/stattest"
)

// TestFamilies: each family makes as many latencies as asked for, all positive and finite, the same for
// one seed and others for another, and no two families are alike.
func TestFamilies(t *testing.T) {
	const n = 4000
	seen := map[string]bool{}
	heldOut := 0
	for _, f := range stattest.Families() {
		latencies := func(seed uint64) []float64 { return f.Gen(rand.New(rand.NewPCG(seed, 0)), n) }
		values := latencies(1)
		if len(values) != n {
			t.Fatalf("%s: %d values, want %d", f.Name, len(values), n)
		}
		for i, v := range values {
			if !(v > 0) || math.IsInf(v, 0) {
				t.Fatalf("%s: value %d is %g", f.Name, i, v)
			}
		}
		if !slices.Equal(values, latencies(1)) || slices.Equal(values, latencies(2)) {
			t.Errorf("%s: the seed does not decide the values", f.Name)
		}
		if seen[f.Name] {
			t.Errorf("%s is there twice", f.Name)
		}
		seen[f.Name] = true
		if f.HeldOut {
			heldOut++
		}
	}
	if heldOut == 0 || heldOut == len(seen) {
		t.Errorf("%d of %d families are held out", heldOut, len(seen))
	}
}

// TestLognormalMedian: the latencies that are said to be lognormal have a median of 1 ms, and those of the
// correlated ones are correlated.
func TestLognormalMedian(t *testing.T) {
	const n = 200_000
	for _, f := range stattest.Families() {
		if f.Name != "independent" && f.Name != "ar90" {
			continue
		}
		values := f.Gen(rand.New(rand.NewPCG(3, 0)), n)
		sorted := slices.Sorted(slices.Values(values))
		if m := sorted[n/2]; math.Abs(m-1) > .1 {
			t.Errorf("%s: the median is %g", f.Name, m)
		}
		same := 0 // neighbours on the same side of the median
		for i := range values[1:] {
			if (values[i] > 1) == (values[i+1] > 1) {
				same++
			}
		}
		if share := float64(same) / n; (f.Name == "ar90") != (share > .8) || share < .45 {
			t.Errorf("%s: %.2f of the neighbours are on the same side of the median", f.Name, share)
		}
	}
}
