package search_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/search"
	"sweetspot/sweep/trial"
)

// measured returns trial n with a pass at a limit of 100 ms, then applies the changes. All trials
// have the same settings unless they are changed, so that they are one row.
func measured(n int, rps, p99 float64, change ...func(*trial.Trial)) trial.Trial {
	about := func(v, half float64) trial.Estimate {
		return trial.Estimate{Value: trial.NumOf(v), Low: trial.NumOf(v - half), High: trial.NumOf(v + half)}
	}
	t := trial.Trial{N: n, Role: trial.RoleLoad, Settings: knob.Default(knob.TorchServe)}
	t.Throughput = about(rps, 5)
	p := about(p99, 2)
	t.Verdict = trial.Verdict{Result: trial.Pass, Percentile: 99, LimitMS: 100, ValueMS: p.Value, LowMS: p.Low, HighMS: p.High}
	for _, c := range change {
		c(&t)
	}
	return t
}

func failed(t *trial.Trial)    { t.Verdict.Result = trial.Fail }
func undecided(t *trial.Trial) { t.Verdict.Result = trial.Undecided }

func set(s func(*knob.Settings)) func(*trial.Trial) {
	return func(t *trial.Trial) { s(&t.Settings) }
}

// bestIndex returns the index of the trial that represents the best row, -1 without one.
func bestIndex(trials []trial.Trial) int {
	best, ok := rank.New(rank.Rules{}, trials).Best()
	if !ok {
		return -1
	}
	return best.Representative
}

// served returns a trial with the figures of the example in FORMATS.
func served(n int, rps, p99 float64, delay time.Duration, change ...func(*trial.Trial)) trial.Trial {
	t := measured(n, rps, p99)
	t.Load = load.Spec{Concurrency: 10}
	t.Settings.BatchSize, t.Settings.BatchDelay = 8, delay
	t.Breakdown = trial.Breakdown{Queue: trial.NumOf(8.9), Formation: trial.NumOf(.4), Execution: trial.NumOf(9)}
	t.Batches = trial.Batches{Mean: trial.NumOf(5.9), Sizes: map[int]int{4: 210, 8: 710}}
	for _, c := range change {
		c(&t)
	}
	return t
}

func TestExplain(t *testing.T) {
	trials := []trial.Trial{
		served(1, 400, 30, time.Millisecond),
		served(2, 528.2, 41.2, 5*time.Millisecond),
		served(3, 526, 60, 5*time.Millisecond, set(func(s *knob.Settings) { s.Workers = 2 })),
		served(4, 900, 130, 5*time.Millisecond, failed, set(func(s *knob.Settings) { s.Workers = 4 })),
		served(5, 528, 41, 5*time.Millisecond, func(t *trial.Trial) { t.Role = trial.RoleControl }),
	}
	skipped := []trial.Skip{{Reason: "rare"}, {Reason: "often"}, {Reason: "often"}}
	why := search.Explainer{}.Explain(trials, bestIndex(trials), skipped)
	want := trial.Explanation{
		Limit: "execution", Headroom: trial.NumOf(1 - 41.2/100), RunnersUp: []int{3, 1}, Skipped: skipped,
		Text: "Trial 2 (1 worker, batch 8, delay 5 ms, fp32, cpu, 1 thread) does 528.1 (523.1-533.1) requests/s with P99 of request latency 41.2 ms, 59% below the limit of 100 ms." +
			" Limits: execution takes 9.0 ms, the queue 8.9, filling the batch 0.4; smaller batches, FP16, more threads or a faster device shorten it." +
			" Batches: held 5.9 of 8, 77% were full." +
			" Batches: against a delay of 1 ms (trial 1) the 5 ms give +32% requests/s, P99 +11.2 ms." +
			" Next: trial 3 (2 workers, batch 8, delay 5 ms, fp32, cpu, 1 thread) 526.0 requests/s, ~; trial 1 (1 worker, batch 8, delay 1 ms, fp32, cpu, 1 thread) 400.0 requests/s, -24%." +
			" Left out: 2 x often; 1 x rare.",
		Lines: []trial.Line{
			{Label: "limits", Text: "execution takes 9.0 ms, the queue 8.9, filling the batch 0.4; smaller batches, FP16, more threads or a faster device shorten it"},
			{Label: "batches", Text: "held 5.9 of 8, 77% were full; against a delay of 1 ms (trial 1) the 5 ms give +32% requests/s, P99 +11.2 ms"},
			{Label: "next", Text: "trial 3 (2 workers, batch 8, delay 5 ms, fp32, cpu, 1 thread) 526.0 requests/s, ~; trial 1 (1 worker, batch 8, delay 1 ms, fp32, cpu, 1 thread) 400.0 requests/s, -24%"},
			{Label: "left out", Text: "2 x often; 1 x rare"},
		},
	}
	if diff := cmp.Diff(want, why, cmp.AllowUnexported(trial.Num{})); diff != "" {
		t.Errorf("Explain (-want +got):\n%s", diff)
	}
}

func TestExplainLimits(t *testing.T) {
	steps := func(queue, formation, execution float64) func(*trial.Trial) {
		return func(t *trial.Trial) {
			t.Breakdown.Queue, t.Breakdown.Formation, t.Breakdown.Execution = trial.NumOf(queue), trial.NumOf(formation), trial.NumOf(execution)
		}
	}
	rate := func(r float64) func(*trial.Trial) {
		return func(t *trial.Trial) { t.Load = load.Spec{Mode: load.Open, Rate: r} }
	}
	for _, c := range []struct {
		name  string
		trial trial.Trial
		limit string
		text  string
	}{
		{"execution", served(1, 600, 40, 0), "execution", "execution takes 9.0 ms"},
		{"queue", served(1, 600, 40, 0, steps(90, 1, 9)), "queue", "requests wait 90.0 ms for 9.0 ms of execution"},
		{"delay", served(1, 600, 40, 0, steps(2, 30, 9)), "delay", "batches wait 30.0 ms to fill and run 9.0 ms; shorten the delay (--batch-delay)"},
		{"all that comes is served", served(1, 600, 40, 0, rate(601)), "arrival", "all of its 601 requests/s are served"},
		{"not all is served", served(1, 600, 40, 0, rate(900)), "execution", ""},
		{"idle workers", served(1, 60, 40, 0), "arrival", "workers idle 91% of the time; more clients would use them"},
		{"idle workers of a trace", served(1, 60, 40, 0, func(t *trial.Trial) { t.Load = load.Spec{Mode: load.Trace} }), "arrival", "workers idle 91% of the time; a higher rate would use them"},
		{"a target without a breakdown", served(1, 60, 40, 0, func(t *trial.Trial) { t.Breakdown = trial.Breakdown{} }), "", ""},
	} {
		why := search.Explainer{}.Explain([]trial.Trial{c.trial}, 0, nil)
		if why.Limit != c.limit || !strings.Contains(why.Text, c.text) {
			t.Errorf("%s: limit %q, text %q, want %q and %q in it", c.name, why.Limit, why.Text, c.limit, c.text)
		}
	}
}

func TestExplainWithoutAPass(t *testing.T) {
	errors := func(t *trial.Trial) { t.Verdict.Result, t.Verdict.ErrorRate = trial.Fail, trial.NumOf(.031) }
	hungry := func(t *trial.Trial) { t.Use.RSSMB = trial.NumOf(900) }
	for _, c := range []struct {
		name  string
		trial trial.Trial
		want  string
	}{
		{"slow", served(7, 100, 127, 0, failed), "No setting keeps P99 of request latency <= 100 ms. Nearest is trial 7 (1 worker, batch 8, delay 0 ms, fp32, cpu, 1 thread): 100.0 (95.0-105.0) requests/s with P99 of request latency 127.0 ms, 27% above the limit."},
		{"undecided", served(7, 100, 99, 0, undecided), "No setting is sure to keep P99 of request latency <= 100 ms."},
		{"errors", served(7, 100, 20, 0, errors), "which fails because of its errors: 3.1% of the requests."},
		{"constraint", served(7, 100, 20, 0, hungry), "No setting keeps the constraints."},
		{"blank", trial.Trial{N: 7}, "Nearest is trial 7"},
	} {
		x := search.Explainer{Rules: rank.Rules{Constraints: plan.Constraints{MemoryMB: 500}}}
		if why := x.Explain([]trial.Trial{c.trial}, 0, nil); !strings.Contains(why.Text, c.want) {
			t.Errorf("%s: %q, want %q in it", c.name, why.Text, c.want)
		}
	}
	if why := (search.Explainer{}).Explain(nil, -1, []trial.Skip{{Reason: "no batch axis"}}); why.Text != "No trial was measured. Left out: 1 x no batch axis." {
		t.Errorf("without trials: %q", why.Text)
	}
}

func TestExplainDelayAgainstLonger(t *testing.T) {
	trials := []trial.Trial{
		served(1, 600, 40, time.Millisecond), served(2, 500, 50, 5*time.Millisecond), served(3, 300, 70, 50*time.Millisecond),
	}
	why := search.Explainer{}.Explain(trials, 0, nil)
	if want := "against a delay of 50 ms (trial 3) the 1 ms give +100% requests/s, P99 -30.0 ms"; !strings.Contains(why.Text, want) {
		t.Errorf("%q, want %q in it", why.Text, want)
	}
}

// TestExplainRandomTrials: with random trials there is always a text without NaN and Inf, and the
// best trial is no runner-up.
func TestExplainRandomTrials(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for range 1000 {
		trials := make([]trial.Trial, 1+r.IntN(12))
		for i := range trials {
			trials[i] = randomTrial(r, i+1)
		}
		best := bestIndex(trials)
		why := search.Explainer{}.Explain(trials, best, nil)
		if why.Text == "" || len(why.RunnersUp) > 3 || strings.Contains(why.Text, "NaN") || strings.Contains(why.Text, "Inf") {
			t.Fatalf("%+v", why)
		}
		for _, n := range why.RunnersUp {
			if o := trials[n-1]; o.N != n || n == trials[best].N {
				t.Fatalf("runner-up %d of %+v", n, why)
			}
		}
	}
}

// randomTrial returns a random trial with one of a few settings; figures may be missing.
func randomTrial(r *rand.Rand, n int) trial.Trial {
	num := func(v float64) trial.Num {
		if r.IntN(12) == 0 {
			return trial.Num{}
		}
		return trial.NumOf(v)
	}
	t := measured(n, 0, 0)
	rps := float64(100 + 10*r.IntN(4))
	t.Throughput = trial.Estimate{Value: num(rps), Low: num(rps - float64(r.IntN(20))), High: num(rps + float64(r.IntN(20)))}
	t.Verdict.Result, t.Verdict.Leaning = trial.Answer(r.IntN(3)), trial.Answer(r.IntN(3))
	t.Verdict.ValueMS, t.Verdict.HighMS = num(float64(80+5*r.IntN(8))), num(120)
	t.Verdict.ErrorRate = trial.NumOf(float64(r.IntN(2)) / 4)
	t.Settings.Workers, t.Settings.BatchSize, t.Settings.QueueSize = 1+r.IntN(2), 1+r.IntN(2), 100+r.IntN(3)
	t.Role = []trial.Role{trial.RoleLoad, trial.RoleLoad, trial.RoleValidation, trial.RoleControl, trial.RoleLive}[r.IntN(5)]
	return t
}

// validation makes a trial a validation.
func validation(t *trial.Trial) {
	t.Role, t.Seconds, t.Counts = trial.RoleValidation, 27, trial.Counts{Sent: 12400, OK: 12400}
}

func under(l load.Spec) func(*trial.Trial) { return func(t *trial.Trial) { t.Load = l } }

// torchServe makes the breakdown one of TorchServe, with times in ms and the mean size of the batches.
func torchServe(queue, execution, batch float64) func(*trial.Trial) {
	return func(t *trial.Trial) {
		t.Breakdown = trial.Breakdown{Queue: trial.NumOf(queue), Execution: trial.NumOf(execution)}
		t.Batches = trial.Batches{Mean: trial.NumOf(batch)}
	}
}

// TestExplainLines checks the lines of an explanation.
func TestExplainLines(t *testing.T) {
	two := set(func(s *knob.Settings) { s.Workers = 2 })
	open := func(t *trial.Trial) {
		t.Verdict.Result, t.Verdict.Leaning, t.Verdict.Why = trial.Undecided, trial.Pass, "1304 of the 2000 requests that a pass takes"
	}
	best := served(1, 500, 40, 0, validation)
	for _, c := range []struct {
		name   string
		trials []trial.Trial // the first is the choice
		want   string        // beginning of a line
		not    string        // must not be in any line
	}{
		{"what a validation cannot exclude", []trial.Trial{best}, "validated over 27 s, 12400 answers: a stall rarer than one in 9.0 s cannot be excluded", "under"},
		{
			"fails under another load",
			[]trial.Trial{best, served(2, 700, 188, 0, failed, under(load.Spec{Concurrency: 40}))},
			"validated over 27 s, 12400 answers: a stall rarer than one in 9.0 s cannot be excluded; under concurrency 40 it FAILs (P99 188.0 ms)", "",
		},
		{
			"not validated under another load",
			[]trial.Trial{best, served(2, 700, 88, 0, under(load.Spec{Concurrency: 40}))},
			"validated over 27 s, 12400 answers: a stall rarer than one in 9.0 s cannot be excluded; under concurrency 40 it was not validated (P99 88.0 ms)", "",
		},
		{
			"validated under another load",
			[]trial.Trial{best, served(2, 700, 88, 0, validation, under(load.Spec{Concurrency: 40}))},
			"validated over 27 s", "under",
		},
		{
			"constant arrivals",
			[]trial.Trial{served(1, 500, 40, 0, under(load.Spec{Mode: load.Open, Rate: 500, Arrivals: load.Constant}))},
			"validated constant arrivals give too low latencies: Poisson arrivals at this rate wait longer, so use --arrivals poisson", "",
		},
		{"a short queue", []trial.Trial{served(1, 500, 40, 0, set(func(s *knob.Settings) { s.QueueSize = 4 }))}, "batches   held 5.9 of 8, 77% were full; the queue of 4 is shorter than a batch of 8", ""},
		{"the generator", []trial.Trial{served(1, 500, 40, 0, func(t *trial.Trial) { t.GeneratorLimited = true })}, "limits    the load generator was the limit", ""},
		{"other programs", []trial.Trial{served(1, 500, 40, 0, func(t *trial.Trial) { t.Blocks.Disturbed = 9 })}, "limits    other programs took much of the machine", ""},
		{
			"TorchServe, whose queue time includes the filling of the batch",
			[]trial.Trial{served(1, 500, 40, 0, torchServe(30, 10, 7.9))},
			"limits    the queue, as requests wait 30.0 ms, also until their batch is full, for 10.0 ms of execution; ", "",
		},
		{
			"TorchServe with idle workers",
			[]trial.Trial{served(1, 100, 40, 0, torchServe(30, 10, 2))},
			"limits    the delay, as requests wait 30.0 ms until their batch is sent and workers idle 50% of the time; shorten the delay", "",
		},
		{
			"TorchServe that is busy",
			[]trial.Trial{served(1, 500, 40, 0, torchServe(8, 9, 5))},
			"limits    execution takes 9.0 ms, the queue 8.0, with filling the batch; ", "",
		},
		{"a faster one not validated", []trial.Trial{best, served(2, 900, 60, 0, two)}, "next      trial 2 (2 workers, batch 8, delay 0 ms, fp32, cpu, 1 thread) 900.0 requests/s, +80%, but it was not validated", ""},
		{
			"a faster one that is undecided",
			[]trial.Trial{best, served(2, 900, 60, 0, two), served(3, 900, 60, 0, two, validation, open)},
			"next      trial 3 (2 workers, batch 8, delay 0 ms, fp32, cpu, 1 thread) 900.0 requests/s, +80%, but its validation is undecided: 1304 of the 2000 requests", "",
		},
		{
			"a faster one fails elsewhere",
			[]trial.Trial{best, served(2, 900, 60, 0, two, validation), served(3, 900, 160, 0, two, failed, under(load.Spec{Concurrency: 40}))},
			"next      trial 2 (2 workers, batch 8, delay 0 ms, fp32, cpu, 1 thread) 900.0 requests/s, +80%, but it FAILs under concurrency 40", "",
		},
		{"a refuted one", []trial.Trial{best, served(2, 900, 60, 0, two), served(3, 900, 160, 0, two, validation, failed)}, "validated", "2 workers"},
	} {
		why := search.Explainer{}.Explain(c.trials, 0, nil)
		if !slices.ContainsFunc(why.Lines, func(l trial.Line) bool { return strings.HasPrefix(l.String(), c.want) }) {
			t.Errorf("%s: no line %q in\n%q", c.name, c.want, why.Lines)
		}
		if text := fmt.Sprint(why.Lines); c.not != "" && strings.Contains(text, c.not) {
			t.Errorf("%s: %q in\n%s", c.name, c.not, text)
		}
		if len(why.Lines) > 6 {
			t.Errorf("%s: %d lines", c.name, len(why.Lines))
		}
	}
}

func TestBatchingLoss(t *testing.T) {
	timed := func(ms ...float64) (out []trial.Probe) {
		for i, v := range ms {
			out = append(out, trial.Probe{BatchSize: 1 << i, ServiceTime: trial.ServiceTime{Median: trial.NumOf(v)}, Settings: knob.Settings{Workers: 1, BatchSize: 1 << i}})
		}
		return out
	}
	ran := func(n, size int, ms float64) trial.Trial {
		return served(n, 10, 10, 0, func(t *trial.Trial) {
			t.Settings.BatchSize, t.Batches.Mean, t.Breakdown.Execution = size, trial.NumOf(float64(size)), trial.NumOf(ms)
		})
	}
	for _, c := range []struct {
		name   string
		probes []trial.Probe
		trials []trial.Trial
		want   string
	}{
		{"it loses", timed(20, 60, 124, 266), nil, "batching makes this model slower: a batch of 8 takes 13 times as long as a batch of 1"},
		{"it pays", timed(20, 22, 24, 30), nil, ""},
		{"neither", timed(20, 40, 80, 160), nil, ""},
		{"by trials", nil, []trial.Trial{ran(1, 1, 20), ran(2, 8, 266)}, "batching makes this model slower: a batch of 8 takes 13 times as long as a batch of 1"},
		{"one size", timed(20), nil, ""},
		{"nothing", nil, nil, ""},
	} {
		if got := search.BatchingLoss(c.probes, c.trials); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestExplainNarrow: the explanation says that a lower rate is recommended than one that passed narrowly, or that the narrow
// pass that is recommended was not confirmed.
func TestExplainNarrow(t *testing.T) {
	at := func(rate, high float64) func(*trial.Trial) {
		return func(t *trial.Trial) {
			t.Load = load.Spec{Mode: load.Open, Rate: rate, Arrivals: load.Poisson}
			t.Verdict.LowMS, t.Verdict.HighMS = trial.NumOf(80), trial.NumOf(high)
		}
	}
	const lower, alone = "; 500/s passed too, but narrowly, so that this lower rate was validated", "; it passed narrowly and was not validated a second time, which a longer --budget allows"
	clear, narrow := served(1, 485, 90, 0, validation, at(485, 98)), served(2, 500, 90, 0, validation, at(500, 104))
	for _, c := range []struct {
		name   string
		trials []trial.Trial
		best   int
		want   string
	}{
		{"the lower rate", []trial.Trial{clear, narrow}, 0, lower},
		{"both narrow", []trial.Trial{served(1, 485, 90, 0, validation, at(485, 101)), narrow}, 0, lower},
		{"not confirmed", []trial.Trial{narrow}, 0, alone},
		{"a clear pass", []trial.Trial{clear}, 0, ""},
	} {
		why := search.Explainer{Rules: rank.Rules{Question: plan.Capacity}}.Explain(c.trials, c.best, nil)
		for _, text := range []string{lower, alone} {
			if got := strings.Contains(fmt.Sprint(why.Lines), text); got != (text == c.want) {
				t.Errorf("%s: %q: %v", c.name, why.Lines, got)
			}
		}
	}
}
