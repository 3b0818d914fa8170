package session

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestDistribution(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		limit := time.Duration(1 + rng.Int64N(int64(time.Minute)))
		base := ms(limit)
		var values []float64
		over := 0
		for range 300 {
			v := base * math.Exp(rng.NormFloat64())
			switch rng.IntN(20) {
			case 0:
				v = base
			case 1:
				v = math.Nextafter(base, math.Inf(1))
			}
			if values = append(values, v); v > base {
				over++
			}
		}
		total, beyond, last := 0, 0, 0.
		for _, b := range distribution(values, limit) {
			if b.N < 1 || b.LowMS < last || b.HighMS <= b.LowMS {
				t.Fatalf("bin %+v after one up to %g", b, last)
			}
			last = b.HighMS
			inside := 0
			for _, v := range values {
				if v > b.LowMS*(1-1e-9) && v <= b.HighMS*(1+1e-9) {
					inside++
				}
			}
			if inside < b.N {
				t.Fatalf("bin %+v, but only %d values are in it", b, inside)
			}
			if total += b.N; b.LowMS >= base {
				beyond += b.N
			}
		}
		if total != len(values) || beyond != over {
			t.Fatalf("%d values with %d beyond the limit, counted %d with %d", len(values), over, total, beyond)
		}
	}
	for _, v := range []float64{0, -1, 1e300, math.Inf(1), math.Inf(-1), math.NaN()} {
		if bins := distribution([]float64{v}, 0); len(bins) != 1 || bins[0].N != 1 {
			t.Errorf("distribution of %g: %+v", v, bins)
		}
	}
	if distribution(nil, time.Second) != nil {
		t.Error("no values, but bins")
	}
}
