package search_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/search"
	"sweetspot/sweep/trial"
)

// carryPlan returns a plan with the batch sizes 1, 4 and 8, one worker and 10 clients.
func carryPlan(change ...func(*plan.Plan)) plan.Plan {
	p := plan.Default()
	p.Model, p.Strategy = "builtin:mlp", "grid"
	p.Knobs = map[knob.Name]string{knob.BatchSize: "1,4,8"}
	for _, f := range change {
		f(&p)
	}
	return p
}

func pointsOf(p plan.Plan) []plan.Point {
	points, _ := p.Points(knob.Limits{Cores: 4, BatchAxis: true}, knob.Default(p.Options.Rule), nil)
	return points
}

// carryTrial returns trial n of a plan, with a batch size and a verdict on the plan's SLA.
func carryTrial(p plan.Plan, n, batch int, role trial.Role, r trial.Answer) trial.Trial {
	t := trial.Trial{N: n, Role: role, Settings: knob.Default(p.Options.Rule), Options: p.Options, Load: p.Loads[0]}
	t.Settings.BatchSize = batch
	t.Verdict = trial.Verdict{
		Result: r, Percentile: p.SLA.Percentile, Latency: p.SLA.Latency, LimitMS: float64(p.SLA.Limit) / 1e6,
		ValueMS: trial.NumOf(40),
	}
	return t
}

func limit(d time.Duration) func(*plan.Plan) {
	return func(p *plan.Plan) { p.SLA.Limit = d }
}

func knobs(n knob.Name, text string) func(*plan.Plan) {
	return func(p *plan.Plan) { p.Knobs[n] = text }
}

// summarize lists trials: number, verdict, limit.
func summarize(trials []trial.Trial) string {
	var out []string
	for _, t := range trials {
		out = append(out, fmt.Sprintf("%d:%s<%g", t.N, t.Verdict.Result.Label(), t.Verdict.LimitMS))
	}
	return strings.Join(out, " ")
}

// TestCarry: of a grid at a limit of 100 ms, only verdicts that can be derived for another limit
// are used, and no trial with another load, batching rule or other requests.
func TestCarry(t *testing.T) {
	was := carryPlan()
	old := func(p plan.Plan) []trial.Trial {
		return []trial.Trial{
			carryTrial(p, 1, 1, trial.RoleLoad, trial.Fail),
			carryTrial(p, 2, 4, trial.RoleLoad, trial.Pass),
			carryTrial(p, 3, 8, trial.RoleLoad, trial.Undecided),
			carryTrial(p, 4, 4, trial.RoleValidation, trial.Pass),
		}
	}
	for _, c := range []struct {
		name string
		now  plan.Plan
		want string
		says string
	}{
		{"the same", was, "1:FAIL<100 2:pass<100 3:?<100 4:pass<100", "trials kept: 4"},
		{
			"another seed and budget", carryPlan(func(p *plan.Plan) { p.Seed, p.Budget.Time, p.Trial.MaxRequests = 7, time.Hour, 9 }),
			"1:FAIL<100 2:pass<100 3:?<100 4:pass<100", "trials kept: 4",
		},
		{
			"looser", carryPlan(limit(time.Second)), "2:pass<1000 4:pass<1000",
			"carried over to the limit of 1s from 100ms: 2; not used: 2, the promise is another (2)",
		},
		{"tighter", carryPlan(limit(15 * time.Millisecond)), "1:FAIL<15", "not used: 3, the promise is another (3)"},
		{"another percentile", carryPlan(func(p *plan.Plan) { p.SLA.Percentile = 95 }), "", "the promise is another (4)"},
		{"model latency", carryPlan(func(p *plan.Plan) { p.SLA.Latency = trial.ModelLatency }), "", "the promise is another (4)"},
		{"errors allowed", carryPlan(func(p *plan.Plan) { p.SLA.MaxErrorRate = .1 }), "", "the promise is another (4)"},
		{"fewer clients", carryPlan(func(p *plan.Plan) { p.Loads[0].Concurrency = 2 }), "", "no point of this plan (4)"},
		{"fewer settings", carryPlan(knobs(knob.BatchSize, "1,8")), "1:FAIL<100 3:?<100", "no point of this plan (2)"},
		{"another queue", carryPlan(knobs(knob.QueueSize, "50")), "", "no point of this plan (4)"},
		{"another rule", carryPlan(func(p *plan.Plan) { p.Options.Rule = knob.Eager }), "", "another rule or other options (4)"},
		{"a session of its own", carryPlan(func(p *plan.Plan) { p.Options.Session = "own" }), "", "another rule or other options (4)"},
		{"other requests", carryPlan(func(p *plan.Plan) { p.Input = "images/" }), "", "other requests (4)"},
		{"other pictures", carryPlan(func(p *plan.Plan) { p.Image = "order=bgr" }), "", "other requests (4)"},
		{"other shapes", carryPlan(func(p *plan.Plan) { p.Shapes = map[string][]int64{"x": {64}} }), "", "other requests (4)"},
		{"the highest rate", carryPlan(func(p *plan.Plan) { p.Question = plan.Capacity }), "", "no point of this plan (4)"},
	} {
		before := old(was)
		got := search.Carry(trial.History{Trials: before}, was, c.now, pointsOf(c.now))
		if text := summarize(got.History.Trials); text != c.want {
			t.Errorf("%s: %q, want %q", c.name, text, c.want)
		}
		if !strings.Contains(got.String(), c.says) {
			t.Errorf("%s: says %q, want %q", c.name, got, c.says)
		}
		if diff := cmp.Diff(old(was), before, cmp.AllowUnexported(trial.Num{})); diff != "" {
			t.Errorf("%s: the old trials were changed:\n%s", c.name, diff)
		}
	}
}

// TestCarryRequests: a profile has only the last element of a path, which must not make the
// requests different.
func TestCarryRequests(t *testing.T) {
	was := carryPlan(func(p *plan.Plan) { p.Input, p.Shapes = "images", map[string][]int64{"x": {64}} })
	now := carryPlan(func(p *plan.Plan) { p.Input, p.Shapes = "/data/images/", map[string][]int64{"x": {64}} })
	old := trial.History{Trials: []trial.Trial{carryTrial(was, 1, 4, trial.RoleLoad, trial.Pass)}}
	if got := search.Carry(old, was, now, pointsOf(now)); len(got.History.Trials) != 1 {
		t.Errorf("the same folder: %v", got)
	}
}

// TestCarrySettingsAsAWhole: for another limit, the trials of a setting with a pass and a fail are
// used all or not at all.
func TestCarrySettingsAsAWhole(t *testing.T) {
	was := carryPlan()
	old := trial.History{Trials: []trial.Trial{
		carryTrial(was, 1, 4, trial.RoleLoad, trial.Pass),
		carryTrial(was, 2, 8, trial.RoleLoad, trial.Pass),
		carryTrial(was, 3, 4, trial.RoleValidation, trial.Fail),
		carryTrial(was, 4, 1, trial.RoleLoad, trial.Fail),
	}}
	for _, c := range []struct {
		limit time.Duration
		want  string
	}{
		{time.Second, "2:pass<1000"},
		{50 * time.Millisecond, "4:FAIL<50"},
		{100 * time.Millisecond, "1:pass<100 2:pass<100 3:FAIL<100 4:FAIL<100"},
	} {
		now := carryPlan(limit(c.limit))
		got := search.Carry(old, was, now, pointsOf(now))
		if text := summarize(got.History.Trials); text != c.want {
			t.Errorf("%v: %q, want %q", c.limit, text, c.want)
		}
		if in := strings.Contains(got.String(), "all trials of their settings are repeated (1)"); in != (c.limit != was.SLA.Limit) {
			t.Errorf("%v: says %q", c.limit, got)
		}
	}
}

// TestCarryCapacity: for another limit only one bound of the search for a setting's highest rate is
// used, which no other trial contradicts.
func TestCarryCapacity(t *testing.T) {
	capacity := func(p *plan.Plan) {
		p.Question, p.Loads = plan.Capacity, []load.Spec{{Mode: load.Open, Rate: 1}}
	}
	was := carryPlan(capacity)
	at := func(n, batch int, rate float64, role trial.Role, r trial.Answer) trial.Trial {
		t := carryTrial(was, n, batch, role, r)
		t.Load.Rate = rate
		return t
	}
	old := trial.History{Trials: []trial.Trial{
		at(1, 4, 80, trial.RoleLoad, trial.Pass),
		at(2, 4, 120, trial.RoleLoad, trial.Fail),
		at(3, 4, 90, trial.RoleLoad, trial.Pass),
		at(4, 4, 100, trial.RoleLoad, trial.Undecided),
		at(5, 4, 110, trial.RoleLoad, trial.Pass), // above a rate that did not pass
		at(6, 4, 90, trial.RoleValidation, trial.Pass),
		at(7, 8, 70, trial.RoleLoad, trial.Pass),
		at(8, 8, 70, trial.RoleValidation, trial.Undecided),
		at(9, 1, 20, trial.RoleLoad, trial.Fail),
		at(10, 1, 10, trial.RoleLoad, trial.Fail),
	}}
	for _, c := range []struct {
		limit time.Duration
		want  []int
	}{
		{100 * time.Millisecond, []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
		{200 * time.Millisecond, []int{3}},
		{50 * time.Millisecond, []int{2, 10}},
	} {
		now := carryPlan(capacity, limit(c.limit))
		var got []int
		for _, x := range search.Carry(old, was, now, pointsOf(now)).History.Trials {
			got = append(got, x.N)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%v: trials %v, want %v", c.limit, got, c.want)
		}
	}
}

// TestCarryProbes: the service times depend neither on the SLA nor on the load.
func TestCarryProbes(t *testing.T) {
	was := carryPlan()
	probe := func(workers, batch int) trial.Probe {
		p := trial.Probe{Settings: knob.Default(knob.TorchServe), BatchSize: batch}
		p.Settings.Workers, p.Settings.BatchSize = workers, batch
		return p
	}
	old := trial.History{Probes: []trial.Probe{probe(1, 1), probe(1, 16), probe(2, 8)}}
	for _, c := range []struct {
		name string
		now  plan.Plan
		want int
	}{
		{"the same", was, 2}, // the plan has only one worker
		{"another promise and load", carryPlan(limit(time.Second), func(p *plan.Plan) { p.Loads[0].Concurrency = 3 }), 2},
		{"another rule", carryPlan(func(p *plan.Plan) { p.Options.Rule = knob.Eager }), 2},
		{"two workers too", carryPlan(knobs(knob.Workers, "1,2")), 3},
		{"another session", carryPlan(func(p *plan.Plan) { p.Options.Session = "own" }), 0},
		{"other requests", carryPlan(func(p *plan.Plan) { p.Input = "images" }), 0},
	} {
		got := search.Carry(old, was, c.now, pointsOf(c.now))
		if len(got.History.Probes) != c.want {
			t.Errorf("%s: %d probes, want %d", c.name, len(got.History.Probes), c.want)
		}
		if want := fmt.Sprintf("service times kept: %d of 3", c.want); !strings.Contains(got.String(), want) {
			t.Errorf("%s: says %q, want %q", c.name, got, want)
		}
	}
}
