package stat

import (
	"math"
	"testing"
)

// exactCDF sums the binomial terms; (1-p)^n must not underflow.
func exactCDF(k, n int, p float64) float64 {
	term, sum := math.Pow(1-p, float64(n)), 0.0
	for i := 0; i <= k; i++ {
		sum += term
		term *= float64(n-i) / float64(i+1) * p / (1 - p)
	}
	return sum
}

func TestBinomialCDF(t *testing.T) {
	for _, n := range []int{1, 2, 10, 100, 459, 3000} {
		for _, p := range []float64{.01, .05, .15} {
			for _, k := range []int{-1, 0, 1, 3, n / 2, n - 1, n, n + 1} {
				want := 0.0
				if k >= 0 {
					want = exactCDF(min(k, n), n, p)
				}
				if got := binomialCDF(k, n, p); math.Abs(got-want) > 1e-9 {
					t.Errorf("binomialCDF(%d, %d, %g) = %.12g, want %.12g", k, n, p, got, want)
				}
			}
		}
	}
}

// The constants of the package equal the values of the functions.
func TestStudentConstants(t *testing.T) {
	for df := 1; df < batches; df++ {
		tail := betaCDF(float64(df)/(float64(df)+t95By[df]*t95By[df]), float64(df)/2, .5)
		if math.Abs(tail-.05) > 5e-5 {
			t.Errorf("two-sided tail of t(%d) beyond %g = %.6f, want .05", df, t95By[df], tail)
		}
	}
}

func TestBetaCDF(t *testing.T) {
	tests := []struct{ x, a, b, want float64 }{
		{0, 2, 3, 0},
		{1, 2, 3, 1},
		{.5, 2, 2, .5},
		{.25, 1, 1, .25},
		{.3, 0, 2, 1},
		{.99, 459, 1, math.Pow(.99, 459)}, // 459 requests with none over: 1%
		{.5, 1e6, 1e6, .5},
	}
	for _, c := range tests {
		if got := betaCDF(c.x, c.a, c.b); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("betaCDF(%g, %g, %g) = %.12g, want %.12g", c.x, c.a, c.b, got, c.want)
		}
	}
	last := 0.0
	for x := 0.0; x <= 1; x += 1. / 256 {
		got := betaCDF(x, 3.5, 120.25)
		if got < last || got > 1 {
			t.Fatalf("betaCDF(%g, 3.5, 120.25) = %g after %g: want increasing within 0..1", x, got, last)
		}
		last = got
	}
}

func TestBinomialRanks(t *testing.T) {
	tests := []struct {
		n         int
		q         float64
		low, high int
	}{
		{300, .99, 293, 301}, // no upper end
		{367, .99, 359, 368}, // .99^367 > 2.5%: still no upper end
		{368, .99, 360, 368},
		{1000, .99, 983, 997},
		{2000, .99, 1971, 1989},
		{5000, .99, 4936, 4964},
		{10000, .99, 9880, 9920},
		{30000, .99, 29666, 29735}, // with the normal approximation
		{10, .5, 2, 9},
		{3, .5, 0, 4},
	}
	for _, c := range tests {
		low, high := binomialRanks(c.n, c.q)
		if low != c.low || high != c.high {
			t.Errorf("binomialRanks(%d, %g) = %d, %d, want %d, %d", c.n, c.q, low, high, c.low, c.high)
		}
	}
}

func TestRank(t *testing.T) {
	tests := []struct {
		q    float64
		n    int
		want int
	}{{.99, 100, 99}, {.07, 100, 7}, {.5, 3, 2}, {.5, 4, 2}, {.999, 1000, 999}, {.99, 101, 100}, {1, 7, 7}, {0, 7, 0}}
	for _, c := range tests {
		if got := rank(c.q, c.n); got != c.want {
			t.Errorf("rank(%g, %d) = %d, want %d", c.q, c.n, got, c.want)
		}
	}
}

func TestLook(t *testing.T) {
	last := 0
	for n := range 20000 {
		got := Look(n)
		if got > n || got < last || (n >= firstLook && float64(got)*growth < float64(n)-2) {
			t.Fatalf("Look(%d) = %d after %d: want the last of 100 x 1.12^k at or below", n, got, last)
		}
		last = got
	}
}
