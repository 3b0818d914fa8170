package sweep

import (
	"math/rand/v2"
	"testing"
)

// TestSpreadOf checks that the mean over many probes is the spread of the times, although each probe
// has an outlier.
func TestSpreadOf(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	const probes, want = 400, .08
	sum := 0.
	for range probes {
		times := make([]float64, probeRuns)
		for i := range times {
			times[i] = 4 * (1 + want*rng.NormFloat64())
		}
		times[3] *= 10
		sum += spreadOf(times).Or(0)
	}
	if got := sum / probes; got < .9*want || got > 1.15*want {
		t.Errorf("mean spread %.3f, want %v", got, want)
	}
	if spreadOf(make([]float64, 7)).OK() {
		t.Error("seven times have a spread, want none")
	}
}
