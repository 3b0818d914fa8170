package stat

import (
	"math"
	"testing"
)

func isNear(a, b float64) bool { return math.Abs(a-b) <= 1e-12*math.Max(1, math.Abs(b)) }

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		sorted []float64
		want   float64
	}{
		{[]float64{7}, 7},
		{[]float64{1, 3}, 2},
		{[]float64{1, 2, 9}, 2},
		{[]float64{1, 2, 4, 9}, 3},
	} {
		if got := median(c.sorted); got != c.want {
			t.Errorf("median(%v) = %g, want %g", c.sorted, got, c.want)
		}
	}
}

// TestClusterInflation compares the variance inflation of clusters with figures by hand: the sum of the
// squared sizes / the values, and a margin that is twice as large for less than 12 clusters, with
// one more cluster of the largest size.
func TestClusterInflation(t *testing.T) {
	for _, c := range []struct {
		name string
		in   clusters
		want float64
	}{
		{"none", clusters{}, 1},
		{"many of equal size", clusters{over: 60, count: 20, squares: 180, largest: 3}, 3 * (1 + 2./23)},
		{"12", clusters{over: 24, count: 12, squares: 48, largest: 2}, 2 * (1 + 2./15)},
		{"few", clusters{over: 8, count: 2, squares: 50, largest: 7}, (50 + 49) / (8 + 7.) * (1 + 4./5)},
		{"11", clusters{over: 22, count: 11, squares: 44, largest: 2}, 2 * (1 + 4./14)},
	} {
		if got := c.in.varianceInflation(); !isNear(got, c.want) {
			t.Errorf("%s: %g, want %g", c.name, got, c.want)
		}
	}
}

// TestAddTailsByHand: the variance between the parts is what the formula of the binomial distribution
// says, and the larger estimate counts.
func TestAddTailsByHand(t *testing.T) {
	part := func(over int) Tail {
		return Tail{N: 100, Over: over, Clusters: over, Squares: float64(over), Largest: 1}
	}
	// The share is .2; each part differs by .1: 100 .01 + 100 .01 = 2; 2 / (1 .2 .8) = 12.5.
	if got := AddTails([]Tail{part(10), part(30), {}}); !isNear(got.Inflation, 12.5) || got.N != 200 || got.Over != 40 || got.Clusters != 40 {
		t.Errorf("parts that differ: %+v", got)
	}
	if got, want := AddTails([]Tail{part(20), part(20)}).Inflation, 1+2./43; !isNear(got, want) {
		t.Errorf("equal parts: %g, want %g", got, want)
	}
	// At least half over the limit is certain without clusters; 25 times the allowed share where that is more.
	for _, c := range []struct {
		over    int
		allowed float64
		want    bool
	}{
		{499, .01, false},
		{500, .01, true},
		{749, .03, false},
		{750, .03, true},
		{1000, .05, true},
	} {
		tails := TailsTogether{Tail: Tail{N: 1000, Over: c.over, Clusters: 1}, Inflation: 1000}
		if got := tails.FailsCertainly(c.allowed, .001); got != c.want {
			t.Errorf("%d of 1000 over the limit, %g allowed: certain is %t", c.over, c.allowed, got)
		}
	}
}

// share makes n values, of which each k-th is over a limit of 10, the first at k-1, and the others near it.
func share(n, k int) []float64 {
	out := make([]float64, n)
	for i := range out {
		if out[i] = 8; i%k == k-1 {
			out[i] = 12
		}
	}
	return out
}

// TestGrown: the evidence of a run that grows by a factor of 1 is the same; by 2, that of
// two such runs.
func TestGrown(t *testing.T) {
	p := Promise{Q: .99, Limit: 10}
	for _, k := range []int{50, 200, 5000} {
		e := p.evidence(run{values: share(1200, k)})
		same := e.grown(1)
		if same.n != e.n || same.over != e.over || same.count != e.count || !isNear(same.pFewer, e.pFewer) || !isNear(same.pMore, e.pMore) {
			t.Errorf("1 of %d: %+v grows to %+v", k, e, same)
		}
		twice := e.grown(2)
		if twice.n != 2*e.n || twice.over != 2*e.over {
			t.Errorf("1 of %d: %+v grows twofold to %+v", k, e, twice)
		}
		if e.over > 0 && (k == 50) != (twice.pMore < e.pMore) {
			t.Errorf("1 of %d: twice as many lead to %g after %g of more over the limit", k, twice.pMore, e.pMore)
		}
	}
}

// TestRemainingIsTheNextStep: a run that is certain after one more step needs no more than that
// step.
func TestRemainingIsTheNextStep(t *testing.T) {
	p := Promise{Q: .99, Limit: 10}
	checked := 0
	for k := 50; k < 80; k += 3 {
		for n := 300; n < 6000; n += 50 {
			v := share(n, k)
			e := p.evidence(run{values: v})
			if e.fails() {
				break // its clusters became enough, which no step before could know
			}
			if next := e.grown(growth); next.fails() {
				checked++
				if got := Remaining(v, nil, p); got != next.n-e.n {
					t.Errorf("Remaining of %d values, 1 of %d over the limit, = %d, want %d", n, k, got, next.n-e.n)
				}
				break
			}
		}
	}
	if checked == 0 {
		t.Error("no run is certain after one more step")
	}
}

// TestWidened: the interval of correlated batches becomes wider on both sides, but not below 0, and
// that of others stays.
func TestWidened(t *testing.T) {
	rising, alternating := make([]float64, 60), make([]float64, 60)
	for i := range rising {
		rising[i], alternating[i] = float64(i), float64(1+i/6%2) // a batch has 6
	}
	iv := Interval{1000, 999, 1002}
	if got := widened(iv, alternating); got != iv {
		t.Errorf("values that alternate: %v", got)
	}
	got := widened(iv, rising)
	if f := got.Value - got.Low; got.Value != 1000 || !(f > 1.2) || math.Abs(got.High-1000-2*f) > 1e-9 {
		t.Errorf("values that rise: %v", got)
	}
	if got := widened(Interval{10, 1, 30}, rising); got.Low != 0 {
		t.Errorf("an interval near 0: %v", got)
	}
	if got := widened(Interval{0, -5, 5}, rising); !(got.Low < -5) {
		t.Errorf("an interval of a difference: %v", got)
	}
}

// TestInflationBelowTheLimit: the clusters at three times the allowed share count when those over the limit are few: ten
// values over the limit come alone, and twenty below it in one burst.
func TestInflationBelowTheLimit(t *testing.T) {
	v := make([]float64, 1000)
	for i := range v {
		switch v[i] = 1; {
		case i%100 == 99:
			v[i] = 40 + float64(i)/100
		case i >= 520 && i < 540:
			v[i] = 5
		}
	}
	r := run{values: v}
	f, here := r.varianceInflation(r.sorted(), .99, 30)
	// 11 clusters of 30 values at the quantile .97, and one more of 20: (410 + 400) / (30 + 20), with the margin 4/14.
	if want := 810. / 50 * (1 + 4./14); here.count != 10 || f < want-1e-9 {
		t.Errorf("%d clusters over the limit, inflation %g, want 10 and at least %g", here.count, f, want)
	}
}
