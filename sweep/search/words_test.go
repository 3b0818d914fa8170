package search_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/search"
	"sweetspot/sweep/trial"
)

// The error of one prediction is no median, and a measurement of 0 has no relative error.
func TestAccuracyOfOnePrediction(t *testing.T) {
	at := func(workers int, predicted, measured float64) trial.Trial {
		return trial.Trial{
			Role: trial.RoleLoad, Settings: knob.Settings{Workers: workers},
			Predicted: &trial.Predicted{ThroughputRPS: trial.NumOf(predicted)},
			Result:    trial.Result{Throughput: trial.Estimate{Value: trial.NumOf(measured)}},
		}
	}
	got := search.AccuracyOf([]trial.Trial{at(1, 1, 9), at(2, 104, 100), at(3, 100, 0)}).String()
	if want := "against measured, 1 setting: throughput off by 4.0%"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A budget for one pass and a half fits, one for less does not.
func TestBudgetOfOnePass(t *testing.T) {
	c := search.Cost{Percentile: 99, Answers: 600, Rate: 10}
	for budget, want := range map[time.Duration]bool{150 * time.Second: true, 90 * time.Second: false} { // .6 of it is for load tests of 60 s
		if c.Budget = budget; c.Fits() != want {
			t.Errorf("a budget of %v fits: %v, with %.2f passes", budget, c.Fits(), c.Passes())
		}
	}
}

// A validation with enough answers that did not decide says whether more of them may help.
func TestUndecidedValidation(t *testing.T) {
	c := search.Cost{Percentile: 99, Answers: 600, Rate: 10}
	for value, want := range map[float64]string{
		90: "its P99 is close to the limit of 100 ms; --sla 110ms would hold",
		75: "a longer measurement would decide it",
	} {
		x := trial.Trial{Role: trial.RoleValidation}
		x.Counts.OK = 1000
		x.Verdict = trial.Verdict{Result: trial.Undecided, Percentile: 99, LimitMS: 100, ValueMS: trial.NumOf(value), HighMS: trial.NumOf(110)}
		if got := c.HowToDecide(x); !strings.Contains(got, want) {
			t.Errorf("at %g ms: %q, want %q", value, got, want)
		}
	}
}

// A probe names its one worker in the singular.
func TestProbeOfOneWorker(t *testing.T) {
	p := plan.Default()
	p.Knobs = map[knob.Name]string{knob.Workers: "1,2", knob.BatchSize: "1,8"}
	p, err := search.Complete(p)
	if err != nil {
		t.Fatal(err)
	}
	points, _ := p.Points(knob.Limits{Cores: 2, BatchAxis: true}, knob.Default(knob.TorchServe), nil)
	s, err := search.New(p, points, trial.AllMetrics())
	if err != nil {
		t.Fatal(err)
	}
	var found trial.History
	for x, more := s.Next(found); more && x.Role == trial.RoleProbe; x, more = s.Next(found) {
		want := fmt.Sprintf(" with %d worker", x.Settings.Workers)
		if x.Settings.Workers > 1 {
			want += "s"
		}
		if !strings.HasSuffix(x.Reason, want) {
			t.Errorf("reason %q, want it to end with %q", x.Reason, want)
		}
		found.Probes = append(found.Probes, trial.Probe{
			N: len(found.Probes) + 1, Settings: x.Settings, BatchSize: x.Settings.BatchSize, Runs: 16,
			ServiceTime: trial.ServiceTime{Median: trial.NumOf(10), Fastest: trial.NumOf(9)},
		})
	}
	if len(found.Probes) == 0 {
		t.Error("there are no probes")
	}
}

// A trace is measured to its end: neither a longer measurement nor a larger budget has more answers.
func TestUndecidedTrace(t *testing.T) {
	p := plan.Default()
	p.Loads = []load.Spec{{Mode: load.Trace, File: "a.csv"}}
	c := search.CostOf(p, trial.History{})
	for _, tc := range []struct {
		ok    int
		value float64
		want  string
	}{
		{10, 20, "and the trace gave 10: a longer trace would decide it. Alternatives: a lower percentile"},
		{100000, 90, "and a longer trace may decide it"},
		{100000, 75, "a longer trace would decide it"},
	} {
		x := trial.Trial{Role: trial.RoleValidation, Load: p.Loads[0]}
		x.Counts.OK = tc.ok
		x.Verdict = trial.Verdict{Result: trial.Undecided, Percentile: 99, LimitMS: 100, ValueMS: trial.NumOf(tc.value), HighMS: trial.NumOf(110)}
		got := c.HowToDecide(x)
		if !strings.Contains(got, tc.want) || strings.Contains(got, "measurement") || strings.Contains(got, "--budget") || strings.Contains(got, "--requests") {
			t.Errorf("%d answers at %g ms: %q, want %q", tc.ok, tc.value, got, tc.want)
		}
		if got := c.MissingAnswers([]trial.Trial{x}); tc.ok == 10 && (!strings.Contains(got, "a longer trace") || strings.Contains(got, "--budget")) {
			t.Errorf("missing answers: %q", got)
		}
	}
	if got := c.TooShort(); got != "" {
		t.Errorf("too short: %q: no budget changes it", got)
	}
}

// Only the most frequent reasons are listed.
func TestManyReasons(t *testing.T) {
	var skipped []trial.Skip
	for i := range 9 {
		for range i + 1 {
			skipped = append(skipped, trial.Skip{Reason: fmt.Sprint("reason ", i)})
		}
	}
	trials := []trial.Trial{served(1, 400, 30, time.Millisecond)}
	got := search.Explainer{}.Explain(trials, 0, skipped).Text
	listed := strings.Count(got, " x reason ")
	if listed == 0 || listed == 9 || !strings.Contains(got, "9 x reason 8; 8 x reason 7") || !strings.Contains(got, fmt.Sprintf("; and %d more reasons", 9-listed)) {
		t.Error(got)
	}
}

// Where fewer points differ in more knobs than a search without predictions would spread its tests over, each of them is tested once.
func TestFewPointsOfManyKnobs(t *testing.T) {
	p, points, w := remoteServer(t, plan.Throughput, "1,8", "1,32")
	p.Budget.LoadTests = 10
	first, last := points[0], points[len(points)-1]
	tests := map[knob.Settings]int{}
	for _, x := range runAll(t, p, []plan.Point{first, last}, w).Trials {
		if x.Role == trial.RoleLoad {
			tests[x.Settings]++
		}
	}
	if len(tests) != 2 || tests[first.Settings] != 1 || tests[last.Settings] != 1 {
		t.Errorf("tests of the settings: %v", tests)
	}
}
