package main

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"sweetspot/cmd/bench/judge"
	"sweetspot/engine/knob"
	"sweetspot/engine/latency"
	"sweetspot/sweep"
	"sweetspot/sweep/servercost"
	"sweetspot/sweep/stat"
	"sweetspot/sweep/trial"
)

// carryRow has the figures of one setting on both sides, by block.
type carryRow struct {
	settings          knob.Settings
	rates, otherRates []float64     // answers per second, of adjacent blocks
	hist, otherHist   *latency.Hist // of all blocks
	predicted         servercost.Prediction
	pairs, kept       int // measured, and not disturbed
}

// row measures one setting on both sides, in turns.
func (c carrySides) row(ctx context.Context, s knob.Settings) (carryRow, error) {
	r := carryRow{settings: s, hist: latency.New(), otherHist: latency.New()}
	if _, err := c.own.Apply(ctx, s); err != nil {
		return r, err
	}
	there := c.current
	there.Workers, there.BatchSize, there.BatchDelay = s.Workers, s.BatchSize, s.BatchDelay
	if _, err := c.other.Apply(ctx, there); err != nil {
		return r, err
	}
	b := c.e.budget.carry()
	for _, t := range []sweep.Target{c.own, c.other} { // these do not count: workers are new
		if _, err := c.measure(ctx, t, comparedClients, b.block/2); err != nil {
			return r, err
		}
	}
	own := os.Getpid() // both servers are in its tree
	watch := watchTrees(own, readTree(own))
	watch()
	var all []carryPair
	kept := 0
	for n := 0; n < b.maxRounds && (n < b.rounds || kept < 2*b.rounds); n++ {
		for _, order := range [][]sweep.Target{{c.own, c.other}, {c.other, c.own}} {
			p := carryPair{}
			for _, t := range order {
				m, err := c.measure(ctx, t, comparedClients, b.block)
				if err != nil {
					return r, err
				}
				d := watch()
				p.disturbed = p.disturbed || d.Foreign > maxCarryForeign || d.Steal > maxCarrySteal
				if t == c.own {
					p.own = m
				} else {
					p.other = m
				}
			}
			if all = append(all, p); !p.disturbed {
				kept++
			}
		}
	}
	return r, r.add(all, kept)
}

// carryPair has two adjacent blocks, one of each side.
type carryPair struct {
	own, other trial.Result
	disturbed  bool // by other processes or the hypervisor
}

// Shares of all cores from which a block is disturbed.
const (
	maxCarryForeign = .1
	maxCarrySteal   = .02
)

// add adds the pairs that were not disturbed, or all if too many were.
func (r *carryRow) add(all []carryPair, kept int) error {
	const least = 4
	for _, p := range all {
		if p.disturbed && kept >= least {
			continue
		}
		r.rates = append(r.rates, p.own.Throughput.Value.Or(math.NaN()))
		r.otherRates = append(r.otherRates, p.other.Throughput.Value.Or(math.NaN()))
		for _, s := range []struct {
			to   *latency.Hist
			from trial.Result
		}{{r.hist, p.own}, {r.otherHist, p.other}} {
			block, err := latency.Decode(s.from.Hist.HDR)
			if err != nil {
				return err
			}
			s.to.Merge(block)
		}
	}
	r.pairs, r.kept = len(all), min(kept, len(all))
	return nil
}

func (r carryRow) rate() float64      { return middle(r.rates) }
func (r carryRow) otherRate() float64 { return middle(r.otherRates) }

// p99 returns the P99 in ms; NaN with fewer than 100 answers.
func p99(h *latency.Hist) float64 {
	if h.Count() < 100 {
		return math.NaN()
	}
	return float64(h.Quantile(.99)) / float64(time.Millisecond)
}

// middle returns the median; NaN of none.
func middle(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(v))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// report adds the figures of a model's rows. pick is the choice of the prediction.
func (c carrySides) report(m comparedModel, rows []carryRow, pick knob.Settings) {
	rng := rand.New(rand.NewPCG(c.e.seed, 0))
	var own, other, predicted, errs []float64
	for _, r := range rows {
		s := r.settings
		name := fmt.Sprintf("%s.%dx%d-%gms", m.name, s.Workers, s.BatchSize, s.DelayMS())
		iv := stat.Paired(r.rates, r.otherRates, rng)
		c.e.report.Add(judge.Figure{
			Name: "carry.rate." + name, Value: iv.Value, Unit: "ratio", Detail: fmt.Sprintf("95%% %s-%s, ours %s/s, TorchServe %s/s, predicted for it %s/s, %d of %d pairs undisturbed",
				judge.Number(iv.Low), judge.Number(iv.High), judge.Number(r.rate()), judge.Number(r.otherRate()), judge.Number(r.predicted.Rate), r.kept, r.pairs),
		})
		c.e.report.Add(judge.Figure{
			Name: "carry.p99." + name, Value: p99(r.hist) / p99(r.otherHist), Unit: "ratio", Detail: fmt.Sprintf("ours %s ms, TorchServe %s ms, predicted for it %s ms",
				judge.Number(p99(r.hist)), judge.Number(p99(r.otherHist)), judge.Number(r.predicted.P99)),
		})
		own, other, predicted = append(own, r.rate()), append(other, r.otherRate()), append(predicted, r.predicted.Rate)
		errs = append(errs, math.Abs(math.Log(r.predicted.Rate/r.otherRate())))
	}
	detail := fmt.Sprintf("%d settings, %d clients", len(rows), comparedClients)
	add := func(name string, value float64, unit, detail string) {
		c.e.report.Add(judge.Figure{Name: "carry." + name, Value: value, Unit: unit, Detail: detail})
	}
	add("rank."+m.name+".ours", spearman(own, other), "rho", detail)
	add("rank."+m.name+".predicted", spearman(predicted, other), "rho", detail)
	add("error."+m.name, middle(errs), "share", "median of the differences of predicted and measured rates")
	best := slices.MaxFunc(rows, func(a, b carryRow) int { return cmp.Compare(a.otherRate(), b.otherRate()) })
	ours := slices.MaxFunc(rows, func(a, b carryRow) int { return cmp.Compare(a.rate(), b.rate()) })
	chosen := rows[slices.IndexFunc(rows, func(r carryRow) bool { return r.settings == pick })]
	regret := func(name string, r carryRow) {
		add("regret."+m.name+"."+name, 1-r.otherRate()/best.otherRate(), "share", fmt.Sprintf("%v has %s/s there, the best %v %s/s",
			r.settings, judge.Number(r.otherRate()), best.settings, judge.Number(best.otherRate())))
	}
	regret("ours", ours)
	regret("predicted", chosen)
}

// spearman returns the rank correlation of two lists; equal values have the mean of their ranks.
func spearman(a, b []float64) float64 {
	ra, rb := ranks(a), ranks(b)
	mean := float64(len(a)+1) / 2
	var ab, aa, bb float64
	for i := range ra {
		x, y := ra[i]-mean, rb[i]-mean
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	return ab / math.Sqrt(aa*bb)
}

// ranks returns the ranks of the values, from 1.
func ranks(v []float64) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		less, equal := 0, 0
		for _, y := range v {
			switch {
			case y < x:
				less++
			case y == x:
				equal++
			}
		}
		out[i] = float64(less) + float64(equal+1)/2
	}
	return out
}
