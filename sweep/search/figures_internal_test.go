package search

import (
	"math"
	"testing"

	"sweetspot/engine/knob"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// The noise of a figure is half its interval, within limits; one that was not measured has the most.
func TestNoise(t *testing.T) {
	num := trial.NumOf
	for _, c := range []struct {
		value, low, high trial.Num
		want             float64
	}{
		{num(100), num(90), num(110), .1 / 1.96},
		{num(100), num(95), num(120), .2 / 1.96},
		{num(100), num(99.9), num(100.1), .01},
		{num(100), num(10), num(300), .3},
		{num(100), trial.Num{}, trial.Num{}, .3 / 1.96},
		{trial.Num{}, trial.Num{}, trial.Num{}, .3},
		{num(0), num(0), num(0), .3},
	} {
		if got := noise(c.value, c.low, c.high, .01, .3); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("noise of %v (%v-%v) = %g, want %g", c.value, c.low, c.high, got, c.want)
		}
	}
}

// Without a measured throughput rates down to one request in 100 s are tried, and no rate is too high. With one they are shares of it.
func TestRateLimits(t *testing.T) {
	s := settings(2, 4)
	probed := func(rate float64) *view {
		return &view{history: trial.History{Probes: []trial.Probe{{Settings: s, Throughput: trial.NumOf(rate)}}}}
	}
	for _, c := range []struct {
		v              *view
		floor, ceiling float64
	}{
		{&view{}, .01, math.Inf(1)},
		{probed(100), 2, 400},
		{probed(.1), .01, .4},
	} {
		if floor, ceiling := c.v.rateLimits(s); math.Abs(floor-c.floor) > 1e-9 || ceiling != c.ceiling {
			t.Errorf("rates from %g to %g, want %g to %g", floor, ceiling, c.floor, c.ceiling)
		}
	}
}

// Products are of sizes: whole numbers from 1 on that differ by a factor of 4 or more.
func TestProducts(t *testing.T) {
	own := func(values ...string) []plan.Point {
		out := gridOf([]int{1, 8}, []int{4})
		for i := range out {
			if err := out[i].Settings.Set("duty", values[i%len(values)]); err != nil {
				t.Fatal(err)
			}
		}
		return out
	}
	for _, c := range []struct {
		name   string
		points []plan.Point
		want   int
	}{
		{"workers and batch size", gridOf([]int{1, 8}, []int{1, 16}), 1},
		{"only workers", gridOf([]int{1, 8}, []int{4}), 0},
		{"hardly different", gridOf([]int{1, 8}, []int{4, 8}), 0},
		{"sizes of an own knob", own("2", "16"), 1},
		{"fractions", own("1.5", "16"), 0},
		{"with 0", own("0", "16"), 0},
		{"words", own("a", "b"), 0},
	} {
		if got := len(products(c.points)); got != c.want {
			t.Errorf("%s: %d products, want %d", c.name, got, c.want)
		}
	}
	if s := knob.Default(knob.TorchServe); len(products([]plan.Point{{Settings: s}})) != 0 {
		t.Error("one point has no products")
	}
}
