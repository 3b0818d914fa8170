package judge

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"sweetspot/sweep/stat"
)

// Measure measures one side for about d and returns one value for each metric of the
// comparison. NaN is unknown: the pair is then left out for this metric.
type Measure func(ctx context.Context, d time.Duration) ([]float64, error)

// RoundsPlan is the length of a comparison of several sides.
type RoundsPlan struct {
	Rounds    int             // undisturbed rounds wanted
	MaxRounds int             // rounds after which it ends in any case; at least Rounds
	Length    time.Duration   // of a block
	Seed      uint64          // of the order of the blocks
	Watch     DisturbanceFunc // nil: disturbance is not measured
}

// Rounds has the blocks of sides that were measured in rounds. In each round every side has
// two blocks, and the order of all blocks of a round is random, so that a drift of the machine
// affects all sides equally.
type Rounds struct {
	sides  int
	rounds []round
	short  bool // a joined comparison has too few undisturbed rounds
}

// round has the two blocks of each side, in the order in which they were measured.
type round [][2]sideBlock

// sideBlock is a measured block of one side.
type sideBlock struct {
	values []float64
	Disturbance
}

// undisturbed reports whether no block of the round was disturbed.
func (r round) undisturbed() bool {
	for _, side := range r {
		if side[0].disturbed() || side[1].disturbed() {
			return false
		}
	}
	return true
}

// MeasureRounds measures the sides. Before the first round it runs one block of each as warm-up. A round with a
// disturbed block is replaced, up to p.MaxRounds.
func MeasureRounds(ctx context.Context, p RoundsPlan, sides ...Measure) (*Rounds, error) {
	if p.Length <= 0 || p.Rounds < 1 || len(sides) < 2 {
		return nil, fmt.Errorf("rounds: %d of %d sides, blocks of %v: want at least 1 round, 2 sides and a length above 0", p.Rounds, len(sides), p.Length)
	}
	for _, side := range sides {
		if _, err := side(ctx, p.Length); err != nil {
			return nil, fmt.Errorf("warm-up: %w", err)
		}
	}
	watch := p.Watch
	if watch == nil {
		watch = func() Disturbance { return Disturbance{math.NaN(), math.NaN()} }
	}
	watch() // discards the disturbance before the first block
	out, rng := &Rounds{sides: len(sides)}, rand.New(rand.NewPCG(p.Seed, 0))
	for good := 0; good < p.Rounds && len(out.rounds) < max(p.Rounds, p.MaxRounds); {
		r := make(round, len(sides))
		done := make([]int, len(sides))
		for _, slot := range rng.Perm(2 * len(sides)) {
			if err := context.Cause(ctx); err != nil {
				return nil, err
			}
			i := slot % len(sides)
			v, err := sides[i](ctx, p.Length)
			if err != nil {
				return nil, fmt.Errorf("round %d, side %d: %w", len(out.rounds)+1, i+1, err)
			}
			r[i][done[i]] = sideBlock{v, watch()}
			done[i]++
		}
		out.rounds = append(out.rounds, r)
		if r.undisturbed() {
			good++
		}
	}
	return out, nil
}

// Join returns the rounds of comparisons of the same sides, for one figure of all of them. If one of them has too few undisturbed
// rounds, its intervals are open: without it they would be of the others only.
func Join(all ...*Rounds) *Rounds {
	out := &Rounds{}
	for _, r := range all {
		if out.sides != 0 && r.sides != out.sides {
			panic("judge: joined rounds of different sides")
		}
		out.sides, out.rounds = r.sides, append(out.rounds, r.rounds...)
		if _, enough := r.usable(); !enough {
			out.short = true
		}
	}
	return out
}

// usable returns the undisturbed rounds, or all if they have too few pairs.
func (r *Rounds) usable() (rounds []round, enough bool) {
	good := slices.DeleteFunc(slices.Clone(r.rounds), func(r round) bool { return !r.undisturbed() })
	if 2*len(good) >= minPairs && !r.short {
		return good, true
	}
	return r.rounds, false
}

// Ratio returns the ratio of two sides for a metric: the first blocks of both in a round are a
// pair, and so are the second ones. The two blocks of a side in a round are a pair of the A/A interval.
// Pairs with an unknown value are left out; with fewer than 5 the interval is open.
func (r *Rounds) Ratio(metric, a, b int, seed uint64) Ratio {
	rounds, enough := r.usable()
	out := Ratio{Blocks: 4 * len(r.rounds)}
	var dividends, divisors, first, second []float64
	for i, x := range rounds {
		for k := range 2 {
			va, vb := x[a][k].values[metric], x[b][k].values[metric]
			if va > 0 && vb > 0 {
				dividends, divisors = append(dividends, va), append(divisors, vb)
			}
		}
		// In every second round the later block is divided by the earlier one, so that a drift does
		// not look like a difference.
		for j, side := range []int{a, b} {
			earlier, later := (i+j)%2, 1-(i+j)%2
			first, second = append(first, x[side][earlier].values[metric]), append(second, x[side][later].values[metric])
		}
	}
	for _, x := range r.rounds {
		for _, side := range []int{a, b} {
			for _, block := range x[side] {
				if !block.disturbed() {
					out.Undisturbed++
				}
				out.Watched = out.Watched || !math.IsNaN(block.Foreign)
			}
		}
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	out.Pairs, out.A, out.B = len(dividends), median(dividends), median(divisors)
	out.Interval = stat.Paired(dividends, divisors, rng)
	out.AA = stat.Paired(first, second, rng)
	if !enough || out.Pairs < minPairs {
		out.Low, out.High = math.NaN(), math.NaN()
	}
	out.widen()
	return out
}

// Median returns the median of a metric of one side over its blocks, with the interval of that median: its ends are open with fewer than 5
// undisturbed blocks, and all are NaN without known values.
func (r *Rounds) Median(metric, side int, seed uint64) stat.Interval {
	rounds, enough := r.usable()
	var all, ones []float64
	for _, x := range rounds {
		for _, b := range x[side] {
			if v := b.values[metric]; !math.IsNaN(v) {
				all, ones = append(all, v), append(ones, 1)
			}
		}
	}
	iv := stat.Paired(all, ones, rand.New(rand.NewPCG(seed, 0)))
	if !enough {
		iv.Low, iv.High = math.NaN(), math.NaN()
	}
	return iv
}
