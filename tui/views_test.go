package tui

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/charmbracelet/x/exp/golden"

	"sweetspot/profiles"
	"sweetspot/sweep/load"
	"sweetspot/sweep/search"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// predictions are predictions of a plan of 1-4 workers and batches of 1-16 for two delays.
func predictions(l load.Spec) []search.Prediction {
	var out []search.Prediction
	for _, workers := range []int{1, 2, 4} {
		for _, batch := range []int{1, 2, 4, 8, 16} {
			for _, delay := range []time.Duration{5, 20} {
				t := newTrial(0, workers, batch, 0, 0, trial.Undecided)
				t.Settings.BatchDelay = delay * time.Millisecond
				rate := 180 * math.Sqrt(float64(batch)) * math.Pow(float64(workers), .2)
				ms := 60/math.Sqrt(float64(batch)) + float64(delay)/4 + 3*float64(workers-1)
				if l.Mode == load.Open {
					rate, ms = min(rate, l.Rate), ms*l.Rate/rate/2
				}
				out = append(out, search.Prediction{
					Settings: t.Settings, Load: l, Pass: 1 / (1 + math.Exp((ms-20)/4)),
					Throughput: trial.Estimate{Value: trial.NumOf(rate), Low: trial.NumOf(rate * .8), High: trial.NumOf(rate * 1.2)},
					ValueMS:    trial.Estimate{Value: trial.NumOf(ms), Low: trial.NumOf(ms * .6), High: trial.NumOf(ms * 1.5)},
				})
			}
		}
	}
	return out
}

// predicting is a running sweep with predictions.
func predicting() *session.Snapshot {
	s := sweeping()
	w := *s.Sweep
	w.Predictions = predictions(load.Spec{Concurrency: 10})
	s.Sweep = &w
	return s
}

// repeated is a finished sweep with predictions, whose best setting has three runs, one of them
// disturbed.
func repeated() *session.Snapshot {
	s := swept()
	w := *s.Sweep
	w.Predictions = predictions(load.Spec{Concurrency: 10})
	again, third := newTrial(8, 2, 8, 17.9, 590, trial.Pass), newTrial(9, 2, 8, 19.4, 512, trial.Undecided)
	third.Blocks.Disturbed = 4
	third.Verdict.Why = "other programs used the machine"
	w.Trials = append(append([]trial.Trial{}, w.Trials...), again, third)
	w.Trials[4].Predicted = &trial.Predicted{ThroughputRPS: trial.NumOf(671), ValueMS: trial.NumOf(13)}
	w.Total = len(w.Trials)
	s.Sweep = &w
	return s
}

// nonePassed is a finished sweep in which no setting kept the promise.
func nonePassed() *session.Snapshot {
	s := swept()
	w := *s.Sweep
	w.Trials = []trial.Trial{newTrial(1, 1, 1, 47, 208, trial.Fail), newTrial(2, 1, 8, 26, 380, trial.Fail), newTrial(3, 2, 8, 31, 390, trial.Fail)}
	for i := range w.Trials {
		w.Trials[i].Throughput.Value = trial.NumOf(float64(200 + 100*i))
	}
	w.Choice, w.Best, w.Total = nil, 1, 3
	s.Sweep = &w
	return s
}

// recordedProfile is a profile in memory.
func recordedProfile(id, model, class string, trials ...trial.Trial) *profiles.Profile {
	created, _ := time.Parse("20060102T150405Z", id[:16])
	sla := trial.SLA{Percentile: 99, Limit: 20 * time.Millisecond}
	p := &profiles.Profile{
		Header: profiles.Header{
			ID: id, Kind: profiles.Sweep, Created: created, Model: profiles.Model{Name: model, Version: "1.0", SHA256: "05db2628aa"},
			Machine: profiles.Machine{Class: class, OS: "linux", Arch: "amd64", CPU: "EPYC", Cores: 2}, SLA: &sla,
		},
		Trials: trials, Path: "profiles/" + id + ".jsonl", End: &profiles.End{State: profiles.Done},
	}
	if class == "b" {
		p.Header.Machine.CPU = "Xeon"
	}
	for _, t := range trials {
		if t.Role == trial.RoleValidation {
			p.Choices = append(p.Choices, trial.Choice{N: t.N, Settings: t.Settings})
		}
	}
	return p
}

// recordedLive is a recording of live traffic with its seconds.
func recordedLive(id string, n int, p99 float64) *profiles.Profile {
	t := newTrial(1, 1, 8, p99, 400, trial.Pass)
	t.Role = trial.RoleLive
	p := recordedProfile(id, "mlp-wide", "a", t)
	p.Header.Kind = profiles.Live
	s := profiles.Series{StepS: 1}
	for i := range n {
		s.P99MS = append(s.P99MS, trial.NumOf(p99*(1+math.Sin(float64(i)/4)/5)))
		s.RPS, s.GPUPercent = append(s.RPS, trial.NumOf(400)), append(s.GPUPercent, trial.Num{})
	}
	p.Series = map[int]profiles.Series{1: s}
	return p
}

// recorded are the profiles of the scenes: two comparable sweeps, one of another machine, and two
// recordings.
func recorded() []*profiles.Profile {
	best := func(rps, p99 float64) trial.Trial {
		t := newTrial(2, 1, 8, p99, rps, trial.Pass)
		t.Role = trial.RoleValidation
		return t
	}
	named := recordedProfile("20261122T133000Z-0001", "mlp-wide", "a", newTrial(1, 1, 1, 47, 208, trial.Fail), best(610, 16.1))
	named.Events = []trial.Event{{What: "name", Detail: "baseline"}, {What: "note", Detail: "before the upgrade of the driver"}}
	other := best(655, 9.4)
	other.Settings.Workers = 2
	return []*profiles.Profile{
		recordedLive("20261122T135500Z-0005", 40, 30), recordedLive("20261122T135000Z-0004", 30, 15),
		recordedProfile("20261122T134000Z-0002", "mlp-wide", "a", other), named,
		recordedProfile("20261112T090000Z-0003", "mlp-wide", "b", best(1410, 18.4)),
		recordedProfile("20261101T090000Z-0006", "mlp", "a", newTrial(1, 1, 1, 47, 208, trial.Fail)),
	}
}

// withProfiles shows the profiles of a scene, a and b (indexes) compared and one selected.
func withProfiles(selected, a, b int) func(sc *screen) {
	return func(sc *screen) {
		all := recorded()
		s := &sc.profiles
		s.loaded = true
		for _, p := range all {
			s.list = append(s.list, p.Summary())
		}
		s.selected = all[selected].Header.ID
		s.opened = &openedProfile{id: s.selected, profile: all[selected]}
		if a >= 0 {
			s.a, s.b = all[a].Header.ID, all[b].Header.ID
			c := &comparedProfiles{a: all[a], b: all[b]}
			kind := all[a].Header.Kind == profiles.Sweep && all[b].Header.Kind == profiles.Sweep
			c.result, c.err = profiles.Compare(all[a], all[b], profiles.CompareOptions{Choice: kind, Tolerance: profiles.DefaultTolerance})
			s.compare = c
		}
		sc.ProfileDir = "profiles"
	}
}

func exporting(verdict trial.Answer, before string) func(sc *screen) {
	return func(sc *screen) {
		e := &sc.workbench.exported
		e.Verdict = trial.Verdict{Result: verdict, ValueMS: trial.NumOf(47)}
		sc.workbench.notes = []string{"threads 2 has no key: start TorchServe with OMP_NUM_THREADS=2 MKL_NUM_THREADS=2, which its workers inherit."}
		if before != "" {
			e.Exists, e.Existing = true, before
			e.Diff = "--- existing file\n+++ new file\n@@ -2,3 +2,3 @@\n models={\\\n-  \"batchSize\": 4\n+  \"batchSize\": 8\n }\n"
		}
	}
}

// viewScenes are the scenes of the Sweep, Frontier and Profiles views and of their dialogs.
func viewScenes() []viewScene {
	return []viewScene{
		{"start", serving, nil, []string{"s", "down", "down"}},
		{"start problem", serving, nil, []string{"s", "down", "x"}},
		{"sweep predicting", predicting, nil, []string{"2"}},
		{"sweep breakdown", swept, nil, []string{"2", "b"}},
		{"sweep scatter", repeated, nil, []string{"2", "b", "b"}},
		{"sweep filter", swept, nil, []string{"2", "o", "/", "b", "8"}},
		{"sweep none", nonePassed, nil, []string{"2"}},
		{"frontier", repeated, nil, []string{"3"}},
		{"frontier map", repeated, nil, []string{"3", "tab", "v"}},
		{"frontier point", repeated, nil, []string{"3", "tab", "tab"}},
		{"frontier predicted", predicting, nil, []string{"3", "end", "tab", "tab"}},
		{"frontier what if", repeated, func(sc *screen) { sc.workbench.predictions = predictions(load.Spec{Mode: load.Open, Rate: 300}) }, []string{"3", "]", "]"}},
		{"frontier empty", serving, nil, []string{"3"}},
		{"frontier of a profile", serving, withProfiles(3, 3, 2), []string{"4", "m"}},
		{"profiles", serving, withProfiles(3, 3, 2), []string{"4"}},
		{"profiles details", serving, withProfiles(3, 3, 2), []string{"4", "v"}},
		{"profiles not comparable", serving, withProfiles(4, 3, 4), []string{"4"}},
		{"profiles seconds", serving, withProfiles(0, 1, 0), []string{"4", "v", "v"}},
		{"profiles empty", serving, func(sc *screen) { sc.profiles.loaded = true }, []string{"4"}},
		{"export", swept, exporting(trial.Pass, ""), []string{"2", "e"}},
		{"export fail", failing, exporting(trial.Fail, "old"), []string{"e", "enter"}},
	}
}

type viewScene struct {
	name    string
	snap    func() *session.Snapshot
	prepare func(sc *screen)
	keys    []string
}

func (s viewScene) screen(t *testing.T, w, h int) *screen {
	sc := newScreen(t, w, h, s.snap())
	if s.prepare != nil {
		s.prepare(sc)
	}
	dir := sc.ProfileDir
	sc.ProfileDir = "" // nothing is read from the disk
	sc.press(s.keys...)
	sc.ProfileDir = dir
	sc.notice.at = epoch
	return sc
}

func TestViewGolden(t *testing.T) {
	for _, s := range viewScenes() {
		for _, size := range []struct{ w, h int }{{200, 60}, {120, 36}, {80, 24}, {60, 16}} {
			t.Run(fmt.Sprintf("%s %dx%d", s.name, size.w, size.h), func(t *testing.T) {
				golden.RequireEqual(t, s.screen(t, size.w, size.h).plainFrame()+"\n")
			})
		}
	}
	small := []string{"start", "sweep predicting", "sweep breakdown", "frontier", "frontier map", "frontier point", "profiles", "profiles details", "export"}
	for _, s := range viewScenes() {
		for _, size := range []struct{ w, h int }{{60, 15}, {40, 10}} {
			if slices.Contains(small, s.name) {
				t.Run(fmt.Sprintf("%s %dx%d", s.name, size.w, size.h), func(t *testing.T) {
					golden.RequireEqual(t, s.screen(t, size.w, size.h).plainFrame()+"\n")
				})
			}
		}
	}
}

// A trial without answers says so, also in a narrow terminal.
func TestSilentTrial(t *testing.T) {
	for _, w := range []int{80, 120} {
		s := sweeping()
		c := *s.Sweep.Current
		c.Silent = 12 * time.Second
		s.Sweep.Current = &c
		sc := newScreen(t, w, 36, s)
		sc.press("2")
		requireTexts(t, sc.plainFrame(), "no answer for 12s")
	}
}
