package profiles_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"sweetspot/profiles"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// part is a sweep to be merged: fields of its header, its trials, the number of its choice
// (0 is none) and its exit code (negative is no end line).
type part struct {
	id      string
	resumes string
	limit   time.Duration // 0 is 100 ms
	plan    func(*plan.Plan)
	trials  []trial.Trial
	choice  int
	exit    int
}

// write writes a part that is created this number of hours after at.
func (p part) write(t *testing.T, dir string, hours int) string {
	t.Helper()
	h := header(p.id)
	h.Created = at.Add(time.Duration(hours) * time.Hour)
	if p.resumes != "" {
		h.Resumes = &p.resumes
	}
	if p.limit > 0 {
		h.SLA.Limit, h.PlanHash = p.limit, p.limit.String()
	}
	sweepPlan := plan.Default()
	sweepPlan.Model = "builtin:mlp"
	if p.plan != nil {
		p.plan(&sweepPlan)
	}
	text, err := json.Marshal(sweepPlan)
	if err != nil {
		t.Fatal(err)
	}
	h.Plan = text
	path := profiles.Path(dir, p.id)
	w, err := profiles.Create(path, h, profiles.Options{})
	if err != nil {
		t.Fatal(err)
	}
	steps := []error{w.Probe(trial.Probe{N: 1, At: at, BatchSize: 8, Runs: 12})}
	for _, r := range p.trials {
		if p.limit > 0 {
			r.Verdict.LimitMS = float64(p.limit) / 1e6
		}
		steps = append(steps, w.Trial(r))
		if r.N == p.choice {
			steps = append(steps, w.Choice(trial.Choice{N: r.N, Settings: r.Settings, Why: trial.Explanation{PlanRPS: trial.NumOf(r.Load.Rate * .95)}}))
		}
	}
	if p.exit >= 0 {
		steps = append(steps, w.End(profiles.Done, p.exit))
	}
	if err := errors.Join(append(steps, w.Close())...); err != nil {
		t.Fatal(err)
	}
	return path
}

// ran returns trial n with this number of workers, throughput and verdict.
func ran(n, workers int, rps float64, r trial.Answer) trial.Trial {
	t := precise(n, rps, 1)
	t.Settings.Workers, t.Verdict.Result = workers, r
	return t
}

func atRate(t trial.Trial, rate float64) trial.Trial {
	t.Load = load.Spec{Mode: load.Open, Rate: rate}
	return t
}

func validated(t trial.Trial) trial.Trial {
	t.Role = trial.RoleValidation
	return t
}

func underMany(t trial.Trial) trial.Trial {
	t.Load = load.Spec{Concurrency: 45}
	return t
}

func severalLoads(p *plan.Plan) {
	p.Loads = []load.Spec{ran(1, 1, 1, trial.Pass).Load, {Concurrency: 45}}
}

func TestMergeChoice(t *testing.T) {
	capacity := func(p *plan.Plan) {
		p.Question, p.Loads = plan.Capacity, []load.Spec{{Mode: load.Open, Rate: 1}}
	}
	interrupted := []trial.Trial{ran(1, 1, 1, trial.Pass), ran(2, 2, 1.2, trial.Pass), ran(3, 4, .5, trial.Fail)}
	for _, c := range []struct {
		name   string
		parts  []part
		trials int
		choice int // new number, 0 is none
		exit   int
		event  string // text of one of the events
	}{
		{
			"a sweep and its resume: copies are left out", []part{
				{id: "a", trials: interrupted, choice: 2, exit: -1},
				{id: "b", resumes: "a", trials: append(interrupted[:3:3], ran(4, 8, 2, trial.Pass)), choice: 4},
			}, 4, 4, 0, "trials 4-4 are 4-4 of b, done, 3 more are those of the part it resumes, resumes a",
		},
		{
			"a resume of a resume, without the first resume", []part{
				{id: "a", trials: interrupted, exit: -1},
				{id: "c", resumes: "b", trials: append(interrupted[:3:3], ran(4, 8, 2, trial.Pass)), choice: 4},
			}, 4, 4, 0, "",
		},
		{
			"the resume contradicts an earlier choice", []part{
				{id: "a", trials: interrupted, choice: 2, exit: -1},
				{id: "b", resumes: "a", trials: append(interrupted[:3:3], ran(4, 2, 1.2, trial.Fail)), choice: 1},
			}, 4, 1, 0, "the choice of a is left out: b resumes it",
		},
		{
			"another shard contradicts the only choice", []part{
				{id: "a", trials: interrupted[1:2], choice: 2},
				{id: "b", trials: []trial.Trial{ran(1, 2, 1.2, trial.Fail)}, exit: 2},
			}, 2, 0, 3, "the choice of a is left out: trial 2 fails with its settings",
		},
		{
			"most throughput", []part{
				{id: "a", trials: []trial.Trial{ran(1, 1, 1, trial.Pass)}, choice: 1},
				{id: "b", trials: []trial.Trial{ran(1, 8, 2, trial.Pass)}, choice: 1},
			}, 2, 2, 0, "",
		},
		{
			"fewest workers", []part{
				{id: "a", trials: []trial.Trial{ran(1, 1, 1, trial.Pass)}, choice: 1, plan: func(p *plan.Plan) { p.Objective = plan.FewestWorkers }},
				{id: "b", trials: []trial.Trial{ran(1, 8, 2, trial.Pass)}, choice: 1},
			}, 2, 1, 0, "",
		},
		{
			"highest load, not highest throughput", []part{
				{id: "a", plan: capacity, trials: []trial.Trial{atRate(ran(1, 1, 2, trial.Pass), 400)}, choice: 1},
				{id: "b", plan: capacity, trials: []trial.Trial{atRate(ran(1, 2, 1, trial.Pass), 500), atRate(ran(2, 2, 1, trial.Fail), 510)}, choice: 1},
			}, 3, 2, 0, "",
		},
		{
			"highest load, but a lower one fails", []part{
				{id: "a", plan: capacity, trials: []trial.Trial{atRate(ran(1, 1, 2, trial.Pass), 500)}, choice: 1},
				{id: "b", plan: capacity, trials: []trial.Trial{atRate(ran(1, 1, 1, trial.Fail), 400)}, exit: 2},
			}, 2, 0, 3, "the choice of a is left out: trial 2 fails",
		},
		{
			"a pass that no validation confirmed is no choice", []part{
				{id: "a", trials: interrupted, exit: -1},
				{id: "b", resumes: "a", trials: append(interrupted[:3:3], ran(4, 8, 2, trial.Pass)), exit: 3},
			}, 4, 0, 3, "",
		},
		{
			"a validated setting of a sweep that ended before it wrote its choice", []part{
				{id: "a", trials: interrupted, exit: -1},
				{id: "b", resumes: "a", trials: append(interrupted[:3:3], ran(4, 8, 2, trial.Pass), validated(ran(5, 2, 1.2, trial.Pass))), exit: -1},
			}, 5, 5, 0, "",
		},
		{
			"a setting that was not measured under one of the loads", []part{
				{id: "a", plan: severalLoads, trials: []trial.Trial{validated(ran(1, 1, 1, trial.Pass))}, choice: 1},
				{id: "b", trials: []trial.Trial{ran(1, 2, 1, trial.Fail)}, exit: 2},
			}, 2, 1, 3, "",
		},
		{
			"one that fails there, after one that does not", []part{
				{id: "a", plan: severalLoads, trials: []trial.Trial{validated(ran(1, 1, 2, trial.Pass)), underMany(ran(2, 1, 2, trial.Fail))}, choice: 1},
				{id: "b", trials: []trial.Trial{validated(ran(1, 2, 1, trial.Pass)), validated(underMany(ran(2, 2, 1, trial.Pass)))}, choice: 1},
			}, 4, 3, 0, "rank 1 is validated and is not the best: under concurrency 45 it FAILs",
		},
		{
			"the order is that of all runs, not that of the validations", []part{
				{id: "a", trials: []trial.Trial{ran(1, 1, 1.4, trial.Pass), validated(ran(2, 1, 1, trial.Pass))}, choice: 2},
				{id: "b", trials: []trial.Trial{validated(ran(1, 2, 1.1, trial.Pass))}, choice: 1},
			}, 3, 2, 0, "",
		},
		{
			"of one part too: its choice is not the first of all runs", []part{
				{id: "a", trials: []trial.Trial{validated(ran(1, 1, 1, trial.Pass)), validated(ran(2, 4, 2, trial.Pass))}, choice: 1},
				{id: "b", trials: []trial.Trial{validated(ran(1, 2, 1.5, trial.Pass))}, choice: 1},
			}, 3, 2, 0, "",
		},
		{
			"the first one is contradicted", []part{
				{id: "a", trials: []trial.Trial{validated(ran(1, 1, 2, trial.Pass))}, choice: 1},
				{id: "b", trials: []trial.Trial{ran(1, 1, 1, trial.Fail), validated(ran(2, 2, 1, trial.Pass))}, choice: 2},
			}, 3, 3, 0, "rank 1 is validated and is not the best: trial 2 fails with its settings",
		},
		{
			"none, for certain", []part{
				{id: "a", trials: []trial.Trial{ran(1, 1, 1, trial.Fail)}, exit: 2},
				{id: "b", trials: []trial.Trial{ran(1, 2, 1, trial.Fail)}, exit: 2},
			}, 2, 0, 2, "",
		},
		{
			"none, but one is undecided", []part{
				{id: "a", trials: []trial.Trial{ran(1, 1, 1, trial.Undecided)}, exit: 2},
				{id: "b", trials: []trial.Trial{ran(1, 2, 1, trial.Fail)}, exit: 2},
			}, 2, 0, 3, "",
		},
		{
			"none: an undecided one fails in the other part", []part{
				{id: "a", trials: []trial.Trial{ran(1, 1, 1, trial.Undecided)}, exit: 2},
				{id: "b", trials: []trial.Trial{ran(1, 1, .9, trial.Fail)}, exit: 2},
			}, 2, 0, 2, "",
		},
		{
			"none, but one part did not try all settings", []part{
				{id: "a", trials: []trial.Trial{ran(1, 1, 1, trial.Fail)}, exit: 3},
				{id: "b", trials: []trial.Trial{ran(1, 2, 1, trial.Fail)}, exit: 2},
			}, 2, 0, 3, "",
		},
		{
			"by force: a pass for a looser promise is no pass for that of the first part", []part{
				{id: "a", trials: []trial.Trial{ran(1, 1, 1, trial.Fail)}, exit: 2},
				{id: "b", limit: time.Second, trials: []trial.Trial{ran(1, 2, 2, trial.Pass)}, choice: 1},
			}, 2, 0, 3, "the choice of b is left out: its trial is not known to keep the promise of the others",
		},
		{
			"by force: a pass for a tighter promise is a pass", []part{
				{id: "a", trials: []trial.Trial{ran(1, 1, 1, trial.Fail)}, exit: 2},
				{id: "b", limit: 50 * time.Millisecond, trials: []trial.Trial{ran(1, 2, 2, trial.Pass)}, choice: 1},
			}, 2, 2, 0, "",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := newDir(t)
			var paths []string
			for i, p := range c.parts {
				paths = append(paths, p.write(t, dir, i))
			}
			p, err := merge(t, paths, strings.HasPrefix(c.name, "by force"))
			if err != nil {
				t.Fatal(err)
			}
			choice, chosen := p.Choice()
			if len(p.Trials) != c.trials || choice.N != c.choice || chosen != (c.choice > 0) || p.End.Exit != c.exit {
				t.Errorf("%d trials, choice %d, exit %d; want %d, %d, %d", len(p.Trials), choice.N, p.End.Exit, c.trials, c.choice, c.exit)
			}
			for i, r := range p.Trials {
				if r.N != i+1 {
					t.Errorf("trial %d has the number %d", i+1, r.N)
				}
			}
			if p.End.Trials != c.trials || c.parts[1].resumes != "" && len(p.Probes) != 1 {
				t.Errorf("%d trials at the end, %d probes", p.End.Trials, len(p.Probes))
			}
			var events []string
			for _, e := range p.Events {
				events = append(events, e.Detail)
			}
			if text := strings.Join(events, "\n"); !strings.Contains(text, c.event) {
				t.Errorf("events:\n%s\nwant %q", text, c.event)
			}
			if c.name == "highest load, not highest throughput" && choice.Why.PlanRPS.Or(0) != 475 {
				t.Errorf("plan for %v, want 475", choice.Why.PlanRPS)
			}
		})
	}
}
