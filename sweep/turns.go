package sweep

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/stat"
	"sweetspot/sweep/trial"
)

// Turns is a comparison of two points measured in turns on one target, so that
// what the machine does meanwhile happens to both: blocks A B B A, the ratio of
// each neighbouring pair, the median of the ratios with a bootstrap interval.
type Turns struct {
	Target Target
	A, B   plan.Point
	SLA    trial.SLA     // whose percentile is compared
	Pairs  int           // pairs of blocks; 0 is 60
	Length time.Duration // of a block with its warm-up; 0 is 1 s
	Seed   uint64
	// Observe sees each finished block; nil is allowed.
	Observe func(done, total int)
}

// Difference is B over A. An interval that holds 1 cannot tell them apart; AA is
// what the same comparison says of two equal blocks, the smallest difference it
// can see.
type Difference struct {
	Percentile, Throughput     stat.Interval
	PercentileAA, ThroughputAA stat.Interval
	A, B                       trial.Latencies // of the last block each, for people
	Errors                     int             // refused and failed requests of all blocks
}

// Run measures. Pairs in which a block broke off end it with the error.
func (t Turns) Run(ctx context.Context) (Difference, error) {
	if t.Pairs == 0 {
		t.Pairs = 60
	}
	if t.Length == 0 {
		t.Length = time.Second
	}
	var out Difference
	var a, b [2][]float64 // percentile, throughput
	for i := range 2 * t.Pairs {
		isB := i%4 == 1 || i%4 == 2 // A B B A
		p := t.A
		if isB {
			p = t.B
		}
		r, err := t.block(ctx, p, t.Seed+uint64(i/2)) // both of a pair get the same arrivals
		if err != nil {
			return out, err
		}
		q, ok := r.Verdict.ValueMS.Get()
		if !ok {
			return out, fmt.Errorf("a block of %v holds %d answers, too few for a P%g: ask for longer blocks", t.Length, r.Counts.OK, t.SLA.Percentile)
		}
		side := &a
		if isB {
			side, out.B = &b, r.Latency
		} else {
			out.A = r.Latency
		}
		side[0], side[1] = append(side[0], q), append(side[1], r.Throughput.Value.Or(0))
		out.Errors += r.Counts.Refused + r.Counts.Failed
		if t.Observe != nil {
			t.Observe(i+1, 2*t.Pairs)
		}
	}
	rng := rand.New(rand.NewPCG(t.Seed, 0))
	out.Percentile, out.Throughput = stat.Paired(b[0], a[0], rng), stat.Paired(b[1], a[1], rng)
	out.PercentileAA, out.ThroughputAA = equal(a[0], rng), equal(a[1], rng)
	return out, nil
}

func (t Turns) block(ctx context.Context, p plan.Point, seed uint64) (trial.Result, error) {
	if _, err := t.Target.Apply(ctx, p.Settings); err != nil {
		return trial.Result{}, err
	}
	return t.Target.Measure(ctx, Measurement{
		Load: p.Load, Seed: seed, SLA: t.SLA, Time: t.Length,
		Stop: func(time.Duration, []load.Sample) (bool, string) { return false, "" },
	})
}

// equal compares neighbouring blocks of one side.
func equal(v []float64, rng *rand.Rand) stat.Interval {
	var x, y []float64
	for i := 0; i+1 < len(v); i += 2 {
		x, y = append(x, v[i]), append(y, v[i+1])
	}
	return stat.Paired(x, y, rng)
}
