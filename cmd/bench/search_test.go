package main

import (
	"math"
	"slices"
	"testing"

	"sweetspot/engine/knob"
	"sweetspot/engine/servicetime"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// smallSpace returns the space of the tiny budget, with a second delay unless the test is short.
func smallSpace() space {
	s := tiny.search().space
	if !testing.Short() {
		s.delays = []int{0, 5}
	}
	return s
}

// TestSpace: the points of a plan are the settings of the space.
func TestSpace(t *testing.T) {
	p := &problem{space: fullSpace(), sla: trial.SLA{Percentile: 99, Limit: 1e8}}
	got := p.plan("auto")
	base := spaceSettings(1, 1, 0, knob.FullPrecision)
	points, skipped := got.Points(knob.Limits{BatchAxis: true}, base, nil)
	want := fullSpace().settings()
	if len(points) != len(want) || len(skipped) != 0 {
		t.Fatalf("%d points, %d skipped; want %d", len(points), len(skipped), len(want))
	}
	for _, pt := range points {
		if !slices.Contains(want, pt.Settings) {
			t.Errorf("%v is not in the space", pt.Settings)
		}
	}
}

// TestDrift: the speed of a device with a drift changes by its amplitude.
func TestDrift(t *testing.T) {
	p := &problem{space: smallSpace(), seed: 1, driftAmplitude: .2, wake: 0}
	var rows []servicetime.Row
	for _, w := range p.workers {
		rows = append(rows, servicetime.Row{Key: servicetime.Key{Workers: w, Device: "cpu", Precision: "fp32"}, Batch: 1, Median: 1e7})
	}
	var err error
	if p.table, err = servicetime.New(rows); err != nil {
		t.Fatal(err)
	}
	d, err := p.open()
	if err != nil {
		t.Fatal(err)
	}
	tr := &loadTester{ctx: t.Context(), device: d}
	least, most := math.Inf(1), 0.0
	for range driftPeriod {
		rate, _, err := tr.measure(load.Spec{Mode: load.Closed, Concurrency: 2}, 200, neverStop)
		if err != nil {
			t.Fatal(err)
		}
		least, most = min(least, rate), max(most, rate)
	}
	if math.Abs(least/(100/1.2)-1) > .03 || math.Abs(most/(100/.8)-1) > .03 {
		t.Errorf("rates from %.1f to %.1f/s, want 83 to 125", least, most)
	}
}

func TestQuantile(t *testing.T) {
	v := []float64{5, 1, 4, 2, 3}
	if got := [3]float64{quantile(v, .5), quantile(v, .9), quantile(v, 0)}; got != [3]float64{3, 5, 1} {
		t.Errorf("median, p90 and least of 1-5: %v", got)
	}
	if !math.IsNaN(quantile(nil, .5)) {
		t.Error("the median of nothing is something")
	}
}
