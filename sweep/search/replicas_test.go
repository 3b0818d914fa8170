package search_test

import (
	"flag"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/engine/servicetime"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/predict"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/trial"
)

var replicaProblems = flag.Int("replica-problems", 8, "number of problems of TestReplicas")

// newReplicaProblem returns a device with a rate that needs 1 to 8 replicas of good settings.
func newReplicaProblem(seed uint64) problem {
	p := newProblem(seed, plan.Replicas, seed%2 == 1)
	p.plan.Knobs = map[knob.Name]string{
		knob.Workers: "1,2,4", knob.BatchSize: "1-32*2", knob.BatchDelay: "1,4,12", knob.FP16: "fp32,fp16", knob.QueueSize: "1000",
	}
	s := knob.Default(knob.TorchServe)
	s.Workers, s.BatchSize, s.BatchDelay, s.QueueSize = 2, 8, 4e6, 1000
	sim := predict.New(predict.Config{Settings: s, Service: servicetime.Line(1, 1), Clients: 1})
	one := max(p.truth(sim, s), 5)
	r := rand.New(rand.NewPCG(seed, 11))
	p.plan.Loads = []load.Spec{{Mode: load.Open, Rate: plan.RoundRate(one * (.8 + 20*r.Float64()))}}
	return p
}

// The lengths of runs that show the truth. Near the highest rate the percentile of a short one is
// mostly chance: it depends on a few bursts of arrivals.
const (
	shortTruth = 80_000
	longTruth  = 400_000
)

// carries reports whether one replica with these settings keeps the promise at a rate, in a run with
// arrivals that the search has not seen.
func (p problem) carries(t testing.TB, at knob.Settings, rate float64, requests int, seed uint64) bool {
	t.Helper()
	curve, err := p.table.Curve(servicetime.Key{Workers: at.Workers, Device: "cpu", Precision: at.Precision.String()})
	if err != nil {
		t.Fatal(err)
	}
	c := predict.Config{Settings: at, Service: curve, Wake: p.wake, Seed: seed}
	if !predict.KeepsUp(c, rate) {
		return false
	}
	c.Plan = load.Plan(load.Spec{Mode: load.Open, Rate: rate}, seed, 100*time.Hour, requests)
	s := predict.New(c)
	s.Run()
	return predict.Promise{Q: .99, Limit: p.plan.SLA.Limit}.Kept(s)
}

// TestReplicas compares the number of replicas with the truth: so many carry the rate, and one fewer
// does not, with any of the settings that the search measured.
func TestReplicas(t *testing.T) {
	if testing.Short() {
		t.Skip("seconds for each problem: make test-long runs it")
	}
	answered, carried, minimal := 0, 0, 0
	for seed := range uint64(*replicaProblems) {
		p := newReplicaProblem(seed + 1)
		out, h := p.run(t, "auto", trial.History{}, 0)
		if out.Choice == nil {
			t.Logf("problem %d: no answer: %s", seed+1, out.Ended)
			continue
		}
		r := out.Choice.Why.Replicas
		if r == nil {
			t.Fatalf("problem %d: a choice without replicas", seed+1)
		}
		answered++
		rules := rank.RulesOf(p.plan)
		enough := p.carries(t, out.Choice.Settings, rules.RateOf(r.Needed), longTruth, 4242)
		fewer := r.Needed > 1 && p.anyCarries(t, h.Trials, rules.RateOf(max(r.Needed-1, 1)))
		if enough {
			carried++
		}
		if !fewer {
			minimal++
		}
		t.Logf("problem %d: %g/s: needed %d (carries: %v, one fewer: %v), recommended %d, each up to %.4g/s, %d trials",
			seed+1, r.RPS, r.Needed, enough, fewer, r.Recommended, r.EachRPS.Or(0), len(h.Trials))
		if r.Recommended <= r.Needed {
			t.Errorf("problem %d: %d recommended, %d needed: no spare", seed+1, r.Recommended, r.Needed)
		}
	}
	t.Logf("%d answered, %d carry the rate, %d are minimal", answered, carried, minimal)
	if carried < answered {
		t.Errorf("%d of %d numbers carry the rate, want all", carried, answered)
	}
	if most := max(2, *replicaProblems/10); answered-minimal > most || *replicaProblems-answered > most {
		t.Errorf("%d of %d numbers are minimal, of %d problems; %d may be missing", minimal, answered, *replicaProblems, most)
	}
}

// anyCarries reports whether one of the settings of the trials keeps the promise at a rate.
func (p problem) anyCarries(t testing.TB, trials []trial.Trial, rate float64) bool {
	t.Helper()
	seen := map[knob.Settings]bool{}
	for _, x := range trials {
		if !seen[x.Settings] && p.carries(t, x.Settings, rate, shortTruth, 4242) && p.carries(t, x.Settings, rate, longTruth, 99) {
			return true
		}
		seen[x.Settings] = true
	}
	return false
}

func TestReplicaRules(t *testing.T) {
	r := rank.Rules{Question: plan.Replicas, Rate: 100}
	for n := 1; n < 300; n++ {
		if got := r.ReplicasFor(r.RateOf(n)); got != n {
			t.Errorf("%d replicas of %g/s are %d", n, r.RateOf(n), got)
		}
	}
	for rate, want := range map[float64]int{0: 0, 200: 1, 100: 1, 99: 2, 33: 4, 34: 3} {
		if got := r.ReplicasFor(rate); got != want {
			t.Errorf("ReplicasFor(%g) = %d, want %d", rate, got, want)
		}
	}
	costs := trial.Replicas{RPS: 100, Recommended: 4}
	costs.Price(.9)
	if costs.CostPerHour.Or(0) != 3.6 || costs.CostPerThousand.Or(0) != .01 {
		t.Errorf("costs %+v, want 3.6 an hour and .01 for 1000", costs)
	}
}

// TestReplicasNeedARate: the plan must say how many requests all replicas get.
func TestReplicasNeedARate(t *testing.T) {
	p := plan.Default()
	p.Question = plan.Replicas
	if err := p.Validate(); err == nil || !strings.Contains(err.Error(), "needs the rate of all replicas") {
		t.Errorf("a closed load: %v", err)
	}
	p.Loads = []load.Spec{{Mode: load.Open, Rate: 100}}
	if err := p.Validate(); err != nil {
		t.Error(err)
	}
	p.Question, p.Cost = plan.Throughput, 2
	if err := p.Validate(); err == nil || !strings.Contains(err.Error(), "cost: it is for question replicas") {
		t.Errorf("a cost for another question: %v", err)
	}
}
