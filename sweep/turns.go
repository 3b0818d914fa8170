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

// Turns is a comparison of two points measured in turns on one target, so that
// what the machine does meanwhile happens to both: rounds of four blocks
// A B B A under the same arrivals. Each round gives two ratios of B over A, and
// two of equals, one of its A blocks and one of its B blocks; the figures are the
// medians of the ratios with bootstrap intervals.
//
// A block ends when it holds enough answers for the percentile, so a slow server
// gets longer ones. One block of each side before the first round is not
// counted: it warms both, and tells how long all will take.
type Comparison struct {
	Target  Target
	A, B    plan.Point
	SLA     trial.SLA     // whose percentile is compared
	Pairs   int           // pairs of blocks, rounded up to an even number; 0 is 60
	MinBlock  time.Duration // of a block at least, warm-up included; 0 is 1 s
	MaxBlock time.Duration // of a block at most; 0 is a minute
	Seed    uint64
	// Observe sees each finished block and how long the rest will take; nil is
	// allowed. The two blocks that are not counted are block 0.
	OnBlock func(done, total int, left time.Duration)
}

// Difference is B over A. An interval that holds 1 cannot tell them apart; AA is
// what the same comparison says of equal blocks, the smallest difference it can
// see.
type Difference struct {
	Percentile, Throughput     stat.Interval
	PercentileAA, ThroughputAA stat.Interval
	A, B                       Side
	RatesA, RatesB             []float64 // answers a second of each pair's blocks, NaN if not known
	Pairs                      int       // measured
	TooFew                       int       // of these, pairs with too few answers for the percentile
	// Limited is in how many blocks the load generator and not the server was
	// the limit, LimitedWhy the first one's reason.
	Limited    int
	LimitedReason string
	Disturbed       int // blocks in parts of which other programs took much of the machine
}

// Turn is what the blocks of one side held: medians over its blocks, and counts
// over all of them.
type Side struct {
	PercentileMS float64 // NaN if no block held enough answers
	RPS          float64 // answers a second
	Sent, Failed int     // requests; refused and timed out ones are failed ones here
}

// ThinError is the error of a comparison whose blocks hold too few answers.
type TooFewAnswersError struct {
	Point   plan.Point
	Answers int           // that its longest block held
	Need    int           // for the percentile
	Block   time.Duration // the longest a block may be
}

func (e *TooFewAnswersError) Error() string {
	return fmt.Sprintf("%v under %v gives %d answers in a block of %v, and the percentile takes %d", e.Point.Settings, e.Point.Load, e.Answers, e.Block, e.Need)
}

// answersFor is how many answers a block waits for: three times what the
// percentile q exists for, since the summary may cut off up to half of a block,
// and no fewer than 100.
func answersPerBlock(q float64) int { return max(100, int(math.Ceil(3/(1-q)-1e-9))) }

// Run measures. A block that breaks off ends it with the error.
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

// complete fills in the defaults.
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

// turns is a comparison under way. Blocks stand in the order A B B A ....
type comparison struct {
	Comparison
	need       int
	percentile []float64 // ms; NaN where a block held too few answers
	rate       []float64 // answers a second
	side       [2]Side   // counts only
	limited    int
	limitedReason        string
	disturbed       int
	begin      time.Time     // of the first block that counts
	expected   time.Duration // of all blocks, from the rehearsal
}

// rehearse measures one block of each side, which do not count.
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

// observe tells how far it is. What is left is told from the blocks so far.
func (t *comparison) reportBlock() {
	done, total := len(t.rate), 2*t.Pairs
	left := time.Duration(float64(time.Since(t.begin)) / float64(done) * float64(total-done))
	t.OnBlock(done, total, left)
}

// block measures one block and keeps its figures.
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

// difference is what the rounds say.
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

// sides are one figure of all blocks: pairs of B and A that were neighbours, and
// pairs of equals from the same rounds.
type sideValues struct{ a, b, x, y []float64 }

// split takes the rounds A B B A apart. Every other round the equals are
// exchanged, so that a drift of the machine cancels in them as it does between A
// and B.
func splitRounds(v []float64) (s sideValues) {
	for i := 0; i+3 < len(v); i += 4 {
		a, b := [2]float64{v[i], v[i+3]}, [2]float64{v[i+1], v[i+2]}
		s.a, s.b = append(s.a, a[0], a[1]), append(s.b, b[0], b[1])
		first := i / 4 % 2
		s.x, s.y = append(s.x, a[first], b[first]), append(s.y, a[1-first], b[1-first])
	}
	return s
}

// compare is B over A, and equals over equals.
func (s sideValues) compare(rng *rand.Rand) (ba, equal stat.Interval) {
	return stat.Paired(s.b, s.a, rng), stat.Paired(s.x, s.y, rng)
}

// middle is the median of the figures that are there.
func median(v []float64) float64 {
	known := slices.DeleteFunc(slices.Clone(v), math.IsNaN)
	if len(known) == 0 {
		return math.NaN()
	}
	slices.Sort(known)
	n := len(known)
	return (known[(n-1)/2] + known[n/2]) / 2
}
