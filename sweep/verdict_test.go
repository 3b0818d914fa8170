package sweep_test

import (
	"context"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/engine/latency"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// requests returns a run of n requests that are sent every 10 ms; sample returns the others of their
// fields.
func requests(n int, sample func(i int) load.Sample) load.Result {
	r := load.Result{Seconds: float64(n) / 100, Lag: latency.New()}
	for i := range n {
		s := sample(i)
		s.Planned = time.Duration(i) * 10 * ms
		r.Samples = append(r.Samples, s)
	}
	return r
}

// TestTimeoutsFail checks that a timeout is an error and counts with its time for both kinds of
// latency, also if the limit is higher than the timeout.
func TestTimeoutsFail(t *testing.T) {
	lost := load.Sample{Outcome: load.Timeout, Latency: 30 * time.Second}
	good := load.Sample{Latency: 20 * ms, Model: 10 * ms, Batch: 1, Status: 200}
	for _, c := range []struct {
		name    string
		which   trial.LatencyKind
		limit   time.Duration
		allowed float64
		nth     int // one of so many requests times out
		want    trial.Answer
		why     string
	}{
		{"all, within the limit", trial.RequestLatency, time.Minute, 0, 1, trial.Fail, "100% of the requests failed, timed out or were refused"},
		{"all, model latency", trial.ModelLatency, time.Minute, 0, 1, trial.Fail, "100% of the requests"},
		{"all, errors allowed", trial.RequestLatency, time.Minute, .1, 1, trial.Fail, "100% of the requests"},
		{"half", trial.RequestLatency, time.Minute, 0, 2, trial.Fail, "50% of the requests"},
		{"half, model latency", trial.ModelLatency, time.Minute, 0, 2, trial.Fail, "50% of the requests"},
		{"one in 250", trial.RequestLatency, time.Minute, 0, 250, trial.Fail, "0.41% of the requests"},
		{"one in 250, model latency", trial.ModelLatency, time.Minute, 0, 250, trial.Fail, "0.41% of the requests"},
		{"one in 250, 5% allowed", trial.RequestLatency, time.Minute, .05, 250, trial.Pass, ""},
		{"one in 20 over a short limit, 10% allowed", trial.ModelLatency, time.Second, .1, 20, trial.Fail, "over the limit"},
		{"none", trial.ModelLatency, time.Minute, 0, 1 << 30, trial.Pass, ""},
	} {
		sla := trial.SLA{Percentile: 99, Limit: c.limit, Latency: c.which, MaxErrorRate: c.allowed}
		run := requests(8000, func(i int) load.Sample {
			if (i+1)%c.nth == 0 {
				return lost
			}
			return good
		})
		r := sweep.Summarize(run, load.Spec{Concurrency: 2}, sla, "")
		if r.Verdict.Result != c.want || !strings.Contains(r.Verdict.Why, c.why) {
			t.Errorf("%s: %v, %s; want %v, %s", c.name, r.Verdict.Result, r.Verdict.Why, c.want, c.why)
		}
	}
}

// scripted is a target with given results. The measurements of a case have its results in order; after
// the last one, the last result again.
type scripted struct {
	device
	results map[testCase][]result
	used    map[testCase]int
}

// testCase is a batch size with a closed load.
type testCase struct{ batch, clients int }

// result is the result of a measurement.
type result struct {
	rps            float64
	answer, likely trial.Answer
	narrow         bool // the interval of the percentile reaches over the limit
}

func (d *scripted) Measure(_ context.Context, m sweep.Measurement) (trial.Result, error) {
	c := testCase{d.applied[len(d.applied)-1].BatchSize, m.Load.Concurrency}
	if d.used == nil {
		d.used = map[testCase]int{}
	}
	list := d.results[c]
	x := list[min(d.used[c], len(list)-1)]
	d.used[c]++
	value, high := trial.NumOf(50), trial.NumOf(60)
	if x.answer == trial.Fail {
		value, high = trial.NumOf(130), trial.NumOf(140)
	}
	if x.narrow {
		high = trial.NumOf(101)
	}
	return trial.Result{
		Throughput: trial.Estimate{Value: trial.NumOf(x.rps), Low: trial.NumOf(x.rps - 1), High: trial.NumOf(x.rps + 1)},
		Verdict:    trial.Verdict{Result: x.answer, Leaning: x.likely, ValueMS: value, HighMS: high, LimitMS: 100, Percentile: 99},
	}, nil
}

// runScript runs a sweep of the cases with the given results.
func runScript(t *testing.T, results map[testCase][]result, cases ...testCase) sweep.Outcome {
	t.Helper()
	var points []plan.Point
	for _, c := range cases {
		p := plan.Point{Settings: knob.Default(knob.TorchServe), Load: load.Spec{Concurrency: c.clients}, Role: trial.RoleLoad}
		p.Settings.BatchSize = c.batch
		points = append(points, p)
	}
	r := sweep.Runner{
		Target: &scripted{results: results}, Recorder: &memoryRecorder{}, FirstNumber: 1, Strategy: &fixedPoints{points},
		SLA: trial.SLA{Percentile: 99, Limit: 100 * ms}, Explain: explain,
	}
	out, err := r.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Results of trials and validations.
var (
	pass   = func(rps float64) result { return result{rps, trial.Pass, trial.Pass, false} }
	narrow = func(rps float64) result { return result{rps, trial.Pass, trial.Pass, true} }
	likely = func(rps float64) result { return result{rps, trial.Undecided, trial.Pass, false} }
	open   = func(rps float64) result { return result{rps, trial.Undecided, trial.Undecided, false} }
	fail   = func(rps float64) result { return result{rps, trial.Fail, trial.Fail, false} }
)

// TestChoice checks which setting is chosen for given results of trials and validations.
func TestChoice(t *testing.T) {
	one, two, three := testCase{1, 10}, testCase{2, 10}, testCase{3, 10}
	more := testCase{2, 40}
	type script = map[testCase][]result
	for _, c := range []struct {
		name        string
		results     script
		cases       []testCase
		choice      int // batch size, 0 for none
		unconfirmed int // batch size, 0 for none
		trials      int
	}{
		{"the best is validated", script{one: {likely(100)}, two: {likely(200), pass(190)}}, []testCase{one, two}, 2, 0, 3},
		{"an undecided validation outweighs an earlier pass", script{one: {fail(100)}, two: {pass(200), likely(190)}}, []testCase{one, two}, 0, 2, 3},
		{"so does one without a leaning", script{one: {fail(100)}, two: {pass(200), open(190)}}, []testCase{one, two}, 0, 2, 3},
		{"after an undecided validation the next is validated", script{one: {likely(100), pass(99)}, two: {likely(200), open(190)}}, []testCase{one, two}, 1, 0, 4},
		{"also if its leaning is a pass", script{one: {likely(100), pass(99)}, two: {likely(200), likely(190)}}, []testCase{one, two}, 1, 0, 4},
		{"after a failed validation the next is validated", script{one: {likely(100), pass(99)}, two: {pass(200), fail(190)}}, []testCase{one, two}, 1, 0, 4},
		{"a narrow pass is validated again", script{one: {likely(100)}, two: {likely(200), narrow(190), pass(190)}}, []testCase{one, two}, 2, 0, 4},
		{"only once", script{one: {likely(100)}, two: {likely(200), narrow(190), narrow(190)}}, []testCase{one, two}, 2, 0, 4},
		{"if that fails, the next is validated", script{one: {likely(100), pass(99)}, two: {likely(200), narrow(190), fail(190)}}, []testCase{one, two}, 1, 0, 5},
		{
			"two of them leave a validation for a third setting",
			script{one: {likely(100), pass(99)}, two: {likely(200), narrow(190), fail(190)}, three: {likely(300), narrow(290), fail(290)}},
			[]testCase{one, two, three},
			1, 0, 8,
		},
		{"nothing passes", script{one: {fail(100)}, two: {fail(200)}}, []testCase{one, two}, 0, 0, 2},
		{"a pass of a trial is no choice", script{one: {pass(100), open(99)}, two: {pass(200), open(190)}}, []testCase{one, two}, 0, 2, 4},
		{"the best undecided setting is validated", script{one: {open(100)}, two: {open(200), pass(190)}}, []testCase{one, two}, 2, 0, 3},

		{
			"a setting that fails under another load comes after one that does not",
			script{{1, 10}: {likely(100), pass(100)}, {1, 40}: {likely(110), pass(110)}, two: {pass(200)}, more: {fail(300)}},
			[]testCase{two, more, {1, 10}, {1, 40}},
			1, 0, 6,
		},
		{
			"every load is validated, and a setting fails if it fails under one of them",
			script{{1, 10}: {likely(100), pass(100)}, two: {likely(200), pass(200)}, more: {likely(300), fail(300)}},
			[]testCase{two, more, {1, 10}},
			1, 0, 5,
		},
		{
			"if all fail under some load, the best of them is chosen",
			script{two: {likely(200), pass(200)}, more: {fail(300)}},
			[]testCase{two, more},
			2, 0, 3,
		},
	} {
		out := runScript(t, c.results, c.cases...)
		choice, unconfirmed := 0, 0
		if out.Choice != nil {
			choice = out.Choice.Settings.BatchSize
			if b := out.Trials[out.Best]; b.Role != trial.RoleValidation || b.Verdict.Result != trial.Pass || b.N != out.Choice.N {
				t.Errorf("%s: the choice is trial %d, a %s: %v", c.name, b.N, b.Role, b.Verdict.Result)
			}
		}
		if out.Unconfirmed >= 0 {
			unconfirmed = out.Trials[out.Unconfirmed].Settings.BatchSize
		}
		if choice != c.choice || unconfirmed != c.unconfirmed || len(out.Trials) != c.trials || (out.Best >= 0) != (c.choice > 0) {
			t.Errorf("%s: choice %d, unconfirmed %d, %d trials; want %d, %d, %d", c.name, choice, unconfirmed, len(out.Trials), c.choice, c.unconfirmed, c.trials)
		}
	}
}

// TestOutlier checks that all runs of a setting count together: a setting with one high and one low
// throughput is validated after another with a higher median. And a setting that passed its
// validation is chosen, although one with a higher throughput stays undecided.
func TestOutlier(t *testing.T) {
	one, two := testCase{1, 10}, testCase{2, 10}
	out := runScript(t, map[testCase][]result{two: {likely(560), likely(440), pass(470)}, one: {likely(520), pass(515)}}, two, two, one)
	if out.Choice == nil || out.Choice.Settings.BatchSize != 1 || len(out.Trials) != 4 {
		t.Errorf("choice %+v in %d trials, want batch 1, the fourth", out.Choice, len(out.Trials))
	}
	out = runScript(t, map[testCase][]result{one: {likely(500), pass(498)}, two: {likely(600), open(600)}}, one, two)
	if out.Choice == nil || out.Choice.Settings.BatchSize != 1 || out.Choice.N != 4 {
		t.Errorf("choice %+v, want the fourth trial", out.Choice)
	}
}

// TestIntervalNote: the verdict follows from the number of requests over the limit, and the interval of the percentile
// from order statistics, so that the interval may reach over to the other side of the limit. Then the reason of the
// verdict says which one decides.
func TestIntervalNote(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	sla := trial.SLA{Percentile: 90, Limit: 20 * time.Millisecond}
	seen := map[trial.Answer]int{}
	for range 400 {
		r := sweep.Requests{Load: load.Spec{Concurrency: 1}}
		share := .05 + .1*rng.Float64()
		for i := range 1000 {
			latency := 8 + 10*rng.Float64()
			if rng.Float64() < share {
				latency = 21 + 10*rng.Float64()
			}
			at := time.Duration(i) * time.Millisecond
			r.Values, r.Times = append(r.Values, latency), append(r.Times, at)
			r.Failed, r.Sent = append(r.Failed, false), append(r.Sent, at)
		}
		v := sweep.Decide(sla, r, 0, "")
		low, high := v.LowMS.Or(math.Inf(1)), v.HighMS.Or(math.Inf(-1))
		across := v.Result == trial.Fail && low <= 20 || v.Result == trial.Pass && high > 20
		if across {
			seen[v.Result]++
		}
		if got := strings.Contains(v.Why, "the number of requests over the limit decides"); got != across {
			t.Fatalf("%v, %g-%g ms: %q", v.Result, low, high, v.Why)
		}
	}
	if seen[trial.Fail] == 0 || seen[trial.Pass] == 0 {
		t.Errorf("verdicts with an interval on both sides of the limit: %v, want some of each", seen)
	}
}
