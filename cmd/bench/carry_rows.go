package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"time"

	"sweetspot/cmd/bench/judge"
	"sweetspot/engine/knob"
	"sweetspot/engine/latency"
	"sweetspot/sweep"
	"sweetspot/sweep/servercost"
	"sweetspot/sweep/trial"
)

// carryRow has the figures of one setting on both sides.
type carryRow struct {
	settings  knob.Settings
	predicted servercost.Prediction // for the TorchServe
	pairs     []carryPair
}

// carryPair has two adjacent blocks, one of each side.
type carryPair struct {
	own, other trial.Result
	pass       int
	disturbed  bool // by other processes or the hypervisor
}

// Shares of all cores from which a block is disturbed.
const (
	maxCarryForeign = .1
	maxCarrySteal   = .02
)

func carryDisturbed(d judge.Disturbance) bool {
	return d.Foreign > maxCarryForeign || d.Steal > maxCarrySteal
}

// newCarryRows returns a row for each of the settings, in their order.
func newCarryRows(settings []knob.Settings, predicted []servercost.Prediction) []carryRow {
	var out []carryRow
	for _, s := range settings {
		i := slices.IndexFunc(predicted, func(p servercost.Prediction) bool { return p.Settings == s })
		out = append(out, carryRow{settings: s, predicted: predicted[i]})
	}
	return out
}

// measureRow measures the setting of a row on both sides, in turns.
func (c carrySides) measureRow(ctx context.Context, r *carryRow, pass int) error {
	s := r.settings
	if _, err := c.own.Apply(ctx, s); err != nil {
		return err
	}
	there := c.current
	there.Workers, there.BatchSize, there.BatchDelay = s.Workers, s.BatchSize, s.BatchDelay
	if _, err := c.other.Apply(ctx, there); err != nil {
		return err
	}
	b := c.e.budget.carry()
	for _, t := range []sweep.Target{c.own, c.other} { // these do not count: workers are new
		if _, err := c.measure(ctx, t, comparedClients, b.block/2); err != nil {
			return err
		}
	}
	self := os.Getpid() // both servers are in its tree
	watch := watchTrees(self, readTree(self))
	watch()
	for n, kept := 0, 0; n < b.maxRounds && (n < b.rounds || kept < 2*b.rounds); n++ {
		for _, order := range [][]sweep.Target{{c.own, c.other}, {c.other, c.own}} {
			p := carryPair{pass: pass}
			for _, t := range order {
				m, err := c.measure(ctx, t, comparedClients, b.block)
				if err != nil {
					return err
				}
				d := watch()
				p.disturbed = p.disturbed || carryDisturbed(d)
				if t == c.own {
					p.own = m
				} else {
					p.other = m
				}
			}
			if r.pairs = append(r.pairs, p); !p.disturbed {
				kept++
			}
		}
	}
	own, other := r.rates(pass)
	_, kept, all := r.used(pass)
	fmt.Fprintf(c.e.stderr, "carry: %s: ours %.1f/s, TorchServe %.1f/s, predicted for it %.1f/s, pass %d, %d of %d pairs undisturbed\n",
		settingsName(s), middle(own), middle(other), r.predicted.Rate, pass+1, kept, all)
	return nil
}

// used returns the pairs that were not disturbed, of one pass or of all with -1; all if too few were left.
func (r *carryRow) used(pass int) (pairs []carryPair, kept, all int) {
	var quiet []carryPair
	for _, p := range r.pairs {
		if pass >= 0 && p.pass != pass {
			continue
		}
		if pairs = append(pairs, p); !p.disturbed {
			quiet = append(quiet, p)
		}
	}
	all = len(pairs)
	if 2*len(quiet) >= all {
		pairs = quiet
	}
	return pairs, len(quiet), all
}

// rates returns the answers per second of the blocks of both sides, of one pass or of all with -1.
func (r *carryRow) rates(pass int) (own, other []float64) {
	pairs, _, _ := r.used(pass)
	for _, p := range pairs {
		own = append(own, p.own.Throughput.Value.Or(math.NaN()))
		other = append(other, p.other.Throughput.Value.Or(math.NaN()))
	}
	return own, other
}

// latencies joins the latencies of the blocks of both sides.
func (r *carryRow) latencies() (own, other *latency.Hist, err error) {
	own, other = latency.New(), latency.New()
	pairs, _, _ := r.used(-1)
	for _, p := range pairs {
		for _, s := range []struct {
			to   *latency.Hist
			from trial.Result
		}{{own, p.own}, {other, p.other}} {
			block, err := latency.Decode(s.from.Hist.HDR)
			if err != nil {
				return nil, nil, err
			}
			s.to.Merge(block)
		}
	}
	return own, other, nil
}

// rate is the median of our blocks, otherRate that of the blocks of the TorchServe.
func (r *carryRow) rate() float64 {
	own, _ := r.rates(-1)
	return middle(own)
}

func (r *carryRow) otherRate() float64 { return r.otherRateIn(-1) }

// otherRateIn is the rate of the TorchServe in one pass.
func (r *carryRow) otherRateIn(pass int) float64 {
	_, other := r.rates(pass)
	return middle(other)
}

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
