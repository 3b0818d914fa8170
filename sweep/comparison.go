package sweep

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/stat"
	"sweetspot/sweep/trial"
)

// Comparison compares two points with interleaved blocks on one target, so that a change
// of the machine affects both: rounds of four blocks A B B A with the same arrivals. Each
// round gives two ratios B / A and two ratios of equal points, one of its A blocks and one
// of its B blocks. The results are the medians of the ratios with bootstrap intervals.
//
// A block ends when it has enough answers for the percentile, so the blocks of a slow
// server are longer. One block of each side before the first round does not count: it
// warms up both, and its length is used to estimate the total time.
type Comparison struct {
	Target   Target
	A, B     plan.Point
	SLA      trial.SLA     // the comparison is of its percentile and kind of latency
	Pairs    int           // number of pairs of blocks, rounded up to an even number; 0 is 60
	MinBlock time.Duration // shortest block, with warm-up; 0 is 1 s
	MaxBlock time.Duration // longest block; 0 is a minute
	Seed     uint64
	// OnBlock is called after each block with the estimated remaining time; nil is allowed. It
	// is called once with done 0 for the two blocks that do not count.
	OnBlock func(done, total int, left time.Duration)
}

// Difference has ratios B / A. If an interval contains 1, the data do not show a
// difference. The AA intervals are those of the same comparison of equal points: smaller
// differences cannot be detected.
type Difference struct {
	Percentile, Throughput     stat.Interval
	PercentileAA, ThroughputAA stat.Interval
	A, B                       Side
	RatesA, RatesB             []float64 // answers per second of the two blocks of each pair; NaN is unknown
	Pairs                      int       // number of measured pairs
	TooFew                     int       // pairs with too few answers for the percentile
	// Limited is the number of blocks in which the load generator was the bottleneck, and
	// LimitedReason the reason in the first one.
	Limited       int
	LimitedReason string
	Disturbed     int // blocks that were disturbed for at least a part of their time
}

// Side has the results of the blocks of one point: medians over the blocks, and sums of
// requests.
type Side struct {
	PercentileMS float64 // NaN if no block had enough answers
	RPS          float64 // answers per second
	Sent, Failed int     // requests; Failed includes refused ones and timeouts
}

// TooFewAnswersError is the error of a comparison whose blocks have too few answers.
type TooFewAnswersError struct {
	Point   plan.Point
	Answers int           // in the block
	Need    int           // for the percentile
	Block   time.Duration // longest block
}

func (e *TooFewAnswersError) Error() string {
	return fmt.Sprintf("%v under %v: there are %d answers in a block of %v, but the percentile needs %d", e.Point.Settings, e.Point.Load, e.Answers, e.Block, e.Need)
}

// answersPerBlock returns how many answers end a block: three times as many as the percentile q
// needs, because the summary may remove up to half of a block, and at least 100.
func answersPerBlock(q float64) int { return max(100, int(math.Ceil(3/(1-q)-1e-9))) }

// Run measures all blocks. The error of a block ends it.
func (t Comparison) Run(ctx context.Context) (Difference, error) {
	t = t.withDefaults()
	m := &comparison{Comparison: t, need: answersPerBlock(t.SLA.Percentile / 100)}
	if err := m.measureFirst(ctx); err != nil {
		return Difference{}, err
	}
	for round := range t.Pairs / 2 {
		for _, isB := range []bool{false, true, true, false} {
			if err := m.block(ctx, isB, t.Seed+uint64(round)); err != nil {
				return Difference{}, err
			}
			m.reportBlock()
		}
	}
	return m.difference(), nil
}

// withDefaults replaces zero values by defaults.
func (t Comparison) withDefaults() Comparison {
	if t.Pairs <= 0 {
		t.Pairs = 60
	}
	t.Pairs += t.Pairs % 2
	if t.MinBlock <= 0 {
		t.MinBlock = time.Second
	}
	if t.MaxBlock <= 0 {
		t.MaxBlock = time.Minute
	}
	t.MaxBlock = max(t.MaxBlock, t.MinBlock)
	if t.OnBlock == nil {
		t.OnBlock = func(int, int, time.Duration) {}
	}
	return t
}

// comparison is the state of a running comparison. Its slices are in the order A B B A ....
type comparison struct {
	Comparison
	need          int       // answers per block
	percentile    []float64 // ms; NaN if a block had too few answers
	rate          []float64 // answers per second
	side          [2]Side   // only Sent and Failed
	limited       int
	limitedReason string // why the generator was the bottleneck
	disturbed     int
	begin         time.Time     // of the first block that counts
	expected      time.Duration // of all blocks, from the two that do not count
}

// measureFirst measures one block of each side, which do not count.
func (t *comparison) measureFirst(ctx context.Context) error {
	begin := time.Now()
	for i, isB := range []bool{false, true} {
		if err := t.block(ctx, isB, t.Seed); err != nil {
			return err
		}
		if math.IsNaN(t.percentile[i]) {
			p := []plan.Point{t.A, t.B}[i]
			need := int(math.Ceil(1/(1-t.SLA.Percentile/100) - 1e-9))
			return &TooFewAnswersError{Point: p, Answers: t.side[i].Sent - t.side[i].Failed, Need: need, Block: t.MaxBlock}
		}
	}
	t.begin, t.expected = time.Now(), time.Since(begin)*time.Duration(t.Pairs)
	*t = comparison{Comparison: t.Comparison, need: t.need, begin: t.begin, expected: t.expected}
	t.OnBlock(0, 2*t.Pairs, t.expected)
	return nil
}

// reportBlock calls OnBlock. The remaining time is estimated from the blocks so far.
func (t *comparison) reportBlock() {
	done, total := len(t.rate), 2*t.Pairs
	left := time.Duration(float64(time.Since(t.begin)) / float64(done) * float64(total-done))
	t.OnBlock(done, total, left)
}

// block measures one block and adds its results.
func (t *comparison) block(ctx context.Context, isB bool, seed uint64) error {
	p, side := t.A, &t.side[0]
	if isB {
		p, side = t.B, &t.side[1]
	}
	if _, err := applyExactly(ctx, t.Target, p.Settings); err != nil {
		return err
	}
	r, err := t.Target.Measure(ctx, Measurement{
		Load: p.Load, Seed: seed, SLA: t.SLA, Time: t.MaxBlock,
		Stop: func(elapsed time.Duration, samples []load.Sample) (bool, string) {
			return elapsed >= t.MinBlock && len(latencies(plannedAfter(samples, warmup(elapsed)), t.SLA.Latency)) >= t.need, ""
		},
	})
	if err != nil {
		return err
	}
	t.percentile = append(t.percentile, r.Verdict.ValueMS.Or(math.NaN()))
	t.rate = append(t.rate, r.Throughput.Value.Or(math.NaN()))
	side.Sent += r.Counts.Sent
	side.Failed += r.Counts.Refused + r.Counts.Failed + r.Counts.Timeout
	if r.Blocks.Rejected > 0 || r.Disturbed() {
		t.disturbed++
	}
	if r.GeneratorLimited {
		t.limited++
		if w := r.WarningsOf(trial.GeneratorLimited); len(w) > 0 && t.limitedReason == "" {
			t.limitedReason = w[0].Text
		}
	}
	return nil
}

// difference returns the results of all rounds.
func (t *comparison) difference() Difference {
	out := Difference{Pairs: t.Pairs, Limited: t.limited, LimitedReason: t.limitedReason, Disturbed: t.disturbed, A: t.side[0], B: t.side[1]}
	rng := rand.New(rand.NewPCG(t.Seed, 0))
	p, rate := splitRounds(t.percentile), splitRounds(t.rate)
	out.Percentile, out.PercentileAA = p.compare(rng)
	out.Throughput, out.ThroughputAA = rate.compare(rng)
	out.RatesA, out.RatesB = rate.a, rate.b
	out.A.PercentileMS, out.A.RPS = median(p.a), median(rate.a)
	out.B.PercentileMS, out.B.RPS = median(p.b), median(rate.b)
	for i := range p.a {
		if math.IsNaN(p.a[i]) || math.IsNaN(p.b[i]) {
			out.TooFew++
		}
	}
	return out
}

// sideValues has the values of all blocks: a and b are those of pairs of adjacent blocks,
// x and y those of pairs of equal points from the same rounds.
type sideValues struct{ a, b, x, y []float64 }

// splitRounds splits rounds A B B A into pairs. In every second round it exchanges x and y,
// so that a drift of the machine cancels in them as it does between a and b.
func splitRounds(v []float64) (s sideValues) {
	for i := 0; i+3 < len(v); i += 4 {
		a, b := [2]float64{v[i], v[i+3]}, [2]float64{v[i+1], v[i+2]}
		s.a, s.b = append(s.a, a[0], a[1]), append(s.b, b[0], b[1])
		first := i / 4 % 2
		s.x, s.y = append(s.x, a[first], b[first]), append(s.y, a[1-first], b[1-first])
	}
	return s
}

// compare returns the ratio B / A and the ratio of equal points.
func (s sideValues) compare(rng *rand.Rand) (ba, equal stat.Interval) {
	return stat.Paired(s.b, s.a, rng), stat.Paired(s.x, s.y, rng)
}

// median returns the median of the values that are not NaN; NaN without any.
func median(v []float64) float64 {
	sorted := slices.DeleteFunc(slices.Clone(v), math.IsNaN)
	if len(sorted) == 0 {
		return math.NaN()
	}
	slices.Sort(sorted)
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
