//go:build !race

package search_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sweetspot/engine/knob"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/search"
	"sweetspot/sweep/trial"
)

// Auto finds a point near the best of 288 settings (of 96 in short tests), with at most 40 probes
// and 8 load tests. In searches for the highest rate a load test has at most 5 trials on average.
func TestAutoRegret(t *testing.T) {
	t.Parallel()
	for _, q := range []plan.Question{plan.Throughput, plan.Capacity} {
		t.Run(q.String(), func(t *testing.T) {
			var all []float64
			seeds := []uint64{2, 3, 4, 5, 6, 7, 8}
			if testing.Short() {
				seeds = []uint64{8}
			}
			for _, seed := range seeds {
				p := newProblem(seed, q, seed == 8)
				if testing.Short() {
					p.plan.Knobs[knob.BatchDelay] = "2,8"
				}
				r := p.solve(t, "auto")
				t.Logf("%d: %d probes, %d tests, %d trials, regret %.3f", seed, r.probes, r.tests, r.trials, r.regret)
				if r.probes > 40 || r.tests > 8 || r.trials > 5*r.tests {
					t.Errorf("problem %d took %d probes, %d tests, %d trials", seed, r.probes, r.tests, r.trials)
				}
				all = append(all, r.regret)
			}
			slices.Sort(all)
			if median := all[len(all)/2]; median > .01 && !testing.Short() { // short tests have only one problem, and no median
				t.Errorf("median regret %.3f, want at most .01: %.3f", median, all)
			}
			if worst := all[len(all)-1]; worst > .08 {
				t.Errorf("worst regret %.3f, want at most .08: %.3f", worst, all)
			}
		})
	}
}

// ignoreTime ignores what differs between two runs of the same sweep.
var ignoreTime = cmp.Options{
	cmpopts.IgnoreFields(trial.Choice{}, "At"), cmpopts.IgnoreFields(trial.Trial{}, "At"), cmpopts.IgnoreFields(trial.Probe{}, "At", "Seconds"),
	cmp.AllowUnexported(trial.Num{}),
}

// A sweep that is interrupted after any of its records and resumed ends with the same records and
// the same choice.
func TestResumeIsIdentical(t *testing.T) {
	t.Parallel()
	for _, strategy := range search.Available() {
		for _, q := range []plan.Question{plan.Throughput, plan.Capacity} {
			t.Run(strategy+" "+q.String(), func(t *testing.T) {
				p := newProblem(3, q, true)
				p.plan.Knobs = map[knob.Name]string{knob.Workers: "1-2", knob.BatchSize: "1-16*4", knob.BatchDelay: "1", knob.QueueSize: "1000"}
				p.plan.Trial.MaxRequests = 3000 // to save time
				kills := 6
				if testing.Short() {
					p.plan.Knobs[knob.BatchSize], kills, p.plan.Trial.MaxRequests = "1,8", 1, 1500
				}
				want, whole := p.run(t, strategy, trial.History{}, 0)
				if want.Choice == nil {
					t.Fatal("no choice")
				}
				records := len(whole.Trials) + len(whole.Probes)
				for k := 1; k < records; k += 1 + records/kills {
					_, part := p.run(t, strategy, trial.History{}, k)
					got, rest := p.run(t, strategy, part, 0)
					if diff := cmp.Diff(want.Choice, got.Choice, ignoreTime); diff != "" {
						t.Fatalf("killed after %d of %d records: choice (-whole +resumed):\n%s", k, records, diff)
					}
					if diff := cmp.Diff(whole, rest, ignoreTime); diff != "" {
						t.Fatalf("killed after %d of %d records (-whole +resumed):\n%s", k, records, diff)
					}
				}
			})
		}
	}
}

func TestStrategiesFindTheBest(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"auto", "climb", "grid"} {
		for _, q := range []plan.Question{plan.Throughput, plan.Capacity} {
			p, points, w := defaultProblem()
			p.Strategy, p.Question = strategy, q
			if q == plan.Capacity {
				points, _ = p.Points(knob.Limits{Cores: 4, BatchAxis: true}, knob.Default(knob.TorchServe), nil)
				w.rate = func(s knob.Settings) float64 { return float64(100 * s.Workers * s.BatchSize) }
			}
			h := runAll(t, p, points, w)
			best, most := bestOf(t, p, h), 0.0
			for _, x := range points {
				most = max(most, w.rate(x.Settings))
			}
			got := best.Throughput.Value.Or(0)
			if strategy == "climb" && q == plan.Throughput {
				most = 1600 // a local optimum: neither more workers alone nor smaller batches alone improve it
			}
			within := .97
			if strategy == "grid" && q == plan.Capacity {
				within = .9 // five rates, starting from a prediction with a large error
			}
			if got < within*most {
				t.Errorf("%s, %v: %v does %.0f/s, the best %.0f/s", strategy, q, best.Settings, got, most)
			}
			t.Logf("%s, %v: %d probes, %d trials", strategy, q, len(h.Probes), len(h.Trials))
		}
	}
}
