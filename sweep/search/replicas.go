package search

import (
	"fmt"

	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/trial"
)

// nearEnough is how far the rate of a replica may be above the highest one that passed, as a
// factor, so that one replica fewer is still tested.
const nearEnough = 1.15

// replicas is a strategy for question replicas. The search for the highest rate of one replica tells
// about how many are needed. Then the best settings are measured at exactly the rate that
// each of so many replicas gets, and at that of one replica fewer.
type replicas struct {
	Strategy
	plan plan.Plan
}

// Next returns the points of the search for the highest rate, and after its end the rates of
// replicas.
func (r *replicas) Next(found trial.History) (plan.Point, bool) {
	if p, more := r.Strategy.Next(found); more {
		return p, true
	}
	k := rank.New(rank.RulesOf(r.plan), found.Trials)
	candidates := k.Candidates()
	if len(candidates) == 0 {
		return plan.Point{}, false
	}
	best := fastest(candidates)
	rules := k.Rules
	n := rules.ReplicasFor(best.Load.Rate)
	allowed := func(rate float64) bool { return r.plan.MaxRate <= 0 || rate <= r.plan.MaxRate }
	if fewer := rules.Rate / float64(n-1); n > 1 && fewer <= nearEnough*best.Load.Rate && allowed(fewer) {
		if p, ok := replicaPoint(best, n-1, rules, found.Trials); ok {
			return p, true
		}
	}
	return replicaPoint(best, n, rules, found.Trials)
}

// fastest returns the row with the highest rate, joined.
func fastest(rows []rank.Row) trial.Trial {
	best := rows[0].Joined
	for _, r := range rows {
		if r.Joined.Load.Rate > best.Load.Rate {
			best = r.Joined
		}
	}
	return best
}

// replicaPoint returns the settings of t at the rate that each of n replicas gets; false if they
// were measured at it.
func replicaPoint(t trial.Trial, n int, rules rank.Rules, trials []trial.Trial) (plan.Point, bool) {
	l := load.Spec{Mode: load.Open, Rate: rules.RateOf(n), Arrivals: t.Load.Arrivals}
	for _, o := range trials {
		if o.Settings == t.Settings && o.Load == l {
			return plan.Point{}, false
		}
	}
	return plan.Point{
		Settings: t.Settings, Load: l, Role: trial.RoleLoad,
		Reason: fmt.Sprintf("the rate of each of %s", count(n, "replica")),
	}, true
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Outline also says what is measured for replicas.
func (r *replicas) Outline() []string {
	return append(r.Strategy.Outline(), fmt.Sprintf("then the rates of each replica of %g/s, for as many as are needed and for one fewer", rank.RulesOf(r.plan).Rate))
}

// Predictions are those of the search.
func (r *replicas) Predictions(found trial.History) []Prediction {
	if p, ok := r.Strategy.(Predictor); ok {
		return p.Predictions(found)
	}
	return nil
}

// replicasText sets the numbers of replicas in the explanation of the best trial t, and describes
// them. The load of t is what each of the needed replicas gets.
func (x Explainer) replicasText(t trial.Trial, trials []trial.Trial, why *trial.Explanation) string {
	if x.Rules.Question != plan.Replicas || !x.Rules.Meets(t) {
		return ""
	}
	highest := t.Load.Rate
	for _, o := range trials {
		if o.Settings == t.Settings && o.Verdict.Result == trial.Pass {
			highest = max(highest, o.Load.Rate)
		}
	}
	r := trial.Replicas{
		RPS: x.Rules.Rate, Needed: x.Rules.ReplicasFor(t.Load.Rate), EachRPS: trial.NumOf(highest),
		PlanRPS: trial.NumOf(headroom * highest),
	}
	r.Recommended = x.Rules.ReplicasFor(headroom*highest) + 1
	why.Replicas = &r
	cost := ""
	if x.Price > 0 {
		r.Price(x.Price)
		cost = fmt.Sprintf("; they cost %s an hour, %s for 1000 requests at this rate", r.CostPerHour.Text(2), r.CostPerThousand.Text(4))
	}
	return fmt.Sprintf("%s carry %g requests/s: each was measured at its share, %.4g/s. Recommended with %.0f%% headroom and one more that may be lost: %d%s. "+
		"Predicted: that requests are spread evenly, without the latency of what spreads them",
		count(r.Needed, "replica"), r.RPS, t.Load.Rate, 100*(1-headroom), r.Recommended, cost)
}
