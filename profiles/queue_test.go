package profiles_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"sweetspot/engine/latency"
	"sweetspot/profiles"
	"sweetspot/sweep/stat"
	"sweetspot/sweep/trial"
)

// simulate simulates a server that batches: Poisson arrivals with 80 requests per second,
// and one worker that takes up to 8 requests as soon as it is idle and needs 10 + 2b ms
// for b of them, with 5% noise. It returns the latencies in ms, in the order of the
// answers, and the number of answers in each quarter of a second. The warm-up, which
// starts with an empty queue, is left out.
func simulate(rng *rand.Rand, n int) (ms []float64, counts []int) {
	const most, rate = 8, .08 // per ms
	warm := n / 10
	arrivals := make([]float64, n+warm)
	at := 0.
	for i := range arrivals {
		at += rng.ExpFloat64() / rate
		arrivals[i] = at
	}
	free := 0.
	for next := 0; next < len(arrivals); {
		start := max(free, arrivals[next])
		b := 0
		for next+b < len(arrivals) && b < most && arrivals[next+b] <= start {
			b++
		}
		free = start + (10+2*float64(b))*(1+.05*rng.NormFloat64())
		for ; b > 0; b-- {
			if next >= warm {
				ms = append(ms, free-arrivals[next])
				block := int((free - arrivals[warm]) / 250)
				for len(counts) <= block {
					counts = append(counts, 0)
				}
				counts[block]++
			}
			next++
		}
	}
	return ms, counts[:len(counts)-1]
}

// recorded returns the trial that a sweep records for such a run, with all latencies scaled.
func recorded(ms []float64, counts []int, scale float64) trial.Trial {
	est := func(i stat.Interval) trial.Estimate {
		return trial.Estimate{Value: trial.NumOf(scale * i.Value), Low: trial.NumOf(scale * i.Low), High: trial.NumOf(scale * i.High)}
	}
	out := sampleTrial(1)
	q := stat.Quantiles(ms, .5, .99)
	out.Latency = trial.Latencies{P50: est(q[0]), P99: est(q[1])}
	rate := stat.Rate(counts, 250*time.Millisecond)
	out.Throughput = trial.Estimate{Value: trial.NumOf(rate.Value), Low: trial.NumOf(rate.Low), High: trial.NumOf(rate.High)}
	out.Counts = trial.Counts{Sent: len(ms), OK: len(ms)}
	out.Verdict = trial.Verdict{Result: trial.Pass, Percentile: 99, LimitMS: 500, ValueMS: out.Latency.P99.Value, LowMS: out.Latency.P99.Low, HighMS: out.Latency.P99.High}
	return out
}

// withHist returns a recorded trial with its histogram.
func withHist(t *testing.T, ms []float64, counts []int, scale float64) trial.Trial {
	t.Helper()
	h := latency.New()
	for _, v := range ms {
		h.Record(time.Duration(scale * v * float64(time.Millisecond)))
	}
	text, err := h.Encode()
	if err != nil {
		t.Fatal(err)
	}
	out := recorded(ms, counts, scale)
	out.Hist = trial.Hist{Unit: "us", HDR: text}
	return out
}

// isPrecise reports whether the interval of a P99 is within 2% of its value.
func isPrecise(e trial.Estimate) bool {
	v, low, high := e.Value.Or(0), e.Low.Or(0), e.High.Or(1e9)
	return high-low <= 2*.02*v
}

// profileOf returns a profile with these trials.
func profileOf(id string, ts ...trial.Trial) *profiles.Profile {
	h := header(id)
	h.Machine = h.Machine.Complete()
	p := &profiles.Profile{Header: h, Trials: ts}
	for i := range p.Trials {
		p.Trials[i].N = i + 1
	}
	return p
}

// TestRegressionsFound tests the accuracy of compare on profiles whose P99 is precise to
// 2%: a P99 that is 8% higher is found in at least 95 of 100 pairs, and at most 5 of 100
// equal pairs are reported as regressions.
func TestRegressionsFound(t *testing.T) {
	pairs, n := 100, 25000
	if testing.Short() {
		pairs = 20
	}
	rng := rand.New(rand.NewPCG(7, 7))
	wide := 0
	run := func(scales ...float64) (out []*profiles.Profile) { // scaled, and last unscaled
		for {
			ms, counts := simulate(rng, n)
			if r := recorded(ms, counts, 1); isPrecise(r.Latency.P99) {
				for _, s := range scales {
					out = append(out, profileOf("x", recorded(ms, counts, s)))
				}
				return append(out, profileOf("x", r))
			}
			wide++
		}
	}
	equal, slower := map[profiles.Outcome]int{}, map[profiles.Outcome]int{}
	changed := map[string]int{} // figures of equal pairs that are called better or worse
	for range pairs {
		a, b := run()[0], run(1.08)
		for i, outcomes := range []map[profiles.Outcome]int{slower, equal} {
			c, err := profiles.Compare(a, b[i], profiles.CompareOptions{Tolerance: .05})
			if err != nil {
				t.Fatal(err)
			}
			outcomes[c.Outcome]++
			for _, f := range c.Pairs[0].Figures {
				if i == 1 && f.Change != profiles.NoChange {
					changed[f.Name]++
				}
			}
		}
	}
	t.Logf("P99 8%% higher: %v; A/A: %v, figures called better or worse: %v; %d runs left out, whose P99 was not precise to 2%%",
		slower, equal, changed, wide)
	if found := slower[profiles.Regression]; 100*found < 95*pairs {
		t.Errorf("a P99 8%% higher was found in %d of %d pairs, want 95%%", found, pairs)
	}
	if flagged := equal[profiles.Regression]; 100*flagged > 5*pairs {
		t.Errorf("%d of %d equal pairs are regressions, want at most 5%%", flagged, pairs)
	}
	if 10*changed["P99"] > pairs {
		t.Errorf("of %d equal pairs the P99 of %d is called better or worse, want about 5%%", pairs, changed["P99"])
	}
}
