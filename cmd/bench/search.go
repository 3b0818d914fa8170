package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"

	"sweetspot/cmd/bench/judge"
	"sweetspot/engine/knob"
)

// searchBudget says how many problems are searched, and how.
type searchBudget struct {
	space
	exact          int // requests of each run that determines a true value
	problems, hard int
	tests          int // load tests of a baseline, at least 8
	asked          int // of one trial of a baseline
	promises       int // simulated devices whose recommendation is validated
	strategies     []string
	rivals         []rival
}

func (b budget) search() searchBudget {
	switch b.mode {
	case full.mode:
		return searchBudget{space: wholeSpace(), exact: 60_000, problems: 120, hard: 20, tests: 60, asked: 10_000, promises: 20, strategies: []string{"auto", "climb"}}
	case quick.mode:
		return searchBudget{space: wholeSpace(), exact: 60_000, problems: 12, hard: 3, tests: 8, asked: 10_000, promises: 6, strategies: []string{"auto"}}
	}
	small := space{workers: []int{1, 2}, batches: []int{1, 8}, delays: []int{0}, formats: []knob.Precision{knob.FullPrecision}}
	return searchBudget{space: small, exact: 5_000, problems: 1, hard: 1, tests: 8, asked: 2_000, promises: 1, strategies: []string{"auto"}}
}

// measureSearch measures the results of searches on simulated devices, whose best settings are
// known, and on a recorded grid.
func searching(ctx context.Context, e *env) error {
	b := e.budget.search()
	folder, err := os.MkdirTemp("", "bench-search-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	if b.rivals, err = e.openRivals(ctx, folder); err != nil {
		return err
	}
	easy, err := solveAll(ctx, e.seed, b, b.problems, func(int) hardship { return plain })
	if err != nil {
		return err
	}
	alone := b // baselines are compared only on problems without difficulties
	alone.rivals = nil
	hard, err := solveAll(ctx, e.seed+1<<32, alone, b.hard, func(i int) hardship { return kinked + hardship(i)%3 })
	if err != nil {
		return err
	}
	for _, strategy := range b.strategies {
		e.addStrategy(strategy, easy, hard)
	}
	e.addRivals(b, easy)
	if err := promises(ctx, e, b.promises); err != nil {
		return err
	}
	return replayed(ctx, e)
}

// openBaselines builds the program that the baselines need into a folder. Without its source or the
// go tool it returns only the baselines that do not need it.
func (e *env) openRivals(ctx context.Context, folder string) ([]rival, error) {
	program, err := buildBaseline(ctx, folder)
	switch {
	case ctx.Err() != nil:
		return nil, err
	case err != nil:
		_, err = fmt.Fprintf(e.stderr, "bench: search continues without the baseline tpe: %v\n", err)
		return rivals(""), err
	}
	return rivals(program), nil
}

// solution is a problem with the results of the searches.
type solved struct {
	*problem
	by     map[string]answer // by strategy
	rivals map[string]map[int]float64 // regret by baseline and number of load tests
}

// solveAll draws n problems and runs all searches on each of them, one problem per core.
func solveAll(ctx context.Context, seed uint64, b searchBudget, n int, hard func(i int) hardship) ([]solved, error) {
	out := make([]solved, n)
	err := each(ctx, n, func(i int) error {
		p, err := drawProblem(b.space, b.exact, seed<<8+uint64(i), hard(i))
		if err != nil {
			return err
		}
		s := solved{problem: p, by: map[string]answer{}, rivals: map[string]map[int]float64{}}
		for _, strategy := range b.strategies {
			if s.by[strategy], err = p.search(ctx, strategy); err != nil {
				return fmt.Errorf("%v problem %d: %s: %w", p.hard, i, strategy, err)
			}
		}
		for _, r := range b.rivals {
			if s.rivals[r.name], err = compete(ctx, p, r, b); err != nil {
				return fmt.Errorf("%v problem %d: %s: %w", p.hard, i, r.name, err)
			}
		}
		out[i] = s
		return nil
	})
	return out, err
}

// quantile returns the quantile q of v, as defined in package latency, and sorts v.
func rank(v []float64, q float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	slices.Sort(v)
	return v[max(int(math.Ceil(q*float64(len(v))-1e-9)), 1)-1]
}

// addStrategy adds the figures of one of the program's strategies.
func (e *env) addStrategy(name string, easy, hard []solved) {
	e.addRegrets(name, name, easy)
	e.addRegrets(name, name+"-hard", hard)
	var tests, perTest, trials, probes, over, off []float64
	broken := 0
	for _, s := range slices.Concat(easy, hard) {
		a := s.by[name]
		tests, perTest = append(tests, float64(a.tests)), append(perTest, float64(a.perTest))
		trials, probes = append(trials, float64(a.trials)), append(probes, float64(a.probes))
		over, off = append(over, a.over), append(off, a.off...)
		if a.over > 0 {
			broken++
		}
	}
	e.addMost("search.tests."+name, tests, fmt.Sprintf("; %s trials with repeats and validations", judge.Number(rank(trials, .5))))
	e.addMost("search.trials."+name, perTest, " at one setting")
	e.addMost("search.probes."+name, probes, "")
	e.report.Add(portion("search.over."+name, broken, len(over),
		fmt.Sprintf("loads recommended above the true highest, by %s at most", judge.Number(max(0, slices.Max(over))))))
	if len(off) > 0 {
		e.addQuantiles("search.error", name, off, fmt.Sprintf("%d load tests after the first of a search, against the truth", len(off)))
	}
}

// addRegrets adds the regret of a strategy; name is the last part of the figures' names.
func (e *env) addRegrets(strategy, name string, of []solved) {
	var regrets []float64
	worst := hardship(0)
	for _, s := range of {
		r := s.by[strategy].regret
		if len(regrets) == 0 || r > slices.Max(regrets) {
			worst = s.hard
		}
		regrets = append(regrets, r)
	}
	e.addQuantiles("search.regret", name, regrets, fmt.Sprintf("%d problems, worst %s, %v", len(of), judge.Number(slices.Max(regrets)), worst))
}

// addQuantiles adds the median and the 90th percentile of shares.
func (e *env) addQuantiles(what, name string, v []float64, detail string) {
	e.report.Add(judge.Figure{Name: what + ".median." + name, Value: rank(v, .5), Unit: "share", Detail: detail})
	e.report.Add(judge.Figure{Name: what + ".p90." + name, Value: rank(v, .9), Unit: "share", Detail: detail})
}

// addMaximum adds the largest of counts.
func (e *env) addMost(name string, v []float64, detail string) {
	e.report.Add(judge.Figure{
		Name: name, Value: slices.Max(v), Unit: "count",
		Detail: fmt.Sprintf("most of %d problems, median %s%s", len(v), judge.Number(rank(v, .5)), detail),
	})
}

// addBaselines adds the regret of the baselines.
func (e *env) addRivals(b searchBudget, of []solved) {
	for _, r := range b.rivals {
		for _, n := range counts {
			if n > b.tests {
				break
			}
			var regrets []float64
			for _, s := range of {
				regrets = append(regrets, s.rivals[r.name][n])
			}
			e.addQuantiles("search.regret", fmt.Sprint(r.name, n), regrets, fmt.Sprintf("baseline, %d load tests of %d trials", n, 1+halvings))
		}
	}
}
