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
	exactRequests              int // requests of each run that determines a true value
	easyProblems, hardProblems int
	maxTests                   int // load tests of a baseline, at least 8
	maxRequests                int // of one trial of a baseline
	promiseDevices             int // simulated devices whose recommendation is validated
	validated                  int // sweeps whose recommendation is validated in a long run
	longValidation             int // requests of the run that decides whether a recommendation keeps its promise
	defaultRequests            int // of the run that gives the P99 of the default settings of such a device
	strategies                 []string
	baselines                  []baseline
}

func (b budget) search() searchBudget {
	switch b.mode {
	case full.mode:
		return searchBudget{space: fullSpace(), exactRequests: 60_000, easyProblems: 120, hardProblems: 20, maxTests: 60, maxRequests: 10_000, promiseDevices: 20, validated: 300, longValidation: longValidation, defaultRequests: 200_000, strategies: []string{"auto", "climb"}}
	case quick.mode:
		return searchBudget{space: fullSpace(), exactRequests: 60_000, easyProblems: 12, hardProblems: 3, maxTests: 8, maxRequests: 10_000, promiseDevices: 6, validated: 3, longValidation: longValidation, defaultRequests: 200_000, strategies: []string{"auto"}}
	}
	small := space{workers: []int{1, 2}, batches: []int{1, 8}, delays: []int{0}, formats: []knob.Precision{knob.FullPrecision}}
	return searchBudget{space: small, exactRequests: 5_000, easyProblems: 1, hardProblems: 1, maxTests: 8, maxRequests: 2_000, promiseDevices: 1, validated: 1, longValidation: 20_000, defaultRequests: 20_000, strategies: []string{"auto"}}
}

// measureSearch measures the results of searches on simulated devices, whose best settings are
// known, and on a recorded grid.
func measureSearch(ctx context.Context, e *env) error {
	b := e.budget.search()
	for _, part := range []struct {
		name    string
		measure func(context.Context, *env, searchBudget) error
	}{
		{partProblems, measureProblems},
		{partPromise, measurePromises},
		{partReplay, func(ctx context.Context, e *env, _ searchBudget) error { return measureReplay(ctx, e) }},
	} {
		if !e.wants(part.name) {
			continue
		}
		if err := part.measure(ctx, e, b); err != nil {
			return err
		}
	}
	return nil
}

// The parts of the set.
const (
	partProblems = "problems"
	partPromise  = "promise"
	partReplay   = "replay"
)

// measureProblems measures the results of searches on drawn problems.
func measureProblems(ctx context.Context, e *env, b searchBudget) error {
	folder, err := os.MkdirTemp("", "bench-search-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	if b.baselines, err = e.openBaselines(ctx, folder); err != nil {
		return err
	}
	easy, err := solveAll(ctx, e.seed, b, b.easyProblems, func(int) difficulty { return plainProblem })
	if err != nil {
		return err
	}
	withoutBaselines := b // baselines are compared only on problems without difficulties
	withoutBaselines.baselines = nil
	hard, err := solveAll(ctx, e.seed+1<<32, withoutBaselines, b.hardProblems, func(i int) difficulty { return kinkProblem + difficulty(i)%3 })
	if err != nil {
		return err
	}
	for _, strategy := range b.strategies {
		e.addStrategy(strategy, easy, hard)
	}
	e.addBaselines(b, easy)
	return nil
}

// openBaselines builds the program that the baselines need into a folder. Without its source or the
// go tool it returns only the baselines that do not need it.
func (e *env) openBaselines(ctx context.Context, folder string) ([]baseline, error) {
	program, err := buildBaseline(ctx, folder)
	switch {
	case ctx.Err() != nil:
		return nil, err
	case err != nil:
		_, err = fmt.Fprintf(e.stderr, "bench: search continues without the baseline tpe: %v\n", err)
		return baselines(""), err
	}
	return baselines(program), nil
}

// solution is a problem with the results of the searches.
type solution struct {
	*problem
	results         map[string]searchResult    // by strategy
	baselineRegrets map[string]map[int]float64 // regret by baseline and number of load tests
}

// solveAll draws n problems and runs all searches on each of them, one problem per core.
func solveAll(ctx context.Context, seed uint64, b searchBudget, n int, difficultyOf func(i int) difficulty) ([]solution, error) {
	out := make([]solution, n)
	err := each(ctx, n, func(i int) error {
		p, err := drawProblem(b.space, b.exactRequests, seed<<8+uint64(i), difficultyOf(i))
		if err != nil {
			return err
		}
		s := solution{problem: p, results: map[string]searchResult{}, baselineRegrets: map[string]map[int]float64{}}
		for _, strategy := range b.strategies {
			if s.results[strategy], err = p.search(ctx, strategy); err != nil {
				return fmt.Errorf("%v problem %d: %s: %w", p.difficulty, i, strategy, err)
			}
		}
		for _, r := range b.baselines {
			if s.baselineRegrets[r.name], err = searchWithBaseline(ctx, p, r, b); err != nil {
				return fmt.Errorf("%v problem %d: %s: %w", p.difficulty, i, r.name, err)
			}
		}
		out[i] = s
		return nil
	})
	return out, err
}

// quantile returns the quantile q of v, as defined in package latency, and sorts v.
func quantile(v []float64, q float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	slices.Sort(v)
	return v[max(int(math.Ceil(q*float64(len(v))-1e-9)), 1)-1]
}

// addStrategy adds the figures of one of the program's strategies.
func (e *env) addStrategy(name string, easy, hard []solution) {
	e.addRegrets(name, name, easy)
	e.addRegrets(name, name+"-hard", hard)
	e.addLimits(name, easy)
	var tests, perTest, trials, probes, over []float64
	broken := 0
	for _, s := range slices.Concat(easy, hard) {
		a := s.results[name]
		tests, perTest = append(tests, float64(a.tests)), append(perTest, float64(a.maxPerTest))
		trials, probes = append(trials, float64(a.trials)), append(probes, float64(a.probes))
		over = append(over, a.over)
		if a.over > 0 {
			broken++
		}
	}
	e.addMaximum("search.tests."+name, tests, fmt.Sprintf("; %s trials with repeats and validations", judge.Number(quantile(trials, .5))))
	e.report.Add(judge.Figure{Name: "search.tests.median." + name, Value: quantile(tests, .5), Unit: "count", Detail: fmt.Sprintf("of %d problems", len(tests))})
	e.addMaximum("search.trials."+name, perTest, " at one setting")
	e.addMaximum("search.probes."+name, probes, "")
	e.report.Add(portion("search.over."+name, broken, len(over),
		fmt.Sprintf("loads recommended above the true highest, by %s at most", judge.Number(max(0, slices.Max(over))))))
	e.addErrors(name, name, slices.Concat(easy, hard))
	e.addErrors(name, name+"-hard", hard)
}

// addErrors adds how far predicted highest loads are from the true ones, and how far those are that the load tests found:
// predictions follow the tests, so that on a device whose speed drifts both are off.
func (e *env) addErrors(strategy, name string, of []solution) {
	var predicted, measured []float64
	for _, s := range of {
		predicted = append(predicted, s.results[strategy].predictionErrors...)
		measured = append(measured, s.results[strategy].measuredErrors...)
	}
	if len(predicted) > 0 {
		e.addQuantiles("search.error", name, predicted, fmt.Sprintf("%d load tests after the first of a search, compared with the true values", len(predicted)))
	}
	if len(measured) > 0 {
		e.addQuantiles("search.measured", name, measured, fmt.Sprintf("%d load tests that found the highest load, compared with the true values", len(measured)))
	}
}

// addRegrets adds the regret of a strategy; name is the last part of the figures' names.
func (e *env) addRegrets(strategy, name string, of []solution) {
	var regrets []float64
	worst := difficulty(0)
	for _, s := range of {
		r := s.results[strategy].regret
		if len(regrets) == 0 || r > slices.Max(regrets) {
			worst = s.difficulty
		}
		regrets = append(regrets, r)
	}
	e.addQuantiles("search.regret", name, regrets, fmt.Sprintf("%d problems, worst %s, %v", len(of), judge.Number(slices.Max(regrets)), worst))
}

// addLimits adds what the choice is made of: the regret of the best tested setting, which is that of a choice without an
// error, the regret of choosing by the rates that passed in the load tests, and the regret as a share of the latter.
func (e *env) addLimits(name string, of []solution) {
	var regrets, tested, passed []float64
	for _, s := range of {
		r := s.results[name]
		regrets, tested, passed = append(regrets, r.regret), append(tested, r.tested), append(passed, r.passed)
	}
	detail := fmt.Sprintf("%d problems", len(of))
	e.addQuantiles("search.regret-tested", name, tested, detail+", the best of the tested settings")
	e.addQuantiles("search.regret-passed", name, passed, detail+", the setting with the highest rate that passed in a load test")
	e.report.Add(judge.Figure{
		Name: "search.regret.share." + name, Value: quantile(regrets, .9) / quantile(passed, .9), Unit: "ratio",
		Detail: "P90 of the regret / of that of the setting with the highest rate that passed in a load test",
	})
}

// addQuantiles adds the median and the 90th percentile of shares.
func (e *env) addQuantiles(what, name string, v []float64, detail string) {
	e.report.Add(judge.Figure{Name: what + ".median." + name, Value: quantile(v, .5), Unit: "share", Detail: detail})
	e.report.Add(judge.Figure{Name: what + ".p90." + name, Value: quantile(v, .9), Unit: "share", Detail: detail})
}

// addMaximum adds the largest of counts.
func (e *env) addMaximum(name string, v []float64, detail string) {
	e.report.Add(judge.Figure{
		Name: name, Value: slices.Max(v), Unit: "count",
		Detail: fmt.Sprintf("most of %d problems, median %s%s", len(v), judge.Number(quantile(v, .5)), detail),
	})
}

// addBaselines adds the regret of the baselines.
func (e *env) addBaselines(b searchBudget, of []solution) {
	for _, r := range b.baselines {
		for _, n := range counts {
			if n > b.maxTests {
				break
			}
			var regrets []float64
			for _, s := range of {
				regrets = append(regrets, s.baselineRegrets[r.name][n])
			}
			e.addQuantiles("search.regret", fmt.Sprint(r.name, n), regrets, fmt.Sprintf("baseline, %d load tests of %d trials", n, 1+halvings))
		}
	}
}
