package predict_test

import (
	"testing"
	"time"

	"sweetspot/sweep/load"
	"sweetspot/sweep/predict"
)

// batchSamples returns the samples of n batches of size b with these times.
func batchSamples(n, b int, took ...time.Duration) []load.Sample {
	var out []load.Sample
	for i := range n {
		for range b {
			out = append(out, load.Sample{Batch: int32(b), Model: took[i%len(took)]})
		}
	}
	return out
}

func TestObserved(t *testing.T) {
	join := func(parts ...[]load.Sample) (all []load.Sample) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	tests := []struct {
		name    string
		samples []load.Sample
		want    map[int]time.Duration // by batch size; nil is no curve
	}{
		{"nothing", nil, nil},
		{"no batches in the samples", []load.Sample{{Model: ms}, {Batch: 3}}, nil},
		{"too few", batchSamples(4, 2, ms), nil},
		{"too long", batchSamples(5, 1, 2*time.Hour), nil},
		{"means, straight between and above", join(batchSamples(6, 1, 4*ms, 6*ms), batchSamples(5, 3, 9*ms)), map[int]time.Duration{1: 5 * ms, 2: 7 * ms, 3: 9 * ms, 5: 13 * ms}},
		{"rare sizes are chance", join(batchSamples(5, 1, 5*ms), batchSamples(4, 2, 50*ms), batchSamples(5, 3, 9*ms)), map[int]time.Duration{1: 5 * ms, 2: 7 * ms, 3: 9 * ms}},
		{"from above", join(batchSamples(5, 4, 10*ms), batchSamples(5, 8, 14*ms)), map[int]time.Duration{1: 7 * ms, 4: 10 * ms, 6: 12 * ms, 8: 14 * ms}},
		{"steep: at least its share", join(batchSamples(5, 4, 8*ms), batchSamples(5, 8, 40*ms)), map[int]time.Duration{1: 2 * ms, 4: 8 * ms}},
		{"falling: at most that size", join(batchSamples(5, 4, 8*ms), batchSamples(5, 8, 6*ms)), map[int]time.Duration{1: 8 * ms, 8: 6 * ms, 9: 6 * ms}},
		{"one size", batchSamples(5, 4, 8*ms), map[int]time.Duration{1: 5 * ms, 2: 6 * ms, 4: 8 * ms, 8: 12 * ms}},
		{"one item", batchSamples(5, 1, 8*ms), map[int]time.Duration{1: 8 * ms, 2: 12 * ms, 4: 20 * ms}},
	}
	for _, c := range tests {
		curve, ok := predict.Observed(c.samples)
		if ok != (c.want != nil) {
			t.Errorf("%s: a curve: %v, want %v", c.name, ok, c.want != nil)
		}
		for b, want := range c.want {
			if got := curve.At(b); got != want {
				t.Errorf("%s: s(%d) = %v, want %v", c.name, b, got, want)
			}
		}
	}
}
