package tui

import (
	"testing"

	"sweetspot/profiles"
	"sweetspot/sweep"
	"sweetspot/sweep/trial"
)

// recordSweep writes a sweep of one setting, which is its choice.
func recordSweep(t *testing.T, path, id string, one trial.Trial) {
	t.Helper()
	sla := trial.SLA{Percentile: 99, Limit: 20e6}
	w, err := profiles.Create(path, profiles.Header{
		ID: id, Kind: profiles.Sweep, Created: epoch, Tool: "test", SLA: &sla,
		Model: profiles.Model{Name: "mlp-wide", SHA256: "ab", BatchAxis: new(true)}, Machine: profiles.Machine{CPU: "x", Cores: 2}.Complete(),
	}, profiles.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{w.Trial(one), w.Choice(trial.Choice{At: epoch, N: one.N, By: "strategy", Settings: one.Settings}), w.End(profiles.Done, 0), w.Close()} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Two equal profiles are no regression on the screen either: it tolerates as much as the command.
func TestCompareTolerance(t *testing.T) {
	sc := newScreen(t, 120, 36, serving())
	sc.ProfileDir = t.TempDir()
	one := newTrial(1, 1, 8, 16.1, 610, trial.Pass)
	est := func(v float64) trial.Estimate {
		return trial.Estimate{Value: trial.NumOf(v), Low: trial.NumOf(v * .99), High: trial.NumOf(v * 1.01)}
	}
	one.Throughput, one.Latency.P99 = est(610), est(16.1)
	for _, id := range []string{olderID, newerID} {
		recordSweep(t, profiles.Path(sc.ProfileDir, id), id, one)
	}
	sc.press("4", "a", "down", "b")
	sc.requireFrame("no regression: nothing is worse by more than 5%")

	p, err := profiles.Read(profiles.Path(sc.ProfileDir, newerID))
	if err != nil {
		t.Fatal(err)
	}
	sc.workbench.live = one
	sc.Machine = func(sweep.Info) profiles.Machine { return p.Header.Machine }
	sc.snap.Info.Model.SHA256 = "ab"
	sc.press("i")
	sc.requireFrame("B in force", "no regression: nothing is worse by more than 5%")
}
