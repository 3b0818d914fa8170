package sweep

import (
	"math/rand/v2"
	"testing"
)

// The spread of a probe is that of its batches, on average over many probes, and
// one batch that stalled leaves it alone.
func TestScatter(t *testing.T) {
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
		t.Errorf("spread %.3f on average, the times have %v", got, want)
	}
	if spreadOf(make([]float64, 7)).OK() {
		t.Error("seven times say nothing of their quartiles")
	}
}
