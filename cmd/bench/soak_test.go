package main

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSoak(t *testing.T) {
	needLibrary(t)
	got, fields := figureLines(t, "soak")
	want := []string{
		"soak.failed", "soak.lost", "soak.mixed-up", "soak.unaccounted",
		"soak.left.sessions", "soak.left.goroutines", "soak.left.descriptors", "soak.growth",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("figures (-want +got):\n%s", diff)
	}
	for _, name := range want[:5] {
		if f := fields[name]; len(f) < 5 || f[1] != "0" || f[4] != "ok" {
			t.Errorf("%s: %q, want 0", name, f)
		}
	}
}

// A process that grows by 1 MB per quarter of a minute grows by 4 MB per minute.
func TestGrowthFigure(t *testing.T) {
	var steady, growing []float64
	for i := range full.soaks().parts + 1 {
		steady = append(steady, 100+float64(i%2))
		growing = append(growing, 100+float64(i)+float64(i%2)/10)
	}
	if f := growthFigure(steady, 1.5); f.Interval.Low > 0 || f.Interval.High < 0 {
		t.Errorf("a steady size grows by %v", *f.Interval)
	}
	if f := growthFigure(growing, 1.5); math.Abs(f.Value-4/103.) > .001 || f.Interval.Low <= .03 {
		t.Errorf("a growing size grows by %v, want %v", *f.Interval, 4/103.)
	}
}

// Together the rates need twice the machine, although the rate of fast models is
// limited.
func TestSoakRates(t *testing.T) {
	capacities := []float64{10_000, 2_000, 100, 20}
	rates, share := soakRates(capacities), 0.
	for i, r := range rates {
		share += r / capacities[i]
	}
	if math.Abs(share-soakShare) > 1e-9 || rates[0] != soakMaxRate || rates[1] != soakMaxRate || rates[2] != rates[3]*5 {
		t.Errorf("rates %v of capacities %v need %v of the machine", rates, capacities, share)
	}
	if got := soakRates([]float64{10, 10}); got[0] != 10 || got[1] != 10 {
		t.Errorf("%v, want 10 each", got)
	}
}
