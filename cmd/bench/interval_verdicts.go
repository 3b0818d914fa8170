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
	"sweetspot/sweep/trial"
)

// The lengths that verdicts and settling runs are judged at.
const (
	longRun     = 20_000 // requests of a validation
	settlesRun  = 200_000
	settlesMost = 1_000_000
	askedEvery  = 50
	truthLength = 100_000
)

// sides are the promises that verdicts are judged by: 10% below the truth, which
// has to fail, and 10% above it.
var sides = [2]struct {
	times float64
	wrong trial.Answer
	name  string
}{{.9, trial.Pass, "false-pass"}, {1.1, trial.Fail, "false-fail"}}

// answered is what became of runs on both sides.
type answered struct {
	wrong, undecided [2]int
	n                int // of each side
}

func (a *answered) add(side int, v trial.Answer) {
	switch v {
	case trial.Undecided:
		a.undecided[side]++
	case sides[side].wrong:
		a.wrong[side]++
	}
}

// report adds the figures of one kind of answer of one server.
func (a *answered) report(e *env, kind, name, detail string) {
	for i, s := range sides {
		e.report.Add(portion(fmt.Sprintf("interval.%s.%s.%s", kind, s.name, name), a.wrong[i], a.n,
			fmt.Sprintf("promise at %g of the truth, %s", s.times, detail)))
	}
	e.report.Add(portion(fmt.Sprintf("interval.%s.undecided.%s", kind, name), a.undecided[0]+a.undecided[1], 2*a.n,
		fmt.Sprintf("%d of those to fail, %d of those to pass, %s", a.undecided[0], a.undecided[1], detail)))
}

// What is said of the two kinds of answers.
var (
	provisionalText = fmt.Sprintf("first certain answer within %d requests", verdictMost)
	longText        = fmt.Sprintf("a validation of %d requests", longRun)
)

// judgeFamilies adds the figures of servers that stall, pause, drift and shift.
func judgeFamilies(ctx context.Context, e *env) error {
	b := e.budget.trials()
	for _, f := range families() {
		x := f.truth(b)
		var provisional, long answered
		provisional.n, long.n = b.repetitions, b.repetitions
		type both struct{ provisional, long trial.Answer }
		got := make([]both, 2*b.repetitions)
		err := each(ctx, len(got), func(i int) error {
			rng := rand.New(rand.NewPCG(e.seed<<20+uint64(i/2), 21))
			v, times := f.gen(rng, b.validated), arrivals(rng, b.validated)
			p := stat.Promise{Q: .99, Limit: sides[i%2].times * x}
			got[i] = both{firstAnswer(v[:verdictMost], times[:verdictMost], p), answerOf(stat.Decide(v, times, p))}
			return nil
		})
		if err != nil {
			return err
		}
		for i, g := range got {
			provisional.add(i%2, g.provisional)
			long.add(i%2, g.long)
		}
		provisional.report(e, "provisional", f.name, provisionalText)
		long.report(e, "long", f.name, longText)
		if err := f.settles(ctx, e, x); err != nil {
			return err
		}
	}
	return nil
}

// truth is the P99 of very long runs.
func (f family) truth(b trialBudget) float64 {
	var all []float64
	for i := range b.truthRuns {
		all = append(all, f.gen(rand.New(rand.NewPCG(uint64(i), 22)), truthLength)...)
	}
	slices.Sort(all)
	return all[len(all)*99/100]
}

// arrivals are n Poisson ones.
func arrivals(rng *rand.Rand, n int) []time.Duration {
	out := make([]time.Duration, n)
	at := 0.
	for i := range out {
		at += rng.ExpFloat64() / familyRate
		out[i] = time.Duration(at * float64(time.Second))
	}
	return out
}

// firstAnswer asks as a trial does and ends with the first certain answer.
func firstAnswer(v []float64, times []time.Duration, p stat.Promise) trial.Answer {
	looked := 0
	for n := askedEvery; n <= len(v); n += askedEvery {
		look := stat.Look(n)
		if look == looked {
			continue
		}
		looked = look
		if d := stat.Decide(v[:n], times[:n], p); d.Answer != stat.Undecided {
			return answerOf(d)
		}
	}
	return trial.Undecided
}

func answerOf(d stat.Decision) trial.Answer {
	return [...]trial.Answer{stat.Undecided: trial.Undecided, stat.Pass: trial.Pass, stat.Fail: trial.Fail}[d.Answer]
}

// settles adds how many runs come to know their P99 within 200000 requests, and
// how often they are right. Those are all that settle within a million: of a server
// that few runs know after 200000 requests, these few are the lucky ones.
func (f family) settles(ctx context.Context, e *env, p99 float64) error {
	b := e.budget.trials()
	type run struct{ settled, soon, covers bool }
	runs := make([]run, b.settling)
	err := each(ctx, len(runs), func(i int) error {
		rng := rand.New(rand.NewPCG(e.seed<<20+uint64(i), 23))
		v, times := f.gen(rng, b.settles), arrivals(rng, b.settles)
		for n := 500; n <= len(v); n += n / 4 {
			if stat.Settled(v[:n], times[:n], .99, settledWithin) {
				iv := stat.Quantile(v[:n], .99)
				runs[i] = run{true, n <= settlesRun, iv.Low <= p99 && p99 <= iv.High}
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
	e.report.Add(portion("interval.settles."+f.name, soon, len(runs), fmt.Sprintf("P99 known within %g%% of %d requests", 100*settledWithin, min(b.settles, settlesRun))))
	if settled > 0 {
		e.report.Add(portion("interval.settled."+f.name, covers, settled, fmt.Sprintf("of those that settled within %d requests", b.settles)))
	}
	return nil
}

// judgeCell adds the same figures of a cell's servers, measured as a sweep does.
func judgeCell(ctx context.Context, e *env, c *cell) error {
	long := answered{n: c.repetitions}
	got := make([]trial.Answer, 2*c.repetitions)
	err := each(ctx, len(got), func(i int) error {
		t := c.of(i / 2)
		sla := t.promise(sides[i%2].times)
		k, err := trialOf(ctx, t, c.draw(i/2, 6), sla, c.validated, sweep.UntilValidated(sla, t.load, time.Hour))
		got[i] = k.verdict
		return err
	})
	if err != nil {
		return err
	}
	for i, v := range got {
		long.add(i%2, v)
	}
	long.report(e, "long", c.name, longText)
	return nil
}

// selection adds how often a sweep of settings that are all 10% over the promise
// recommends one.
func selection(ctx context.Context, e *env, c *cell) error {
	b := e.budget.trials()
	chosen := make([]bool, b.selections)
	err := each(ctx, len(chosen), func(i int) (err error) {
		chosen[i], err = c.recommends(ctx, i)
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
	e.report.Add(portion("interval.selection."+c.name, n, len(chosen), fmt.Sprintf("sweeps of %d settings, all 10%% over the promise, that recommend one", selectionSettings)))
	return nil
}

// selectionSettings is how many settings a sweep of selection has.
const selectionSettings = 8

// recommends runs one sweep. Its settings differ in a queue that never fills, so
// that all are alike.
func (c *cell) recommends(ctx context.Context, i int) (bool, error) {
	t := c.of(i)
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
		Target: target, Strategy: search.NewGrid(points), Recorder: &forgetful{}, SLA: t.promise(.9), Options: knob.Options{Rule: t.rule},
		Seed: c.draw(i, 7), First: 1, MaxRequests: longRun,
		Explain: func([]trial.Trial, int) trial.Why { return trial.Why{} },
	}
	out, err := r.Run(ctx)
	return out.Choice != nil, err
}
