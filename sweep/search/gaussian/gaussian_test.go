package gaussian

import (
	"math"
	"testing"
)

// grid returns the axes of n x m points, the second axis the fastest.
func grid(n, m int, unordered bool) Space {
	a, b := Axis{}, Axis{Unordered: unordered}
	for i := range n {
		for j := range m {
			a.At, b.At = append(a.At, float64(i)/float64(n-1)), append(b.At, float64(j)/float64(m-1))
		}
	}
	return NewSpace(a, b)
}

var usual = Prior{MeanSD: 1, Effect: .5}

func TestCholesky(t *testing.T) {
	m := [][]float64{{4}, {2, 5}, {1, 3, 6}}
	l := Factor(3, func(i, j int) float64 { return m[i][j] })
	x := l.Solve([]float64{11, 21, 25}) // of 1, 2, 3
	for i, v := range x {
		if math.Abs(v-float64(i+1)) > 1e-9 {
			t.Errorf("x[%d] = %g", i, v)
		}
	}
	if d := math.Exp(l.logDeterminant()); math.Abs(d-67) > 1e-9 { // 4 (30-9) - 2 (12-3) + 1 (6-5)
		t.Errorf("determinant %g, want 67", d)
	}
}

// TestFit: a process is near what was measured, more certain there than elsewhere, and certain of nothing without any
// measurement.
func TestFit(t *testing.T) {
	s := grid(5, 5, false)
	if mean, sd := Fit(s, Prior{Mean: 3, MeanSD: 1, Effect: .5}, nil).At(7); mean != 3 || sd < 1 {
		t.Errorf("without measurements %g with %g", mean, sd)
	}
	p := Fit(s, usual, []Observation{{0, 1, .01}, {12, 2, .01}, {4, 1.5, .01}})
	for _, o := range []Observation{{0, 1, .02}, {12, 2, .02}, {4, 1.5, .02}} {
		if mean, sd := p.At(o.Point); math.Abs(mean-o.Value) > .05 || sd > .05 {
			t.Errorf("point %d: %g with %g, measured %g", o.Point, mean, sd, o.Value)
		}
	}
	_, near := p.At(1)
	if _, far := p.At(24); !(near < far) {
		t.Errorf("sd %g beside a measurement, %g far from all", near, far)
	}
	again := Fit(s, usual, p.observations)
	for i := range 25 {
		a, b := p.At(i)
		if c, d := again.At(i); a != c || b != d {
			t.Errorf("point %d: %g, %g and %g, %g", i, a, b, c, d)
		}
	}
}

// TestFitLearnsWhichKnobMatters: of a function of the first knob, the values at other values of the second are known too.
func TestFitLearnsWhichKnobMatters(t *testing.T) {
	truth := func(i int) float64 { return math.Sin(float64(i/6) / 2) }
	var seen []Observation
	for _, i := range []int{0, 8, 16, 18, 26, 34, 5, 33} {
		seen = append(seen, Observation{i, truth(i), .01})
	}
	p := Fit(grid(6, 6, false), usual, seen)
	for i := range 36 {
		if mean, sd := p.At(i); math.Abs(mean-truth(i)) > .15 || math.Abs(mean-truth(i)) > 4*sd {
			t.Errorf("point %d: %.3f with %.3f, is %.3f", i, mean, sd, truth(i))
		}
	}
}

// TestUnordered: a word is as far from one other word as from the next, whatever their coordinates are.
func TestUnordered(t *testing.T) {
	p := Fit(grid(3, 4, true), usual, []Observation{{0, 1, .01}, {4, 1.2, .01}})
	m1, s1 := p.At(1)
	for i := 2; i < 4; i++ {
		if m, s := p.At(i); math.Abs(m-m1) > 1e-12 || math.Abs(s-s1) > 1e-12 {
			t.Errorf("word %d: %g with %g, the first other one %g with %g", i, m, s, m1, s1)
		}
	}
}

// TestNoise: repeated measurements of a point are averaged by their precision.
func TestNoise(t *testing.T) {
	p := Fit(grid(3, 3, false), usual, []Observation{{4, 1, .1}, {4, 2, .1}, {4, 9, 10}})
	if mean, sd := p.At(4); math.Abs(mean-1.5) > .05 || math.Abs(sd-.07) > .01 {
		t.Errorf("%g with %g, want 1.5 with .07", mean, sd)
	}
}

// BenchmarkFit is one step of a search: 12 measurements, 72 points.
func BenchmarkFit(b *testing.B) {
	s := grid(9, 8, false)
	var seen []Observation
	for i := range 12 {
		seen = append(seen, Observation{i * 6, math.Sin(float64(i)), .02})
	}
	for b.Loop() {
		p := Fit(s, usual, seen)
		for i := range 72 {
			p.At(i)
		}
	}
}
