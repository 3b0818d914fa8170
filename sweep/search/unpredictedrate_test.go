package search_test

import (
	"context"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/engine/servicetime"
	"sweetspot/sweep"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/search"
	"sweetspot/sweep/target/virtual"
	"sweetspot/sweep/trial"
)

// answersOnly is a device that reports nothing but its answers.
type answersOnly struct{ *virtual.Target }

func (d answersOnly) Measure(ctx context.Context, m sweep.Measurement) (trial.Result, error) {
	r, err := d.Target.Measure(ctx, m)
	r.Model, r.Breakdown, r.Batches = trial.ModelLatencies{}, trial.Breakdown{}, trial.Batches{}
	return r, err
}

// searchRates runs a whole sweep for the highest rate of four settings of a device with this time of one item, with
// answers alone to go by. A trial takes at most its share of the budget, in virtual time.
func searchRates(t *testing.T, strategy string, item, limit, budget time.Duration) (sweep.Outcome, trial.History) {
	t.Helper()
	var rows []servicetime.Row
	for w := 1; w <= 2; w++ {
		for _, b := range []int{1, 4} {
			rows = append(rows, servicetime.Row{
				Key:   servicetime.Key{Workers: w, Device: "cpu", Precision: "fp32"},
				Batch: b, Median: item + time.Duration(b)*item/10, Spread: .05,
			})
		}
	}
	table, err := servicetime.New(rows)
	if err != nil {
		t.Fatal(err)
	}
	d, err := virtual.Open(virtual.Config{
		Name: "p", Source: "sim:p", Table: table,
		Start: knob.Config{Settings: knob.Default(knob.TorchServe), Options: knob.Options{Rule: knob.TorchServe}},
	})
	if err != nil {
		t.Fatal(err)
	}
	p := plan.Default()
	p.Question, p.Target, p.Strategy, p.Seed = plan.Capacity, "virtual", strategy, 1
	p.SLA.Limit, p.Budget.Time = limit, budget
	p.Knobs = map[knob.Name]string{knob.Workers: "1,2", knob.BatchSize: "1,4", knob.BatchDelay: "1"}
	if p, err = search.Complete(p); err != nil {
		t.Fatal(err)
	}
	points, _ := p.Points(info(t, d).Limits, info(t, d).Current, info(t, d).Fixed)
	s, err := search.New(p, points, trial.MetricSet{})
	if err != nil {
		t.Fatal(err)
	}
	b := &memoryRecorder{}
	rules := rank.RulesOf(p)
	r := sweep.Runner{
		Target: answersOnly{d}, Strategy: s, Recorder: b, SLA: p.SLA, Seed: 1, FirstNumber: 1, Time: budget,
		MaxRequests: p.Trial.MaxRequests, Rules: rules,
		Explain: func(all []trial.Trial, best int) trial.Explanation {
			return search.Explainer{Rules: rules}.Explain(all, best, nil)
		},
	}
	out, err := r.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return out, trial.History{Trials: b.trials, Probes: b.probes}
}

// TestRateSearchWithoutPredictions: where nothing but answers is reported, the search for the highest rate starts from
// a probed throughput. Trials that are too short for a verdict lead to higher rates and not to ever lower ones, no rate
// is below the floor, and what cannot be decided stays undecided.
func TestRateSearchWithoutPredictions(t *testing.T) {
	for _, c := range []struct {
		name          string
		item, limit   time.Duration
		budget        time.Duration
		least, most   float64 // recommended rate; 0 is none
		failed        bool    // no setting can keep the promise: all first verdicts are failures
		mostPerSearch int
	}{
		{"fast", time.Millisecond, 20 * time.Millisecond, 10 * time.Minute, 2500, 5700, false, 10},
		{"short trials", 20 * time.Millisecond, 400 * time.Millisecond, 2 * time.Minute, 0, 290, false, 10},
		{"too slow for a verdict", 2 * time.Second, time.Minute, time.Minute, 0, 3, false, 6},
		{"promise below the time of one item", 10 * time.Millisecond, 5 * time.Millisecond, 5 * time.Minute, 0, 0, true, 5},
	} {
		for _, strategy := range search.Available() {
			if testing.Short() && (strategy != "auto" || c.name == "fast") {
				continue
			}
			t.Run(c.name+" "+strategy, func(t *testing.T) {
				out, h := searchRates(t, strategy, c.item, c.limit, c.budget)
				throughput := map[knob.Settings]float64{}
				for _, p := range h.Probes {
					throughput[p.Settings] = p.Throughput.Or(0)
				}
				counts := map[knob.Settings]int{}
				for _, x := range h.Trials {
					if x.Role != trial.RoleLoad {
						continue
					}
					counts[x.Settings]++
					probed := throughput[x.Settings]
					if counts[x.Settings] == 1 && probed > 0 && len(h.Probes) == 1 && (x.Load.Rate < .4*probed || x.Load.Rate > probed) {
						t.Errorf("trial %d starts at %g/s, the probe has %g/s", x.N, x.Load.Rate, probed)
					}
					if x.Load.Rate < .019*probed || x.Load.Rate < .01 {
						t.Errorf("trial %d at %g/s, the probe has %g/s", x.N, x.Load.Rate, probed)
					}
					if counts[x.Settings] > c.mostPerSearch {
						t.Errorf("%v has more than %d trials", x.Settings, c.mostPerSearch)
					}
					if c.failed && counts[x.Settings] == 1 && x.Verdict.Likely() != trial.Fail {
						t.Errorf("trial %d at %g/s: %s, %s", x.N, x.Load.Rate, x.Verdict.Label(), x.Verdict.Why)
					}
				}
				rate := 0.
				if out.Choice != nil {
					rate = out.Trials[out.Best].Load.Rate
				}
				if rate < c.least || rate > c.most {
					t.Errorf("recommended %g/s, want %g-%g", rate, c.least, c.most)
				}
				if len(h.Probes) == 0 || len(h.Probes) > 4 || h.Probes[0].Throughput.Or(0) <= 0 {
					t.Errorf("probes %+v", h.Probes)
				}
				if t.Failed() {
					for _, x := range h.Trials {
						t.Logf("%d %s %v %g/s, %d answers: %s %s; %s", x.N, x.Role, x.Settings, x.Load.Rate, x.Counts.OK, x.Verdict.Label(), x.Verdict.Why, x.Reason)
					}
				}
			})
		}
	}
}
