package search_test

import (
	"math/rand/v2"
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

// served returns a trial with the figures of the format's example.
func served(n int, rps, p99 float64, delay time.Duration, change ...func(*trial.Trial)) trial.Trial {
	t := made(n, rps, p99)
	t.Load = load.Spec{Concurrency: 10}
	t.Settings.BatchSize, t.Settings.BatchDelay = 8, delay
	t.Breakdown = trial.Breakdown{Queue: trial.Of(8.9), Formation: trial.Of(.4), Execution: trial.Of(9)}
	t.Batches = trial.Batches{Mean: trial.Of(5.9), Sizes: map[int]int{4: 210, 8: 710}}
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
	best, _ := search.Best(trials)
	why := search.Explain(trials, best, skipped)
	want := trial.Why{
		Limit: "execution", Headroom: trial.Of(1 - 41.2/100), RunnersUp: []int{3, 1}, Skipped: skipped,
		Text: "Trial 2 (1 worker, batch 8, delay 5 ms, fp32, cpu, 1 thread) does 528.2 (523.2-533.2) requests/s with P99 of request latency 41.2 ms, 59% below the limit of 100 ms." +
			" Execution limits: it takes 9.0 ms, the queue 8.9, filling the batch 0.4." +
			" Batches held 5.9 of 8, 77% were full." +
			" Against delay 1 ms (trial 1) the delay of 5 ms gives throughput +32%, P99 +11.2 ms." +
			" Next: trial 3 (2 workers, batch 8, delay 5 ms, fp32, cpu, 1 thread) 526.0 requests/s, ~; trial 1 (1 worker, batch 8, delay 1 ms, fp32, cpu, 1 thread) 400.0 requests/s, -24%." +
			" Not tried: 2 x often; 1 x rare.",
	}
	if diff := cmp.Diff(want, why, cmp.AllowUnexported(trial.Num{})); diff != "" {
		t.Errorf("Explain (-want +got):\n%s", diff)
	}
}

func TestExplainLimits(t *testing.T) {
	steps := func(queue, formation, execution float64) func(*trial.Trial) {
		return func(t *trial.Trial) {
			t.Breakdown.Queue, t.Breakdown.Formation, t.Breakdown.Execution = trial.Of(queue), trial.Of(formation), trial.Of(execution)
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
		{"execution", served(1, 600, 40, 0), "execution", "Execution limits: it takes 9.0 ms"},
		{"queue", served(1, 600, 40, 0, steps(90, 1, 9)), "queue", "requests wait 90.0 ms for 9.0 ms of execution"},
		{"delay", served(1, 600, 40, 0, steps(2, 30, 9)), "delay", "batches wait 30.0 ms to fill and run 9.0 ms"},
		{"all that comes is served", served(1, 600, 40, 0, rate(601)), "arrival", "all of its 601 requests/s are served"},
		{"not all is served", served(1, 600, 40, 0, rate(900)), "execution", ""},
		{"idle workers", served(1, 60, 40, 0), "arrival", "workers idle 91% of the time"},
		{"a target that tells nothing", served(1, 60, 40, 0, func(t *trial.Trial) { t.Breakdown = trial.Breakdown{} }), "", ""},
	} {
		why := search.Explain([]trial.Trial{c.trial}, 0, nil)
		if why.Limit != c.limit || !strings.Contains(why.Text, c.text) {
			t.Errorf("%s: limit %q, text %q, want %q and %q in it", c.name, why.Limit, why.Text, c.limit, c.text)
		}
	}
}

func TestExplainWithoutAPass(t *testing.T) {
	errors := func(t *trial.Trial) { t.Verdict.Result, t.Verdict.ErrorRate = trial.Fail, .031 }
	hungry := func(t *trial.Trial) { t.Use.RSSMB = trial.Of(900) }
	for _, c := range []struct {
		name  string
		trial trial.Trial
		want  string
	}{
		{"slow", served(7, 100, 127, 0, failed), "No setting keeps P99 of request latency <= 100 ms. Nearest is trial 7 (1 worker, batch 8, delay 0 ms, fp32, cpu, 1 thread): 100.0 (95.0-105.0) requests/s with P99 of request latency 127.0 ms, 27% above the limit."},
		{"undecided", served(7, 100, 99, 0, undecided), "No setting is sure to keep P99 of request latency <= 100 ms."},
		{"errors", served(7, 100, 20, 0, errors), "which fails by its errors: 3.1% of the requests."},
		{"constraint", served(7, 100, 20, 0, hungry), "No setting keeps the constraints."},
		{"blank", trial.Trial{N: 7}, "Nearest is trial 7"},
	} {
		rules := search.Rules{Constraints: plan.Constraints{MemoryMB: 500}}
		if why := rules.Explain([]trial.Trial{c.trial}, 0, nil); !strings.Contains(why.Text, c.want) {
			t.Errorf("%s: %q, want %q in it", c.name, why.Text, c.want)
		}
	}
	if why := search.Explain(nil, -1, []trial.Skip{{Reason: "no batch axis"}}); why.Text != "No trial was measured. Not tried: 1 x no batch axis." {
		t.Errorf("without trials: %q", why.Text)
	}
}

func TestExplainDelayAgainstLonger(t *testing.T) {
	trials := []trial.Trial{
		served(1, 600, 40, time.Millisecond), served(2, 500, 50, 5*time.Millisecond), served(3, 300, 70, 50*time.Millisecond),
	}
	why := search.Explain(trials, 0, nil)
	if want := "Against delay 50 ms (trial 3) the delay of 1 ms gives throughput +100%, P99 -30.0 ms."; !strings.Contains(why.Text, want) {
		t.Errorf("%q, want %q in it", why.Text, want)
	}
}

// TestExplainLaws checks random trials: never a panic, always words, runners-up
// that meet the promise and are not the best itself.
func TestExplainLaws(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for range 1000 {
		trials := drawTrials(r)
		best, _ := search.Best(trials)
		why := search.Explain(trials, best, nil)
		if why.Text == "" || len(why.RunnersUp) > 3 || strings.Contains(why.Text, "NaN") || strings.Contains(why.Text, "Inf") {
			t.Fatalf("%+v", why)
		}
		for _, n := range why.RunnersUp {
			if o := trials[n-1]; o.N != n || n == trials[best].N || !(search.Rules{}).Meets(o) {
				t.Fatalf("runner-up %d of %+v", n, why)
			}
		}
	}
}
