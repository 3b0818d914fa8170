package sweep_test

import (
	"context"
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

// every is a closed run of n requests, 10 ms apart, as make says.
func every(n int, make func(i int) load.Sample) load.Result {
	r := load.Result{Seconds: float64(n) / 100, Lag: latency.New()}
	for i := range n {
		s := make(i)
		s.Planned = time.Duration(i) * 10 * ms
		r.Samples = append(r.Samples, s)
	}
	return r
}

// A request that ran out of time was answered neither within a promise nor without
// an error: it fails both latencies, however long the promise is.
func TestTimeoutsFail(t *testing.T) {
	lost := load.Sample{Outcome: load.Timeout, Latency: 30 * time.Second}
	good := load.Sample{Latency: 20 * ms, Model: 10 * ms, Batch: 1, Status: 200}
	for _, c := range []struct {
		name    string
		which   trial.LatencyKind
		limit   time.Duration
		allowed float64
		nth     int // every so many requests time out
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
		run := every(8000, func(i int) load.Sample {
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

// scripted is a target that gives, of each setting's batch size and load, one
// result after the other, and the last again.
type scripted struct {
	device
	says map[scene][]take
	took map[scene]int
}

type scene struct{ batch, clients int }

// take is what a measurement says.
type take struct {
	rps             float64
	result, leaning trial.Answer
}

func (d *scripted) Measure(_ context.Context, m sweep.Measurement) (trial.Result, error) {
	at := scene{d.applied[len(d.applied)-1].BatchSize, m.Load.Concurrency}
	if d.took == nil {
		d.took = map[scene]int{}
	}
	list := d.says[at]
	x := list[min(d.took[at], len(list)-1)]
	d.took[at]++
	value := trial.NumOf(50)
	if x.result == trial.Fail {
		value = trial.NumOf(130)
	}
	return trial.Result{
		Throughput: trial.Estimate{Value: trial.NumOf(x.rps), Low: trial.NumOf(x.rps - 1), High: trial.NumOf(x.rps + 1)},
		Verdict:    trial.Verdict{Result: x.result, Leaning: x.leaning, ValueMS: value, LimitMS: 100, Percentile: 99},
	}, nil
}

// played is a grid over what the target says, and its outcome.
func played(t *testing.T, says map[scene][]take, scenes ...scene) sweep.Outcome {
	t.Helper()
	var points []plan.Point
	for _, s := range scenes {
		p := plan.Point{Settings: knob.Default(knob.TorchServe), Load: load.Spec{Concurrency: s.clients}, Role: trial.RoleLoad}
		p.Settings.BatchSize = s.batch
		points = append(points, p)
	}
	r := sweep.Runner{
		Target: &scripted{says: says}, Recorder: &notebook{}, FirstNumber: 1, Strategy: &fixed{points},
		SLA: trial.SLA{Percentile: 99, Limit: 100 * ms}, Explain: explain,
	}
	out, err := r.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// What a short look and a validation say.
var (
	pass = func(rps float64) take { return take{rps, trial.Pass, trial.Pass} }
	seem = func(rps float64) take { return take{rps, trial.Undecided, trial.Pass} }
	open = func(rps float64) take { return take{rps, trial.Undecided, trial.Undecided} }
	fail = func(rps float64) take { return take{rps, trial.Fail, trial.Fail} }
)

// TestChoice: who is chosen by what short looks and validations say.
func TestChoice(t *testing.T) {
	one, two := scene{1, 10}, scene{2, 10}
	more := scene{2, 40}
	for _, c := range []struct {
		name   string
		says   map[scene][]take
		scenes []scene
		choice int // batch size, 0 for none
		open   int // batch size of what was left open, 0 for none
		trials int
	}{
		{"the best is validated", map[scene][]take{one: {seem(100)}, two: {seem(200), pass(190)}}, []scene{one, two}, 2, 0, 3},
		{"an open validation is overruled by no earlier pass", map[scene][]take{one: {fail(100)}, two: {pass(200), seem(190)}}, []scene{one, two}, 0, 2, 3},
		{"nor one that leans nowhere", map[scene][]take{one: {fail(100)}, two: {pass(200), open(190)}}, []scene{one, two}, 0, 2, 3},
		{"it makes way for the next", map[scene][]take{one: {seem(100), pass(99)}, two: {seem(200), open(190)}}, []scene{one, two}, 1, 0, 4},
		{"though it still looks like a pass", map[scene][]take{one: {seem(100), pass(99)}, two: {seem(200), seem(190)}}, []scene{one, two}, 1, 0, 4},
		{"so does one that failed", map[scene][]take{one: {seem(100), pass(99)}, two: {pass(200), fail(190)}}, []scene{one, two}, 1, 0, 4},
		{"nothing passes", map[scene][]take{one: {fail(100)}, two: {fail(200)}}, []scene{one, two}, 0, 0, 2},
		{"short passes alone are none", map[scene][]take{one: {pass(100), open(99)}, two: {pass(200), open(190)}}, []scene{one, two}, 0, 2, 4},
		{"what could not be told is tried for long", map[scene][]take{one: {open(100)}, two: {open(200), pass(190)}}, []scene{one, two}, 2, 0, 3},

		{
			"a setting that fails under another load comes after one that does not",
			map[scene][]take{{1, 10}: {seem(100), pass(100)}, {1, 40}: {seem(110), pass(110)}, two: {pass(200)}, more: {fail(300)}},
			[]scene{two, more, {1, 10}, {1, 40}},
			1, 0, 6,
		},
		{
			"every load is validated, and a failure of one is the setting's",
			map[scene][]take{{1, 10}: {seem(100), pass(100)}, two: {seem(200), pass(200)}, more: {seem(300), fail(300)}},
			[]scene{two, more, {1, 10}},
			1, 0, 5,
		},
		{
			"where all fail under some load the best of them is chosen",
			map[scene][]take{two: {seem(200), pass(200)}, more: {fail(300)}},
			[]scene{two, more},
			2, 0, 3,
		},
	} {
		out := played(t, c.says, c.scenes...)
		choice, left := 0, 0
		if out.Choice != nil {
			choice = out.Choice.Settings.BatchSize
			if b := out.Trials[out.Best]; b.Role != trial.RoleValidation || b.Verdict.Result != trial.Pass || b.N != out.Choice.N {
				t.Errorf("%s: the choice is trial %d, a %s: %v", c.name, b.N, b.Role, b.Verdict.Result)
			}
		}
		if out.Unconfirmed >= 0 {
			left = out.Trials[out.Unconfirmed].Settings.BatchSize
		}
		if choice != c.choice || left != c.open || len(out.Trials) != c.trials || (out.Best >= 0) != (c.choice > 0) {
			t.Errorf("%s: choice %d, open %d, %d trials; want %d, %d, %d", c.name, choice, left, len(out.Trials), c.choice, c.open, c.trials)
		}
	}
}

// TestLuckyRun: a trial, its control and its validation are one setting, which does
// what the three say together; another that is better than that is looked at first.
// And what was validated is not lowered by another that only looks better.
func TestLuckyRun(t *testing.T) {
	one, two := scene{1, 10}, scene{2, 10}
	out := played(t, map[scene][]take{two: {seem(560), seem(440), pass(470)}, one: {seem(520), pass(515)}}, two, two, one)
	if out.Choice == nil || out.Choice.Settings.BatchSize != 1 || len(out.Trials) != 4 {
		t.Errorf("choice %+v in %d trials, want batch 1, the fourth", out.Choice, len(out.Trials))
	}
	out = played(t, map[scene][]take{one: {seem(500), pass(498)}, two: {seem(600), open(600)}}, one, two)
	if out.Choice == nil || out.Choice.Settings.BatchSize != 1 || out.Choice.N != 4 {
		t.Errorf("choice %+v, want the fourth trial", out.Choice)
	}
}
