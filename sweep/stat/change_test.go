package stat_test

import (
	"math"
	"testing"

	"sweetspot/sweep/stat"
)

// The directions of figures with intervals, and what a side without enough values does.
func TestCompareChange(t *testing.T) {
	side := func(n int, latency float64) stat.Side {
		s := stat.Side{}
		for range 20 {
			s.Seconds = append(s.Seconds, n)
			for i := range n {
				s.Values = append(s.Values, latency*(1+float64(i%50)/100))
			}
		}
		return s
	}
	const no, low, high = stat.CannotTell, stat.Lower, stat.Higher
	for _, c := range []struct {
		name             string
		before, after    stat.Side
		last             bool
		tail, mean, rate stat.Direction
	}{
		{"equal", side(200, 20), side(200, 20), true, no, no, no},
		{"less than half a percent", side(1000, 20), side(1000, 20.05), true, no, no, no},
		{"faster", side(200, 20), side(400, 10), true, low, low, high},
		{"slower", side(400, 10), side(200, 20), false, high, high, low},
		{"too few answers for the percentile", side(50, 20), side(50, 10), true, no, low, no},
		{"no traffic before", stat.Side{}, side(200, 20), true, no, no, no},
		{"no traffic after", side(200, 20), side(0, 20), true, no, no, low},
	} {
		got := stat.CompareChange(c.before, c.after, .99, c.last)
		if got.Percentile.Direction != c.tail || got.Mean.Direction != c.mean || got.Rate.Direction != c.rate {
			t.Errorf("%s: %+v", c.name, got)
		}
		if want := c.tail != no || c.mean != no || c.rate != no; got.Called() != want {
			t.Errorf("%s: Called() = %v", c.name, got.Called())
		}
	}
	// Before the last look a higher tail alone is not an effect.
	tail := side(400, 20)
	for i := range tail.Values {
		if i%40 == 0 {
			tail.Values[i] = 300
		}
	}
	if got := stat.CompareChange(side(400, 20), tail, .99, false); got.Called() {
		t.Errorf("a tail alone, first look: %+v", got)
	}
	if got := stat.CompareChange(side(400, 20), tail, .99, true); got.Percentile.Direction != high {
		t.Errorf("a tail alone, last look: %+v", got)
	}
	if got := stat.CompareChange(side(200, 20), side(400, 10), .99, true).Percentile.Ratio(); math.Abs(got-.5) > .01 {
		t.Errorf("ratio %g, want .5", got)
	}
}

// Remaining says how many more samples decide: those that Decide then takes, within its steps.
func TestRemaining(t *testing.T) {
	fill := func(n int, v func(i int) float64) []float64 {
		out := make([]float64, n)
		for i := range out {
			out[i] = v(i)
		}
		return out
	}
	fast := func(int) float64 { return 5 }
	p := stat.Promise{Q: .99, Limit: 20}
	for _, c := range []struct {
		name        string
		values      []float64
		least, most int
	}{
		{"nothing yet", nil, 100, 100},
		{"fast", fill(1000, fast), 4500, 6000},
		{"decided", fill(10000, fast), 0, 0},
		{"on the limit", fill(3000, func(i int) float64 { return map[bool]float64{true: 30, false: 15}[i%100 == 0] }), 0, 0},
	} {
		if got := stat.Remaining(c.values, nil, p); got < c.least || got > c.most {
			t.Errorf("%s: %d more, want %d-%d", c.name, got, c.least, c.most)
		}
	}
}
