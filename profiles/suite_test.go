package profiles_test

import (
	"strings"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// suiteCSV has the columns of TorchServe 0.12 in another order, without some of them.
const suiteCSV = "\ufeffWorkers,Batch size,Batch delay,Benchmark,TS throughput,TS failed requests,TS latency P50,TS latency P99,TS latency mean,Model,Concurrency,Requests," +
	"Model_p99,Queue time p99,predict_mean,waiting_time_mean,cpu_percentage_mean,gpu_percentage_mean\n" +
	"4,8,100,AB,151.2,66,600,712,661.4,[.mar](https://example.test/bert.mar),100,10000,49.5,300.5,38.1,250.2,33.3,0.0\n" +
	"4,16,50,AB,163,0,590,800,613,[.mar](https://example.test/bert.mar),100,10000,60,310,70,260,nan,55.5\n" +
	"1,1,100,Locust,20,0,3,4,5,[.mar](vgg16.mar),10,1000,,,,,,\n"

func TestReadSuite(t *testing.T) {
	all, err := profiles.ReadSuite("ab_report.csv", strings.NewReader(suiteCSV))
	if err != nil || len(all) != 2 {
		t.Fatalf("%d models, %v", len(all), err)
	}
	bert, vgg := all[0], all[1]
	if bert.Model != "bert" || bert.Source != "https://example.test/bert.mar" || len(bert.Trials) != 2 || vgg.Model != "vgg16" {
		t.Fatalf("%+v", all)
	}
	first, second := bert.Trials[0], bert.Trials[1]
	if want := (knob.Settings{Workers: 4, BatchSize: 8, BatchDelay: 100 * time.Millisecond}); first.Settings != want {
		t.Errorf("settings %+v, want %+v: the other knobs are not reported", first.Settings, want)
	}
	if second.Settings.Has(knob.BatchDelay) || second.N != 2 {
		t.Errorf("a delay of 50 ms, which the suite never applies: %+v", second)
	}
	for name, f := range map[string]struct {
		got  trial.Num
		want float64 // below 0: not measured
	}{
		"throughput": {first.Throughput.Value, 151.2}, "P99": {first.Latency.P99.Value, 712}, "mean": {first.Latency.Mean, 661.4},
		"model P99": {first.Model.P99, -1}, "queue P99": {first.QueueTimes.P99, 300.5}, "execution": {first.Breakdown.Execution, 38.1},
		"CPU": {first.Use.CPUPercent, -1}, "GPU 0.0": {first.Use.GPU.PercentMean, -1}, "GPU": {second.Use.GPU.PercentMean, 55.5},
		"errors": {first.Counts.ErrorRate(), -1}, "P99 of locust": {vgg.Trials[0].Latency.P99.Value, -1}, "mean of locust": {vgg.Trials[0].Latency.Mean, 5},
	} {
		if v, ok := f.got.Get(); ok != (f.want >= 0) || ok && v != f.want {
			t.Errorf("%s is %v (measured: %v), want %v", name, v, ok, f.want)
		}
	}
	if first.Load != (load.Spec{Concurrency: 100}) || first.Verdict.Result != trial.Undecided {
		t.Errorf("load %v, verdict %v", first.Load, first.Verdict)
	}
	var warnings strings.Builder
	for _, w := range second.Warnings {
		warnings.WriteString(w.Text + "\n")
	}
	text := warnings.String()
	for _, want := range []string{"Batch delay 50 is not used", "Model_p99 60 is not used", "TS failed requests 0 is not used"} {
		if !strings.Contains(text, want) {
			t.Errorf("no warning %q in\n%s", want, text)
		}
	}
}

func TestReadSuiteErrors(t *testing.T) {
	const head = "TS throughput,Batch size,Workers,Model\n"
	for _, c := range []struct{ name, in, want string }{
		{"empty", "", "a.csv: no line with the names"},
		{"another table", "a,b\n1,2\n", "a.csv: line 1: no column TS throughput, Batch size, Workers, Model"},
		{"no line", head, "no line after"},
		{"a text", head + "fast,1,1,m\n", `a.csv: line 2: TS throughput: "fast" is not a number`},
		{"workers", head + "1,1,0,m\n", "Workers: 0 is not a whole number of 1-256"},
		{"ours", "Benchmark,profile," + head + "sweetspot,20261122T0915,1,1,1,m\n", "the profile 20261122T0915 has all of it"},
		{"quotes", head + "\"1,1,1,m\n", "a.csv: "},
	} {
		if _, err := profiles.ReadSuite("a.csv", strings.NewReader(c.in)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}

// TestCompareSuite compares old results with a sweep: by the knobs that both have, with an answer
// of "cannot tell", because the suite has no intervals.
func TestCompareSuite(t *testing.T) {
	all, err := profiles.ReadSuite("ab_report.csv", strings.NewReader(suiteCSV))
	if err != nil {
		t.Fatal(err)
	}
	before := &profiles.Profile{Header: profiles.Header{ID: "old", Kind: profiles.FromSuite, Model: profiles.Model{Name: "bert"}}, Trials: all[0].Trials}
	after := &profiles.Profile{Header: profiles.Header{ID: "new", Kind: profiles.Sweep, Model: profiles.Model{Name: "bert"}}}
	for i, workers := range []int{4, 2} {
		n := trial.Trial{N: i + 1, Role: trial.RoleLoad, Settings: knob.Default(knob.TorchServe), Load: load.Spec{Concurrency: 100}}
		n.Settings.Workers, n.Settings.BatchSize = workers, 8
		n.Counts = trial.Counts{Sent: 1000, OK: 1000}
		n.Throughput = trial.Estimate{Value: trial.NumOf(302.4), Low: trial.NumOf(300), High: trial.NumOf(305)}
		after.Trials = append(after.Trials, n)
	}
	c, err := profiles.Compare(before, after, profiles.CompareOptions{Tolerance: .05, Force: true})
	if err != nil || len(c.Pairs) != 1 {
		t.Fatalf("%d pairs, %v", len(c.Pairs), err)
	}
	if c.Outcome != profiles.CannotTell {
		t.Errorf("outcome %v, want cannot tell", c.Outcome)
	}
	if f := c.Pairs[0].Figures[0]; f.Ratio.Value.Or(0) != 2 {
		t.Errorf("throughput ratio %v, want 2", f.Ratio.Value)
	}
	if _, err := profiles.Compare(before, after, profiles.CompareOptions{}); err == nil {
		t.Error("old and new are compared without force")
	}
}

// FuzzReadSuite: any file gives trials or an error with its name.
func FuzzReadSuite(f *testing.F) {
	f.Add(suiteCSV)
	f.Add("TS throughput,Batch size,Workers,Model\n1e400,1,1,[.mar](x)\n")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := profiles.ReadSuite("a.csv", strings.NewReader(text))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "a.csv: ") {
				t.Errorf("an error without the name of the file: %v", err)
			}
			return
		}
		for _, m := range all {
			if m.Model == "" || len(m.Trials) == 0 {
				t.Errorf("%+v", m)
			}
		}
	})
}
