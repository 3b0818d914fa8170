package servicetime

import (
	"math"
	"slices"
	"time"
)

// Curve is s(b) of one setting: how long a batch takes by its size. The zero
// Curve has no times; take one from a Table, or make a Line.
type Curve struct{ points []point }

// point is one measured batch size. Points ascend in batch and begin at 1.
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

// Line returns the curve base + each b without spread; s(1) has to be above 0
// and each not negative.
func Line(base, each time.Duration) Curve {
	if base+each <= 0 || each < 0 {
		panic("servicetime: a line that is not positive or falls")
	}
	return Curve{[]point{{1, float64(base + each), 0}, {2, float64(base + 2*each), 0}}}
}

// At is the median time of a batch; sizes below 1 count as 1.
func (c Curve) At(batch int) time.Duration {
	return time.Duration(math.Round(c.eval(batch, func(p point) float64 { return p.median })))
}

// Spread is the standard deviation over the mean of the time of a batch. Above
// the largest measured batch it stays what it is there.
func (c Curve) Spread(batch int) float64 {
	last := c.points[len(c.points)-1]
	return c.eval(min(batch, last.batch), func(p point) float64 { return p.spread })
}

// eval is the value of a curve by the rules of the package comment.
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

// Scaled returns the curve with every time multiplied by f, which is above 0.
func (c Curve) Scaled(f float64) Curve {
	out := Curve{slices.Clone(c.points)}
	for i := range out.points {
		out.points[i].median *= f
	}
	return out
}

// WithSpread returns the curve with one spread for all batch sizes.
func (c Curve) WithSpread(spread float64) Curve {
	out := Curve{slices.Clone(c.points)}
	for i := range out.points {
		out.points[i].spread = spread
	}
	return out
}

// Sigma is the parameter of the law by which times scatter: a batch takes
// At(b) x exp(Sigma z) with z from the standard normal distribution. That is
// the lognormal law with median At(b) and the curve's spread; it is 0 without
// one.
func (c Curve) Sigma(batch int) float64 {
	spread := c.Spread(batch)
	return math.Sqrt(math.Log1p(spread * spread))
}

// Rate is the most items per second that so many workers can take in batches of
// at most the given size, whatever size serves best.
func (c Curve) Rate(workers, batch int) float64 {
	best := 0.0
	for b := 1; b <= batch; b++ {
		best = max(best, float64(workers*b)/c.At(b).Seconds())
	}
	return best
}
