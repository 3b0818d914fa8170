package main

import (
	"context"
	"math"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/search"
	background "sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// discardRecording is a recording that keeps nothing but the number of probes.
type discardRecording struct {
	background.Recording // nil: its other methods are not called
	probes               int
}

func (f *discardRecording) Probe(trial.Probe) error            { f.probes++; return nil }
func (*discardRecording) Trial(trial.Trial) error              { return nil }
func (*discardRecording) Event(trial.Event) error              { return nil }
func (*discardRecording) Choice(trial.Choice) error            { return nil }
func (*discardRecording) ID() string                           { return "bench" }
func (*discardRecording) Path() string                         { return "" }
func (*discardRecording) End(background.SweepState, int) error { return nil }

// sweepAll runs a plan on a target and returns the sweep and the number of probes.
func sweepAll(ctx context.Context, p plan.Plan, t sweep.Target) (background.Sweep, int, error) {
	p, err := search.Complete(p)
	if err != nil {
		return background.Sweep{}, 0, err
	}
	if err := p.Validate(); err != nil {
		return background.Sweep{}, 0, err
	}
	rec := &discardRecording{}
	w := &background.Sweeper{Plan: p, Target: t, Record: func(sweep.Info, plan.Plan) (background.Recording, error) { return rec, nil }}
	st, err := w.Run(ctx)
	return st, rec.probes, err
}

// searchResult is the result of a search.
type searchResult struct {
	regret           float64   // 1 without a choice
	tested           float64   // regret of the best setting that had a load test
	passed           float64   // regret of the setting with the highest rate that passed in a load test
	over             float64   // recommended load / true highest load - 1
	predictionErrors []float64 // |predicted / true highest load - 1| of each load test after the first
	measuredErrors   []float64 // |measured / true highest load - 1| of each load test that found it
	tests            int       // settings with a load test
	maxPerTest       int       // largest number of trials of one load test
	trials           int       // of all roles
	probes           int
}

// search runs a strategy of the program on the problem.
func (p *problem) search(ctx context.Context, strategy string) (searchResult, error) {
	d, err := p.open()
	if err != nil {
		return searchResult{}, err
	}
	st, probes, err := sweepAll(ctx, p.plan(strategy), d)
	if err != nil {
		return searchResult{}, err
	}
	a := searchResult{regret: 1, over: math.Inf(-1), trials: len(st.Trials), probes: probes}
	if st.Choice != nil {
		s := st.Choice.Settings
		a.regret, a.over = p.regret(s), -1
		if reach := p.highestRate(s); reach > 0 {
			a.over = st.Trials[st.Best].Load.Rate/reach - 1
		}
	}
	counts := map[knob.Settings]int{}
	for _, t := range st.Trials {
		if t.Role != trial.RoleLoad {
			continue
		}
		counts[t.Settings]++
		a.maxPerTest = max(a.maxPerTest, counts[t.Settings])
		if counts[t.Settings] > 1 || len(counts) == 1 || t.Predicted == nil {
			continue
		}
		if v, ok := t.Predicted.HighestRPS.Get(); ok && p.highestRate(t.Settings) > 0 {
			a.predictionErrors = append(a.predictionErrors, math.Abs(v/p.highestRate(t.Settings)-1))
		}
	}
	a.tests = len(counts)
	a.tested, a.passed = p.regretsOfTests(st.Trials)
	for _, t := range st.Trials { // and not the map, whose order is random
		s := t.Settings
		if counts[s] == 0 {
			continue
		}
		counts[s] = 0
		if v, ok := measuredHighest(st.Trials, s); ok && p.highestRate(s) > 0 {
			a.measuredErrors = append(a.measuredErrors, math.Abs(v/p.highestRate(s)-1))
		}
	}
	return a, nil
}

// regretsOfTests returns the regret of the best setting with a load test, and that of the setting with the highest rate
// that passed in one; each is 1 without such a setting.
func (p *problem) regretsOfTests(trials []trial.Trial) (tested, passed float64) {
	tested, passed = 1, 1
	highest := 0.
	for _, t := range trials {
		if t.Role != trial.RoleLoad {
			continue
		}
		r := p.regret(t.Settings)
		tested = min(tested, r)
		if t.Verdict.Likely() == trial.Pass && t.Load.Rate > highest {
			highest, passed = t.Load.Rate, r
		}
	}
	return tested, passed
}

// maxBracket is the largest ratio of the lowest rate that did not pass and the highest that did, from which the highest
// load is known.
const maxBracket = 1.12

// measuredHighest is the highest load that the load test of settings found: between the highest rate that passed and the
// lowest one that did not. Tests that end before, because another setting is better, have none.
func measuredHighest(trials []trial.Trial, s knob.Settings) (float64, bool) {
	low, high := 0., math.Inf(1)
	for _, t := range trials {
		switch {
		case t.Role != trial.RoleLoad || t.Settings != s:
		case t.Verdict.Likely() == trial.Pass:
			low = max(low, t.Load.Rate)
		default:
			high = min(high, t.Load.Rate)
		}
	}
	return math.Sqrt(low * high), low > 0 && high <= maxBracket*low
}
