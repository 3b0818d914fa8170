//go:build !race

package replay_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/latency"
	"sweetspot/profiles/replay"
	"sweetspot/sweep"
)

// TestResample: the first measurement is the recorded one. Later ones vary within its
// intervals, and depend on their seeds.
func TestResample(t *testing.T) {
	target, recorded, path := grid(t)
	first := recorded.Trials[len(recorded.Trials)/2]
	apply := func(target *replay.Target) {
		if _, err := target.Apply(t.Context(), first.Settings); err != nil {
			t.Fatal(err)
		}
	}
	apply(target)
	if diff := cmp.Diff(first.Result, measure(t, target, sweep.Measurement{Load: closed, SLA: sla}), nums); diff != "" {
		t.Errorf("first measurement (-recorded +replayed):\n%s", diff)
	}
	const measurements = 20
	inside, seen := 0, map[float64]bool{}
	for seed := range uint64(measurements) {
		r := measure(t, target, sweep.Measurement{Load: closed, SLA: sla, Seed: seed})
		v := r.Latency.P99.Value.Or(0)
		seen[v] = true
		if v >= first.Latency.P99.Low.Or(0) && v <= first.Latency.P99.High.Or(math.Inf(1)) {
			inside++
		}
		h, err := latency.Decode(r.Hist.HDR)
		if err != nil {
			t.Fatal(err)
		}
		if got := float64(h.Quantile(.5)) / 1e6; math.Abs(got/r.Latency.P50.Value.Or(0)-1) > .01 {
			t.Fatalf("the median of the histogram is %.3f ms, that of the result %.3f", got, r.Latency.P50.Value.Or(0))
		}
	}
	if float64(inside) < .8*measurements || len(seen) < measurements {
		t.Errorf("%d measurements with %d different figures, %d of them in the 95%% interval", measurements, len(seen), inside)
	}
	other, err := replay.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	apply(other)
	measure(t, other, sweep.Measurement{Load: closed, SLA: sla})
	a := measure(t, other, sweep.Measurement{Load: closed, SLA: sla, Seed: 7})
	b := measure(t, target, sweep.Measurement{Load: closed, SLA: sla, Seed: 7})
	if diff := cmp.Diff(a, b, nums); diff != "" {
		t.Errorf("the same seed (-a +b):\n%s", diff)
	}
}
