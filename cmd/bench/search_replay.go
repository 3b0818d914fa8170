package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"sweetspot/cmd/bench/judge"
	"sweetspot/engine/knob"
	"sweetspot/profiles/replay"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/search"
	"sweetspot/sweep/trial"
)

// gridFile is the path, from the root of the repository, of a grid that was recorded on a real
// machine.
const gridFile = "testdata/grids/mlp-wide.jsonl.gz"

// errNoGrid means that bench does not run inside the repository.
var errNoGrid = errors.New("no " + gridFile + " in this folder or above; run bench inside the repository")

// findInRepository searches a file or folder of the repository, by its path from the root, in this folder and all folders
// above it. The error is none if bench does not run inside the repository.
func findInRepository(name string, none error) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		path := filepath.Join(dir, filepath.FromSlash(name))
		_, err := os.Stat(path)
		if err == nil {
			return path, nil
		}
		up := filepath.Dir(dir)
		switch {
		case !errors.Is(err, fs.ErrNotExist):
			return "", err
		case up == dir:
			return "", none
		}
		dir = up
	}
}

// measureReplay adds the results of every strategy on the recorded grid: the regret of its choice,
// and the number of settings that it tried.
func measureReplay(ctx context.Context, e *env) error {
	for _, strategy := range search.Available() {
		t, rates, p, err := openGrid()
		if errors.Is(err, errNoGrid) {
			_, err := fmt.Fprintf(e.stderr, "bench: search continues without the recorded grid: %v\n", errNoGrid)
			return err
		}
		if err != nil {
			return err
		}
		p.Strategy = strategy
		st, probes, err := sweepAll(ctx, p, t)
		if err != nil {
			return fmt.Errorf("%s: %w", strategy, err)
		}
		best, chosen := 0.0, 0.0
		for _, rate := range rates {
			best = max(best, rate)
		}
		if st.Choice != nil {
			chosen = rates[st.Choice.Settings]
		}
		tried := distinctSettings(st.Trials)
		detail := fmt.Sprintf("%d of %d settings tried, %d probes, best %s/s within %v",
			tried, distinctSettings(t.Profile().Trials), probes, judge.Number(best), p.SLA.Limit)
		e.report.Add(judge.Figure{Name: "search.replay.regret." + strategy, Value: 1 - chosen/best, Unit: "share", Detail: detail})
		e.report.Add(judge.Figure{Name: "search.replay.tests." + strategy, Value: float64(tried), Unit: "count", Detail: detail})
	}
	return nil
}

// distinctSettings counts the different settings of trials.
func distinctSettings(trials []trial.Trial) int {
	seen := map[knob.Settings]bool{}
	for _, t := range trials {
		seen[t.Settings] = true
	}
	return len(seen)
}

// openGrid returns the recorded grid as a target, the throughput of each setting that kept the
// promise, and the plan of the grid.
func openGrid() (*replay.Target, map[knob.Settings]float64, plan.Plan, error) {
	path, err := findInRepository(gridFile, errNoGrid)
	if err != nil {
		return nil, nil, plan.Plan{}, err
	}
	t, err := replay.Read(path)
	if err != nil {
		return nil, nil, plan.Plan{}, err
	}
	rates, p, err := recordedGrid(t)
	return t, rates, p, err
}

// recordedGrid returns the throughputs and the plan of a recorded grid.
func recordedGrid(t *replay.Target) (map[knob.Settings]float64, plan.Plan, error) {
	rec := t.Profile()
	var p plan.Plan
	if err := p.UnmarshalJSON(rec.Header.Plan); err != nil {
		return nil, p, fmt.Errorf("%s: plan: %w", rec.Header.ID, err)
	}
	p.Budget = plan.Budget{LoadTests: plan.Unset}
	rates := map[knob.Settings]float64{}
	for _, r := range rec.Trials {
		if r.Role == trial.RoleLoad && r.Verdict.Result == trial.Pass {
			rates[r.Settings] = max(rates[r.Settings], r.Throughput.Value.Or(0))
		}
	}
	if len(rates) == 0 {
		return nil, p, fmt.Errorf("%s: no setting keeps the promise", rec.Header.ID)
	}
	return rates, p, nil
}
