package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"sweetspot/cmd/bench/judge"
	"sweetspot/engine/knob"
	"sweetspot/profiles/replay"
	"sweetspot/sweep"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/stat"
	"sweetspot/sweep/target/local"
	"sweetspot/sweep/trial"
)

// liveBudget is how much the set runs.
type liveBudget struct {
	gridBest int           // best settings of the grid, compared with the choice
	pairs    int           // of blocks, with each of them
	sweeps   int           // default sweeps whose recommendation is validated
	search   time.Duration // longest search of the grid's plan; 0 is a tenth of the grid's time
	sweep    time.Duration // longest default sweep
}

func (b budget) live() liveBudget {
	switch b.mode {
	case full.mode:
		return liveBudget{gridBest: 5, pairs: 24, sweeps: 5, sweep: 3 * time.Minute}
	case quick.mode:
		return liveBudget{gridBest: 1, pairs: 6, sweeps: 0, search: 20 * time.Second}
	}
	return liveBudget{gridBest: 1, pairs: 2, sweeps: 0, search: 3 * time.Second}
}

// measureLive searches a real model and compares the choice with the best settings
// of its recorded grid, measured in turns. Then it validates recommendations of
// the default sweep.
func measureLive(ctx context.Context, e *env) (err error) {
	grid, _, p, err := openGrid()
	if err != nil {
		return err
	}
	t, err := local.Start(ctx, local.Config{
		Command: []string{e.self, engineCommand, p.Model}, Env: os.Environ(), Log: e.stderr, Seed: e.seed,
		Start: knob.Config{Settings: knob.Default(knob.TorchServe), Options: p.Options},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close(context.WithoutCancel(ctx))) }()
	b := e.budget.live()
	if err := compareWithGrid(ctx, e, b, t, grid, p); err != nil {
		return err
	}
	return validateSweeps(ctx, e, b, t, p.Model)
}

// compareWithGrid searches the plan of the grid and measures the choice and
// the best settings of the grid in turns.
func compareWithGrid(ctx context.Context, e *env, b liveBudget, t sweep.Target, grid *replay.Target, p plan.Plan) error {
	gridTime := gridSeconds(grid)
	p.Strategy, p.Order, p.Trial, p.Seed = "auto", plan.InOrder, plan.Default().Trial, e.seed
	p.Budget.Time = cmp.Or(b.search, time.Duration(gridTime/10*float64(time.Second)))
	begin := time.Now()
	st, _, err := sweepAll(ctx, p, t)
	if err != nil {
		return err
	}
	took := time.Since(begin).Seconds()
	if st.Choice == nil {
		return errors.New("the search found no setting that meets the SLA: the machine is too busy")
	}
	e.report.Add(judge.Figure{
		Name: "live.time", Value: took / gridTime, Unit: "share",
		Detail: fmt.Sprintf("%d settings of %d tested in %.0f s, the grid took %.0f s", distinctSettings(st.Trials), distinctSettings(grid.Profile().Trials), took, gridTime),
	})
	choice := plan.Point{Settings: st.Choice.Settings, Load: st.Trials[st.Best].Load}
	var choiceRates, gridRates []float64
	for i, r := range bestOfGrid(grid, b.gridBest) {
		d, err := sweep.Comparison{
			Target: t, A: plan.Point{Settings: r.Settings, Load: choice.Load}, B: choice, SLA: p.SLA, Pairs: b.pairs, Seed: validationSeed + e.seed<<8 + uint64(i),
		}.Run(ctx)
		if err != nil {
			return err
		}
		choiceRates, gridRates = append(choiceRates, d.RatesB...), append(gridRates, d.RatesA...)
		e.report.Add(turnsFigure(fmt.Sprintf("live.ratio.top-%d", i+1), d.Throughput, fmt.Sprintf("%v over %v, equal blocks %s-%s",
			choice.Settings, r.Settings, judge.Number(d.ThroughputAA.Low), judge.Number(d.ThroughputAA.High))))
	}
	all := stat.Paired(choiceRates, gridRates, rand.New(rand.NewPCG(e.seed, 0)))
	e.report.Add(judge.Figure{Name: "live.ratio.median", Value: all.Value, Unit: "ratio", Detail: fmt.Sprintf("%d pairs with the grid's top %d", len(choiceRates), b.gridBest)})
	e.report.Add(judge.Figure{Name: "live.ratio.low", Value: all.Low, Unit: "ratio", Detail: "lower end of the median's 95% interval"})
	return nil
}

func turnsFigure(name string, v stat.Interval, detail string) judge.Figure {
	return judge.Figure{Name: name, Value: v.Value, Unit: "ratio", Detail: fmt.Sprintf("95%% %s-%s, %s", judge.Number(v.Low), judge.Number(v.High), detail)}
}

// gridSeconds is how long the trials of the grid took, without the changes between
// them.
func gridSeconds(grid *replay.Target) float64 {
	s := 0.0
	for _, t := range grid.Profile().Trials {
		s += t.Seconds
	}
	return s
}

// bestOfGrid returns the n trials of the grid with the highest throughput whose
// percentile was within the limit.
func bestOfGrid(grid *replay.Target, n int) []trial.Trial {
	var within []trial.Trial
	for _, t := range grid.Profile().Trials {
		if t.Role == trial.RoleLoad && t.Verdict.Result != trial.Fail && t.Verdict.ValueMS.Or(math.Inf(1)) <= t.Verdict.LimitMS {
			within = append(within, t)
		}
	}
	slices.SortStableFunc(within, func(a, b trial.Trial) int {
		return cmp.Compare(b.Throughput.Value.Or(0), a.Throughput.Value.Or(0))
	})
	return within[:min(n, len(within))]
}

// maxValidation is the longest time to validate a recommendation. It is what a
// sweep with a minute left would use. The shortest is a sixth of it.
const maxValidation = time.Minute

// validateSweeps adds how many recommendations of the default sweep meet an SLA of
// 1.3 times the P99 of the default settings, validated with a new seed.
func validateSweeps(ctx context.Context, e *env, b liveBudget, t sweep.Target, model string) error {
	if b.sweeps == 0 {
		return nil
	}
	passed, detail := 0, ""
	for i := range b.sweeps {
		verdict, err := validateSweep(ctx, b, t, model, e.seed+uint64(i))
		if err != nil {
			return err
		}
		if verdict.Result == trial.Pass {
			passed++
		}
		detail += fmt.Sprintf(", %s of %s ms (%s)", judge.Number(verdict.ValueMS.Or(math.NaN())), judge.Number(verdict.LimitMS), verdict.Result)
	}
	e.report.Add(portion("live.promise.kept", passed, b.sweeps,
		fmt.Sprintf("SLA %g x P99 of the default settings, a validation of at most %v with a new seed: P99%s", promiseFactor, maxValidation, detail)))
	return nil
}

func validateSweep(ctx context.Context, b liveBudget, t sweep.Target, model string, seed uint64) (trial.Verdict, error) {
	p := plan.Default()
	closed := p.Loads[0]
	p99, err := liveP99(ctx, t, plan.Point{Settings: knob.Default(knob.TorchServe), Load: closed}, seed)
	if err != nil {
		return trial.Verdict{}, err
	}
	p.Model, p.Strategy, p.Seed, p.Budget.Time = model, "auto", seed, b.sweep
	p.SLA.Limit = time.Duration(promiseFactor*p99*1000) * time.Microsecond
	st, _, err := sweepAll(ctx, p, t)
	if err != nil || st.Choice == nil {
		return trial.Verdict{LimitMS: promiseFactor * p99}, err
	}
	if _, err := t.Apply(ctx, st.Choice.Settings); err != nil {
		return trial.Verdict{}, err
	}
	r, err := t.Measure(ctx, sweep.Measurement{
		Load: closed, Seed: seed + validationSeed, SLA: p.SLA, Time: maxValidation, Stop: sweep.UntilValidated(p.SLA, closed, maxValidation/6),
	})
	return r.Verdict, err
}

// liveP99 measures the P99 of a point, in ms, for 10 seconds.
func liveP99(ctx context.Context, t sweep.Target, p plan.Point, seed uint64) (float64, error) {
	if _, err := t.Apply(ctx, p.Settings); err != nil {
		return 0, err
	}
	r, err := t.Measure(ctx, sweep.Measurement{Load: p.Load, Seed: seed, SLA: trialsSLA(), Time: 10 * time.Second, Stop: neverStop})
	if err != nil {
		return 0, err
	}
	v, ok := r.Latency.P99.Value.Get()
	if !ok {
		return 0, errors.New("the default settings have too few answers for a P99")
	}
	return v, nil
}
