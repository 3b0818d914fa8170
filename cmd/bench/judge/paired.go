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

// A block is rejected if others use more of the machine than maxSteal or
// maxForeign, as shares of all its cores. The bootstrap needs minPairs.
const (
	maxSteal   = .02
	maxForeign = .10
	minPairs   = 5
)

// Disturbance is how much of the machine others used, as shares of all its
// cores, 0-1. NaN is unknown.
type Disturbance struct {
	Steal   float64 // by the hypervisor
	Foreign float64 // by processes that are not part of the measurement
}

// disturbed is decided from the machine only, never from the value of a block.
// An unknown disturbance rejects nothing.
func (d Disturbance) disturbed() bool { return d.Steal > maxSteal || d.Foreign > maxForeign }

// DisturbanceFunc returns the disturbance since the previous call.
type DisturbanceFunc func() Disturbance

// Block measures one side for about d and returns a positive figure, such as
// requests per second.
type Block func(ctx context.Context, d time.Duration) (float64, error)

// Plan is the length of a comparison.
type Plan struct {
	Blocks    int             // undisturbed blocks wanted, of both sides together; rounded up to a multiple of 4
	MaxBlocks int             // blocks after which it ends in any case; at least Blocks
	Length    time.Duration   // of a block, .25-.5 s: in shorter ones the kernel's counters are too coarse
	Seed      uint64          // of the bootstrap
	Watch     DisturbanceFunc // nil: disturbance is not measured, and Ratio.Watched is false
}

// Ratio is one side divided by the other, from neighboring blocks.
type Ratio struct {
	stat.Interval                     // of a/b; never narrower than AA
	AA                  stat.Interval // of a/a and b/b, from the same run
	A, B                float64       // medians of the blocks used
	Pairs               int           // pairs that Interval is computed from
	Blocks, Undisturbed int           // blocks measured, and how many of them were not disturbed
	Watched             bool          // the disturbance was measured
}

// Paired measures a and b in the order A B B A, A B B A, so that a drift of the
// machine affects both equally. Before that it runs one block of each as warm-up.
//
// Each A B and each B A is a pair; the ratios of the pairs give the interval.
// Each B B, and each A A between two groups of four, is a pair of one side with
// itself; these give the A/A interval of the same run. Pairs with a disturbed
// block are not used; to replace them, groups of four are added up to
// Plan.MaxBlocks. If fewer than 5 undisturbed pairs remain, the value is that of
// all pairs and the interval is open at both ends.
//
// A group in which a block measured nothing is measured again, and from then on
// blocks are twice as long, at most three times.
func Paired(ctx context.Context, p Plan, a, b Block) (Ratio, error) {
	if p.Length <= 0 || p.Blocks < 1 {
		return Ratio{}, fmt.Errorf("paired blocks: %d of %v: want at least 1 and a length above 0", p.Blocks, p.Length)
	}
	for _, side := range []Block{a, b} {
		if _, err := side(ctx, p.Length); err != nil {
			return Ratio{}, fmt.Errorf("warm-up: %w", err)
		}
	}
	watch := p.Watch
	if watch == nil {
		watch = func() Disturbance { return Disturbance{math.NaN(), math.NaN()} }
	}
	watch() // discards the disturbance before the first block
	var blocks []block
	for doubled := 0; len(blocks) < p.Blocks || 2*len(abPairs(blocks, true)) < p.Blocks && len(blocks)+4 <= p.MaxBlocks; {
		group := make([]block, 0, 4)
		for _, side := range []Block{a, b, b, a} {
			if err := context.Cause(ctx); err != nil {
				return Ratio{}, err
			}
			v, err := side(ctx, p.Length)
			if err != nil {
				return Ratio{}, fmt.Errorf("block %d: %w", len(blocks)+len(group)+1, err)
			}
			group = append(group, block{v, watch()})
		}
		if slices.ContainsFunc(group, block.empty) && doubled < maxDoublings {
			doubled, p.Length = doubled+1, 2*p.Length
			continue
		}
		blocks = append(blocks, group...)
	}
	return compare(blocks, p.Seed)
}

// maxDoublings is how often blocks are made twice as long because one of a group measured nothing:
// on a busy machine a short block may not have a single answer.
const maxDoublings = 3

// block is a measured block. Its index gives its side: A B B A.
type block struct {
	value float64
	Disturbance
}

// empty reports whether the block measured nothing, so that no ratio can be formed.
func (b block) empty() bool { return !(b.value > 0) || math.IsInf(b.value, 1) }

// pair is two neighboring blocks whose values are divided.
type pair struct{ dividend, divisor int } // indexes of blocks

// abPairs lists the pairs of A and B. If undisturbed is true, it leaves out those
// with a disturbed block.
func abPairs(blocks []block, undisturbed bool) []pair {
	var out []pair
	for i := 0; i+1 < len(blocks); i += 2 {
		p := pair{i, i + 1}
		if i%4 == 2 { // B A
			p = pair{i + 1, i}
		}
		out = append(out, p)
	}
	return filter(out, blocks, undisturbed)
}

// aaPairs lists the pairs of one side with itself. Half of them are divided in
// the other direction, so that a drift does not look like a difference.
func aaPairs(blocks []block, undisturbed bool) []pair {
	var out []pair
	for i := 1; i+1 < len(blocks); i += 2 {
		p := pair{i, i + 1}
		if i/4%2 == 1 {
			p = pair{i + 1, i}
		}
		out = append(out, p)
	}
	return filter(out, blocks, undisturbed)
}

func filter(all []pair, blocks []block, undisturbed bool) []pair {
	if !undisturbed {
		return all
	}
	return slices.DeleteFunc(all, func(p pair) bool {
		return blocks[p.dividend].disturbed() || blocks[p.divisor].disturbed()
	})
}

// compare computes the ratio from all blocks.
func compare(blocks []block, seed uint64) (Ratio, error) {
	r := Ratio{Blocks: len(blocks)}
	for _, b := range blocks {
		if b.empty() {
			return Ratio{}, errors.New("paired blocks: a block measured nothing: make blocks longer")
		}
		if !b.disturbed() {
			r.Undisturbed++
		}
		r.Watched = r.Watched || !math.IsNaN(b.Foreign)
	}
	ab, aa := abPairs(blocks, true), aaPairs(blocks, true)
	enough := len(ab) >= minPairs
	if !enough {
		ab, aa = abPairs(blocks, false), aaPairs(blocks, false)
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	dividends, divisors := split(ab, blocks)
	r.Pairs, r.A, r.B = len(ab), median(dividends), median(divisors)
	r.Interval = stat.Paired(dividends, divisors, rng)
	dividends, divisors = split(aa, blocks)
	r.AA = stat.Paired(dividends, divisors, rng)
	if !enough {
		r.Low, r.High = math.NaN(), math.NaN()
	}
	r.widen()
	return r, nil
}

// widen makes the interval at least as wide as the A/A interval, because smaller
// differences cannot be distinguished from no difference. An open end stays open.
func (r *Ratio) widen() {
	r.Low = min(r.Low, r.Value*r.AA.Low) // min and max keep NaN
	r.High = max(r.High, r.Value*r.AA.High)
}

// split returns the values of both blocks of each pair.
func split(ps []pair, blocks []block) (dividends, divisors []float64) {
	for _, p := range ps {
		dividends, divisors = append(dividends, blocks[p.dividend].value), append(divisors, blocks[p.divisor].value)
	}
	return dividends, divisors
}

// median is NaN if there are no values.
func median(v []float64) float64 {
	n := len(v)
	if n == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(v))
	return (s[(n-1)/2] + s[n/2]) / 2
}

// Figure makes a figure of the ratio. Its detail is the number of pairs and
// blocks, then detail.
func (r Ratio) Figure(name, detail string) Figure {
	return Figure{
		Name: name, Value: r.Value, Unit: "ratio", Detail: joinDetails(r.basis(), detail),
		Interval: &r.Interval, AA: &r.AA,
	}
}

// Added makes a figure of how much a is above b, in their unit: (ratio - 1) * b.
// The ratio is of neighboring blocks, so the drift of the machine cancels out,
// which is not so for the difference of two medians.
func (r Ratio) Added(name, unit, detail string) Figure {
	added := func(iv stat.Interval) *stat.Interval {
		return &stat.Interval{Value: (iv.Value - 1) * r.B, Low: (iv.Low - 1) * r.B, High: (iv.High - 1) * r.B}
	}
	f := Figure{
		Name: name, Unit: unit, Detail: joinDetails(r.basis(), detail),
		Interval: added(r.Interval), AA: added(r.AA),
	}
	f.Value = f.Interval.Value
	return f
}

// basis describes the data of the ratio.
func (r Ratio) basis() string {
	kept := fmt.Sprintf("%d of %d blocks kept", r.Undisturbed, r.Blocks)
	switch {
	case !r.Watched:
		kept = "disturbance unknown"
	case math.IsNaN(r.Low) && r.Undisturbed < r.Blocks:
		kept = fmt.Sprintf("only %d of %d blocks undisturbed", r.Undisturbed, r.Blocks)
	}
	return fmt.Sprintf("%d pairs, %s", r.Pairs, kept)
}
