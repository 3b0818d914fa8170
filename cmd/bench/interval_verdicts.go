package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/search"
	"sweetspot/sweep/stat"
	"sweetspot/sweep/stat/stattest"
	"sweetspot/sweep/trial"
)

// The numbers of requests of the runs.
const (
	longRun      = 20_000 // requests of a validation
	settledSoon  = 200_000
	settledMax   = 1_000_000
	decideEvery  = 50
	p99RunLength = 100_000
)

// sides are the two SLAs for verdicts: 10% below the true P99, which must fail, and
// 10% above it, which must pass.
var sides = [2]struct {
	times float64
	wrong trial.Answer
	name  string
}{{.9, trial.Pass, "false-pass"}, {1.1, trial.Fail, "false-fail"}}

// verdictCounts counts the verdicts of both sides.
type verdictCounts struct {
	wrong, undecided [2]int
	n                int // runs of each side
}

func (a *verdictCounts) add(side int, v trial.Answer) {
	switch v {
	case trial.Undecided:
		a.undecided[side]++
	case sides[side].wrong:
		a.wrong[side]++
	}
}

// report adds the figures of one kind of verdict of one server.
func (a *verdictCounts) report(e *env, kind, name, detail string) {
	for i, s := range sides {
		e.report.Add(portion(fmt.Sprintf("interval.%s.%s.%s", kind, s.name, name), a.wrong[i], a.n,
			fmt.Sprintf("SLA at %g of the true P99, %s", s.times, detail)))
	}
	e.report.Add(portion(fmt.Sprintf("interval.%s.undecided.%s", kind, name), a.undecided[0]+a.undecided[1], 2*a.n,
		fmt.Sprintf("%d that must fail, %d that must pass, %s", a.undecided[0], a.undecided[1], detail)))
}

// The details of the two kinds of verdicts.
var (
	provisionalText = fmt.Sprintf("first certain verdict within %d requests", verdictMax)
	longText        = fmt.Sprintf("a validation of %d requests", longRun)
)

// measureFamilies adds the figures of the families.
func measureFamilies(ctx context.Context, e *env) error {
	b := e.budget.intervals()
	for _, f := range stattest.Families() {
		p99 := trueP99(f, b)
		var provisional, long verdictCounts
		provisional.n, long.n = b.repetitions, b.repetitions
		type both struct{ provisional, long trial.Answer }
		got := make([]both, 2*b.repetitions)
		err := each(ctx, len(got), func(i int) error {
			rng := rand.New(rand.NewPCG(e.seed<<20+uint64(i/2), 21))
			v, times := f.Gen(rng, b.validated), arrivals(rng, b.validated)
			p := stat.Promise{Q: .99, Limit: sides[i%2].times * p99}
			got[i] = both{firstVerdict(v[:verdictMax], times[:verdictMax], p), answerOf(stat.Decide(v, times, p))}
			return nil
		})
		if err != nil {
			return err
		}
		for i, g := range got {
			provisional.add(i%2, g.provisional)
			long.add(i%2, g.long)
		}
		provisional.report(e, "provisional", f.Name, provisionalText)
		long.report(e, "long", f.Name, longText)
		if err := measureSettling(ctx, e, f, p99); err != nil {
			return err
		}
	}
	return nil
}

// trueP99 is the P99 of very long runs.
func trueP99(f stattest.Family, b intervalBudget) float64 {
	var all []float64
	for i := range b.p99Runs {
		all = append(all, f.Gen(rand.New(rand.NewPCG(uint64(i), 22)), p99RunLength)...)
	}
	slices.Sort(all)
	return all[len(all)*99/100]
}

// arrivals draws n Poisson arrivals.
func arrivals(rng *rand.Rand, n int) []time.Duration {
	out := make([]time.Duration, n)
	at := 0.
	for i := range out {
		at += rng.ExpFloat64() / stattest.Rate
		out[i] = time.Duration(at * float64(time.Second))
	}
	return out
}

// firstVerdict returns the first certain verdict, with the looks of a trial.
func firstVerdict(v []float64, times []time.Duration, p stat.Promise) trial.Answer {
	lastLook := 0
	for n := decideEvery; n <= len(v); n += decideEvery {
		look := stat.Look(n)
		if look == lastLook {
			continue
		}
		lastLook = look
		if d := stat.Decide(v[:n], times[:n], p); d.Answer != stat.Undecided {
			return answerOf(d)
		}
	}
	return trial.Undecided
}

func answerOf(d stat.Decision) trial.Answer {
	return [...]trial.Answer{stat.Undecided: trial.Undecided, stat.Pass: trial.Pass, stat.Fail: trial.Fail}[d.Answer]
}

// measureSettling adds how many runs have a precise P99 within 200000 requests, and
// how often its interval contains the true P99. The second figure uses all runs
// with a precise P99 within a million requests: if few runs have one after 200000,
// these few are a biased sample.
func measureSettling(ctx context.Context, e *env, f stattest.Family, p99 float64) error {
	b := e.budget.intervals()
	type run struct{ settled, soon, covers bool } // settled: the P99 is precise; soon: with settledSoon requests
	runs := make([]run, b.settlingRuns)
	err := each(ctx, len(runs), func(i int) error {
		rng := rand.New(rand.NewPCG(e.seed<<20+uint64(i), 23))
		v, times := f.Gen(rng, b.settlingMax), arrivals(rng, b.settlingMax)
		for n := 500; n <= len(v); n += n / 4 {
			if stat.Settled(v[:n], times[:n], .99, settledWithin) {
				iv := stat.Quantile(v[:n], .99)
				runs[i] = run{true, n <= settledSoon, iv.Low <= p99 && p99 <= iv.High}
				break
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	settled, soon, covers := 0, 0, 0
	for _, r := range runs {
		if r.settled {
			settled++
		}
		if r.soon {
			soon++
		}
		if r.covers {
			covers++
		}
	}
	e.report.Add(portion("interval.settles."+f.Name, soon, len(runs), fmt.Sprintf("P99 precise to %g%% with %d requests", 100*settledWithin, min(b.settlingMax, settledSoon))))
	if settled > 0 {
		e.report.Add(portion("interval.settled."+f.Name, covers, settled, fmt.Sprintf("of those with a precise P99 within %d requests", b.settlingMax)))
	}
	return nil
}

// measureValidations adds the same figures for the servers of a cell, measured like
// the validations of a sweep.
func measureValidations(ctx context.Context, e *env, c *cell) error {
	counts := verdictCounts{n: c.repetitions}
	got := make([]trial.Answer, 2*c.repetitions)
	err := each(ctx, len(got), func(i int) error {
		t := c.serverOf(i / 2)
		sla := t.slaAt(sides[i%2].times)
		k, err := measureTrial(ctx, t, c.seedFor(i/2, 6), sla, c.validated, sweep.UntilValidated(sla, t.load, time.Hour))
		got[i] = k.verdict
		return err
	})
	if err != nil {
		return err
	}
	for i, v := range got {
		counts.add(i%2, v)
	}
	counts.report(e, "long", c.name, longText)
	return nil
}

// measureSelection adds how often a sweep recommends a setting, although all of its
// settings are 10% over the SLA.
func measureSelection(ctx context.Context, e *env, c *cell) error {
	b := e.budget.intervals()
	chosen := make([]bool, b.selections)
	err := each(ctx, len(chosen), func(i int) (err error) {
		chosen[i], err = c.sweepRecommends(ctx, i)
		return err
	})
	if err != nil {
		return err
	}
	n := 0
	for _, x := range chosen {
		if x {
			n++
		}
	}
	e.report.Add(portion("interval.selection."+c.name, n, len(chosen), fmt.Sprintf("sweeps of %d settings, all 10%% over the SLA, that recommend one", selectionSettings)))
	return nil
}

// selectionSettings is the number of settings of these sweeps.
const selectionSettings = 8

// sweepRecommends runs one sweep. Its settings differ only in the size of a queue
// that is never full, so all behave the same.
func (c *cell) sweepRecommends(ctx context.Context, i int) (bool, error) {
	t := c.serverOf(i)
	target, err := t.target()
	if err != nil {
		return false, err
	}
	var points []plan.Point
	for k := range selectionSettings {
		s := simSettings()
		s.QueueSize += k
		points = append(points, plan.Point{Settings: s, Load: t.load, Role: trial.RoleLoad})
	}
	r := sweep.Runner{
		Target: target, Strategy: search.NewGrid(points), Recorder: &discardRecording{}, SLA: t.slaAt(.9), Options: knob.Options{Rule: t.rule},
		Seed: c.seedFor(i, 7), FirstNumber: 1, MaxRequests: longRun,
		Explain: func([]trial.Trial, int) trial.Explanation { return trial.Explanation{} },
	}
	out, err := r.Run(ctx)
	return out.Choice != nil, err
}
