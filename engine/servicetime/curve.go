package servicetime

import (
	"math"
	"slices"
	"time"
)

// Curve is the service time s(b) of one setting by batch size. The zero Curve has no
// times; Table.Curve and Line return curves.
type Curve struct{ points []point }

// point is one measured batch size. Points are sorted by batch and begin at 1.
type point struct {
	batch  int
	median float64 // ns
	spread float64
}

func newCurve(rows []Row) Curve {
	c := Curve{make([]point, len(rows))}
	for i, r := range rows {
		c.points[i] = point{r.Batch, float64(r.Median), r.Spread}
	}
	return c
}

// Line returns the curve base + each*b without spread. s(1) must be above 0 and each must
// not be negative.
func Line(base, each time.Duration) Curve {
	if base+each <= 0 || each < 0 {
		panic("servicetime: a line that is not positive or decreases")
	}
	return Curve{[]point{{1, float64(base + each), 0}, {2, float64(base + 2*each), 0}}}
}

// At returns the median time of a batch; sizes below 1 count as 1.
func (c Curve) At(batch int) time.Duration {
	return time.Duration(math.Round(c.eval(batch, func(p point) float64 { return p.median })))
}

// Spread returns the standard deviation / mean of the time of a batch. Above the largest
// measured batch it is constant.
func (c Curve) Spread(batch int) float64 {
	last := c.points[len(c.points)-1]
	return c.eval(min(batch, last.batch), func(p point) float64 { return p.spread })
}

// eval inter- or extrapolates a value of the points, as the package comment says.
func (c Curve) eval(batch int, of func(point) float64) float64 {
	p := c.points
	batch = max(batch, 1)
	i, exact := slices.BinarySearchFunc(p, batch, func(p point, b int) int { return p.batch - b })
	switch {
	case exact:
		return of(p[i])
	case len(p) == 1:
		return of(p[0]) * float64(batch)
	}
	beyond := i == len(p)
	if beyond {
		i--
	}
	a, b := p[i-1], p[i]
	slope := (of(b) - of(a)) / float64(b.batch-a.batch)
	if beyond {
		slope = max(slope, 0)
	}
	return of(b) + slope*float64(batch-b.batch)
}

// Scaled returns the curve with all times multiplied by f, which is above 0.
func (c Curve) Scaled(f float64) Curve {
	out := Curve{slices.Clone(c.points)}
	for i := range out.points {
		out.points[i].median *= f
	}
	return out
}

// WithSpread returns the curve with the same spread for all batch sizes.
func (c Curve) WithSpread(spread float64) Curve {
	out := Curve{slices.Clone(c.points)}
	for i := range out.points {
		out.points[i].spread = spread
	}
	return out
}

// Sigma returns the sigma of the lognormal distribution with median At(b) and the curve's
// spread: a batch takes At(b) x exp(Sigma z) with z from the standard normal distribution.
func (c Curve) Sigma(batch int) float64 {
	spread := c.Spread(batch)
	return math.Sqrt(math.Log1p(spread * spread))
}

// Rate returns the highest throughput, in items per second, of the workers with batches of
// at most the given size.
func (c Curve) Rate(workers, batch int) float64 {
	best := 0.0
	for b := 1; b <= batch; b++ {
		best = max(best, float64(workers*b)/c.At(b).Seconds())
	}
	return best
}
