package judge

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"sweetspot/sweep/stat"
)

// What others may take of the machine, as shares of all its cores, before a
// block is thrown away, and how many pairs the bootstrap needs.
const (
	mostSteal   = .02
	mostForeign = .10
	fewestPairs = 5
)

// Disturbance is what others took of the machine, as shares of all its cores,
// 0-1. NaN is not known.
type Disturbance struct {
	Steal   float64 // by the hypervisor
	Foreign float64 // by processes that are not part of the measurement
}

// polluted is decided from the machine alone, never from what a block measured.
// What is not known rejects nothing.
func (d Disturbance) polluted() bool { return d.Steal > mostSteal || d.Foreign > mostForeign }

// Noise tells the disturbance since its call before.
type Noise func() Disturbance

// Block measures one side for about d and returns a positive figure, such as
// requests per second.
type Block func(ctx context.Context, d time.Duration) (float64, error)

// Plan is how long a comparison takes.
type Plan struct {
	Blocks int           // clean blocks wanted, of both sides together; rounded up to fours
	Most   int           // blocks after which it ends, clean or not; at least Blocks
	Length time.Duration // of a block, .25-.5 s: shorter ones measure the clock of the kernel
	Seed   uint64        // of the bootstrap
	Noise  Noise         // nil watches nothing, and Ratio.Watched says so
}

// Ratio is one side over the other, from neighbouring blocks.
type Ratio struct {
	stat.Interval               // of a/b; not narrower than AA, whatever the bootstrap says
	AA            stat.Interval // of a/a and b/b, from the same run
	A, B          float64       // medians of the blocks used
	Pairs         int           // pairs that Interval rests on
	Blocks, Clean int           // blocks measured, and those not polluted
	Watched       bool          // pollution could be seen
}

// Paired measures a and b in the order A B B A, A B B A, so that a drift of the
// machine meets both alike, after one block of each that does not count.
//
// Each A B and each B A is a pair; their ratios give the interval. Each B B, and
// each A A where two fours meet, is a pair of a thing with itself; they give
// the A/A interval from the same run. A polluted block takes its pairs with it,
// and fours are added, up to Plan.Most, for what is missing. When fewer than 5
// clean pairs are left, the value is that of all pairs and the interval is open.
func Paired(ctx context.Context, p Plan, a, b Block) (Ratio, error) {
	if p.Length <= 0 || p.Blocks < 1 {
		return Ratio{}, fmt.Errorf("paired blocks: %d of %v: want at least 1 and a length above 0", p.Blocks, p.Length)
	}
	for _, side := range []Block{a, b} {
		if _, err := side(ctx, p.Length); err != nil {
			return Ratio{}, fmt.Errorf("warm-up: %w", err)
		}
	}
	noise := p.Noise
	if noise == nil {
		noise = func() Disturbance { return Disturbance{math.NaN(), math.NaN()} }
	}
	noise() // what was before is nobody's
	var blocks []block
	for len(blocks) < p.Blocks || 2*len(pairs(blocks, true)) < p.Blocks && len(blocks)+4 <= p.Most {
		for _, side := range []Block{a, b, b, a} {
			if err := context.Cause(ctx); err != nil {
				return Ratio{}, err
			}
			v, err := side(ctx, p.Length)
			if err != nil {
				return Ratio{}, fmt.Errorf("block %d: %w", len(blocks)+1, err)
			}
			blocks = append(blocks, block{v, noise()})
		}
	}
	return compare(blocks, p.Seed)
}

// block is a measured block. Its side follows from its place in A B B A.
type block struct {
	value float64
	Disturbance
}

// pair is two neighbouring blocks whose figures are divided.
type pair struct{ over, under int }

// pairs lists the A/B pairs; only those of two clean blocks when clean.
func pairs(blocks []block, clean bool) []pair {
	var out []pair
	for i := 0; i+1 < len(blocks); i += 2 {
		p := pair{i, i + 1}
		if i%4 == 2 { // B A
			p = pair{i + 1, i}
		}
		out = append(out, p)
	}
	return filter(out, blocks, clean)
}

// twins lists the pairs of one side with itself. Half of them are divided the
// other way round, so that a drift does not look like a difference.
func twins(blocks []block, clean bool) []pair {
	var out []pair
	for i := 1; i+1 < len(blocks); i += 2 {
		p := pair{i, i + 1}
		if i/4%2 == 1 {
			p = pair{i + 1, i}
		}
		out = append(out, p)
	}
	return filter(out, blocks, clean)
}

func filter(all []pair, blocks []block, clean bool) []pair {
	if !clean {
		return all
	}
	return slices.DeleteFunc(all, func(p pair) bool {
		return blocks[p.over].polluted() || blocks[p.under].polluted()
	})
}

// compare sums the blocks up.
func compare(blocks []block, seed uint64) (Ratio, error) {
	r := Ratio{Blocks: len(blocks)}
	for _, b := range blocks {
		if !(b.value > 0) || math.IsInf(b.value, 1) {
			return Ratio{}, errors.New("paired blocks: a block measured nothing: make blocks longer")
		}
		if !b.polluted() {
			r.Clean++
		}
		r.Watched = r.Watched || !math.IsNaN(b.Foreign)
	}
	between, within := pairs(blocks, true), twins(blocks, true)
	enough := len(between) >= fewestPairs
	if !enough {
		between, within = pairs(blocks, false), twins(blocks, false)
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	over, under := split(between, blocks)
	r.Pairs, r.A, r.B = len(between), median(over), median(under)
	r.Interval = stat.Paired(over, under, rng)
	over, under = split(within, blocks)
	r.AA = stat.Paired(over, under, rng)
	if !enough {
		r.Low, r.High = math.NaN(), math.NaN()
	}
	r.widen()
	return r, nil
}

// widen makes the interval as wide as what the machine shows between a thing
// and itself: nothing finer can be claimed. An open end stays open.
func (r *Ratio) widen() {
	r.Low = min(r.Low, r.Value*r.AA.Low) // min and max keep NaN
	r.High = max(r.High, r.Value*r.AA.High)
}

func split(ps []pair, blocks []block) (over, under []float64) {
	for _, p := range ps {
		over, under = append(over, blocks[p.over].value), append(under, blocks[p.under].value)
	}
	return over, under
}

// median is NaN for none.
func median(v []float64) float64 {
	n := len(v)
	if n == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(v))
	return (s[(n-1)/2] + s[n/2]) / 2
}

// Figure makes a figure of the ratio. Detail comes behind what it rests on.
func (r Ratio) Figure(name, detail string) Figure {
	return Figure{
		Name: name, Value: r.Value, Unit: "ratio", Detail: join(r.basis(), detail),
		Interval: &r.Interval, AA: &r.AA,
	}
}

// Added makes a figure of what a has more than b, in their unit: the ratio less
// one, times b. The ratio is that of neighbours, so the machine's drift is out
// of it, which it would not be of a difference of two medians.
func (r Ratio) Added(name, unit, detail string) Figure {
	added := func(iv stat.Interval) *stat.Interval {
		return &stat.Interval{Value: (iv.Value - 1) * r.B, Low: (iv.Low - 1) * r.B, High: (iv.High - 1) * r.B}
	}
	f := Figure{
		Name: name, Unit: unit, Detail: join(r.basis(), detail),
		Interval: added(r.Interval), AA: added(r.AA),
	}
	f.Value = f.Interval.Value
	return f
}

// basis is what the ratio rests on.
func (r Ratio) basis() string {
	kept := fmt.Sprintf("%d of %d blocks kept", r.Clean, r.Blocks)
	switch {
	case !r.Watched:
		kept = "disturbance not known"
	case math.IsNaN(r.Low) && r.Clean < r.Blocks:
		kept = fmt.Sprintf("only %d of %d blocks clean", r.Clean, r.Blocks)
	}
	return fmt.Sprintf("%d pairs, %s", r.Pairs, kept)
}
