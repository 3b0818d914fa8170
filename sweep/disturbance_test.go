package sweep_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/latency"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// disturbances returns blocks of 500 ms, one for each letter: s steal, f foreign CPU, b both, n
// unknown; any other letter is a block without a disturbance.
func disturbances(letters string) []sweep.Disturbance {
	var out []sweep.Disturbance
	for i, l := range letters {
		d := sweep.Disturbance{From: time.Duration(i) * 500 * ms, To: time.Duration(i+1) * 500 * ms, Steal: .02, Foreign: .1}
		switch l {
		case 's':
			d.Steal = .021
		case 'f':
			d.Foreign, d.Steal = .11, math.NaN()
		case 'b':
			d.Foreign, d.Steal = 1, 1
		case 'n':
			d.Foreign, d.Steal = math.NaN(), math.NaN()
		}
		out = append(out, d)
	}
	return out
}

// steadyRun returns a run of 100 requests per second with a latency of 10 ms. In disturbed blocks
// the latency is 100 ms and every fifth request fails.
func steadyRun(blocks []sweep.Disturbance) load.Result {
	r := load.Result{Lag: latency.New()}
	for _, d := range blocks {
		for at := d.From; at < d.To; at += 10 * ms {
			s := load.Sample{Planned: at, Latency: 10 * ms, Model: 5 * ms, Batch: 1, Status: 200}
			if d.RejectReason() != "" {
				s.Latency = 100 * ms
				if at%(50*ms) == 0 {
					s.Outcome, s.Status = load.Failed, 500
				}
			}
			r.Samples = append(r.Samples, s)
		}
		r.Seconds = d.To.Seconds()
	}
	return r
}

func TestRejectedBlocks(t *testing.T) {
	for _, tt := range []struct {
		name   string
		blocks string
		want   trial.Blocks
		failed int
		maxMS  float64
		warned bool
	}{
		{"undisturbed", "............", trial.Blocks{Kept: 12}, 0, 10, false},
		{"steal", "....ss......", trial.Blocks{Kept: 10, Rejected: 2, Why: map[string]int{"steal": 2}}, 20, 10, false},
		{
			"both kinds", "...f.b.s....",
			trial.Blocks{Kept: 9, Rejected: 3, Why: map[string]int{"steal": 2, "foreign CPU": 1}},
			30, 10, false,
		},
		{
			"half", ".......ffffff",
			trial.Blocks{Kept: 7, Rejected: 6, Why: map[string]int{"foreign CPU": 6}},
			60, 10, false,
		},
		{
			"most, but enough is left", "......ffffffff",
			trial.Blocks{Kept: 6, Rejected: 8, Why: map[string]int{"foreign CPU": 8}},
			80, 10, false,
		},
		{"more than half", ".....fffffff", trial.Blocks{Kept: 12, Disturbed: 7}, 70, 100, true},
		{"unknown", "nnnnnnnnnnnn", trial.Blocks{Kept: 12, Why: map[string]int{"n/a": 11}}, 0, 10, false},
		{
			"partly unknown", "..n.s.......",
			trial.Blocks{Kept: 11, Rejected: 1, Why: map[string]int{"n/a": 1, "steal": 1}},
			10, 10, false,
		},
		{ // the warm-up of .6 s ends in the second block, of which the rest counts
			"warm-up", "bs..........",
			trial.Blocks{Kept: 11, Rejected: 1, Why: map[string]int{"steal": 1}},
			8, 10, true,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			blocks := disturbances(tt.blocks)
			got := sweep.Summarize(steadyRun(blocks), load.Spec{}, plan.Default().SLA, "", blocks...)
			want := tt.want
			want.Kept-- // the first block is warm-up
			if d := cmp.Diff(want, got.Blocks); d != "" {
				t.Errorf("blocks (-want +got):\n%s", d)
			}
			if got.Counts.Failed != tt.failed || got.Latency.Max.Or(0) != tt.maxMS {
				t.Errorf("failed %d, max %v ms; want %d, %v", got.Counts.Failed, got.Latency.Max.Or(0), tt.failed, tt.maxMS)
			}
			if rps := got.Throughput.Value.Or(0); tt.maxMS == 10 && math.Abs(rps-100) > 4 {
				t.Errorf("throughput %v, want 100", rps)
			}
			if warned := len(got.Warnings) > 0; warned != tt.warned {
				t.Errorf("warnings %q", got.Warnings)
			}
		})
	}
}

func TestDisturbanceWarning(t *testing.T) {
	blocks := disturbances(".." + strings.Repeat("f", 7) + "..")
	r := sweep.Summarize(steadyRun(blocks), load.Spec{}, plan.Default().SLA, "", blocks...)
	want := []trial.Warning{{Text: "machine busy with other work in 70% of blocks, which are too many to reject"}}
	if d := cmp.Diff(want, r.Warnings); d != "" {
		t.Errorf("warnings (-want +got):\n%s", d)
	}
	sla := plan.Default().SLA
	sla.Limit, sla.MaxErrorRate = 60*ms, 1
	v := sweep.Summarize(steadyRun(blocks), load.Spec{}, sla, "", blocks...).Verdict
	if v.Result != trial.Undecided || !strings.HasPrefix(v.Why, "machine busy") {
		t.Errorf("latencies near the limit on a disturbed machine: %v, %q; want undecided", v.Result, v.Why)
	}
	sla.Limit = 4 * ms
	if v := sweep.Summarize(steadyRun(blocks), load.Spec{}, sla, "", blocks...).Verdict; v.Result != trial.Fail {
		t.Errorf("latencies far above the limit on a disturbed machine: %v, %q; want fail", v.Result, v.Why)
	}
}

// TestCutDisturbedAtFirst checks that disturbed blocks are removed in the first seconds even if few
// others remain, and kept later.
func TestCutDisturbedAtFirst(t *testing.T) {
	for _, tt := range []struct {
		blocks  int // of half a second, all of them disturbed
		elapsed time.Duration
		samples int
	}{{8, 400 * ms, 40}, {12, 6 * time.Second, 600}} {
		blocks := disturbances(strings.Repeat("f", tt.blocks))
		r := steadyRun(blocks)
		elapsed, got := sweep.CutDisturbed(time.Duration(tt.blocks)*500*ms, r.Samples, blocks)
		if elapsed != tt.elapsed || len(got) != tt.samples {
			t.Errorf("%d disturbed blocks: %v with %d samples, want %v with %d", tt.blocks, elapsed, len(got), tt.elapsed, tt.samples)
		}
	}
}

// TestCutDisturbed checks that the result is a run of the undisturbed blocks.
func TestCutDisturbed(t *testing.T) {
	blocks := disturbances("..f...s...")
	r := steadyRun(blocks)
	elapsed, got := sweep.CutDisturbed(5*time.Second, r.Samples, blocks)
	if elapsed != 4*time.Second || len(got) != 400 {
		t.Fatalf("%v with %d samples, want 4s with 400", elapsed, len(got))
	}
	for i, s := range got {
		if s.Planned != time.Duration(i)*10*ms || s.Latency != 10*ms {
			t.Fatalf("sample %d planned at %v with latency %v, want %v and 10ms", i, s.Planned, s.Latency, time.Duration(i)*10*ms)
		}
	}
	if d := cmp.Diff(steadyRun(blocks).Samples, r.Samples); d != "" {
		t.Errorf("the caller's samples changed (-want +got):\n%s", d)
	}
	elapsed, got = sweep.CutDisturbed(5*time.Second, r.Samples, nil)
	if elapsed != 5*time.Second || len(got) != len(r.Samples) {
		t.Errorf("without disturbances: %v with %d samples, want all", elapsed, len(got))
	}
}

// runOf returns a run of n seconds with batches of 1 to 4, whose service time is model(at, size,
// rng).
func runOf(n int, model func(at time.Duration, size int, rng *rand.Rand) time.Duration) load.Result {
	r := load.Result{Seconds: float64(n), Lag: latency.New()}
	rng := rand.New(rand.NewPCG(1, 1))
	for at := time.Duration(0); at < time.Duration(n)*time.Second; {
		size := 1 + int(at/(300*ms))%4 // as if the length of the queue changed
		m := model(at, size, rng)
		for range size {
			r.Samples = append(r.Samples, load.Sample{Planned: at, Latency: m, Model: m, Batch: int32(size), Status: 200})
		}
		at += m
	}
	return r
}

func TestWarmup(t *testing.T) {
	base := func(size int) float64 { return float64(2*ms) + float64(size)*float64(2*ms) }
	noisy := func(size int, rng *rand.Rand) float64 { return base(size) * (1 + .08*rng.NormFloat64()) }
	for _, tt := range []struct {
		name     string
		seconds  int
		model    func(at time.Duration, size int, rng *rand.Rand) time.Duration
		low, top float64 // seconds
	}{
		{"no warm-up", 10, func(_ time.Duration, size int, rng *rand.Rand) time.Duration {
			return time.Duration(noisy(size, rng))
		}, 1, 1},
		{"a warm-up of 3 s", 10, func(at time.Duration, size int, rng *rand.Rand) time.Duration {
			if at < 3*time.Second {
				return time.Duration(1.5 * noisy(size, rng))
			}
			return time.Duration(noisy(size, rng))
		}, 3, 3.5},
		{"a warm-up shorter than the shortest", 10, func(at time.Duration, size int, rng *rand.Rand) time.Duration {
			if at < 500*ms {
				return time.Duration(1.5 * noisy(size, rng))
			}
			return time.Duration(noisy(size, rng))
		}, 1, 1},
		{"service times that always increase", 10, func(at time.Duration, size int, rng *rand.Rand) time.Duration {
			return time.Duration(noisy(size, rng) * (1 + at.Seconds()/5))
		}, 4.95, 5}, // half of the time in which requests were sent
		{"a run too short to detect a warm-up", 1, func(at time.Duration, size int, rng *rand.Rand) time.Duration {
			return time.Duration(noisy(size, rng) * (1 + at.Seconds()))
		}, .25, .25},
		{"an empty run", 0, nil, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := sweep.Summarize(runOf(tt.seconds, tt.model), load.Spec{}, plan.Default().SLA, "")
			if r.WarmupSeconds < tt.low || r.WarmupSeconds > tt.top {
				t.Errorf("warm-up of %v s, want %v-%v", r.WarmupSeconds, tt.low, tt.top)
			}
		})
	}
}

// TestWarmupOfADisturbedMachine checks that decreasing service times are no warm-up if most blocks
// are disturbed.
func TestWarmupOfADisturbedMachine(t *testing.T) {
	r := runOf(10, func(at time.Duration, _ int, _ *rand.Rand) time.Duration { return 20*ms - at/2000 })
	if got := sweep.Summarize(r, load.Spec{}, plan.Default().SLA, "", disturbances(strings.Repeat("f", 20))...); got.WarmupSeconds != 1 {
		t.Errorf("warm-up of %v s, want 1", got.WarmupSeconds)
	}
	if got := sweep.Summarize(r, load.Spec{}, plan.Default().SLA, "", disturbances(strings.Repeat(".", 20))...); got.WarmupSeconds <= 1 {
		t.Errorf("without a disturbance a warm-up of %v s, want more than 1", got.WarmupSeconds)
	}
}

// TestWarmupOfNoise checks that random service times are rarely detected as a warm-up.
func TestWarmupOfNoise(t *testing.T) {
	const runs = 200
	rng := rand.New(rand.NewPCG(3, 3))
	detected := 0
	for range runs {
		r := runOf(5, func(time.Duration, int, *rand.Rand) time.Duration {
			return time.Duration(float64(20*ms) * (1 + .2*rng.NormFloat64()))
		})
		if s := sweep.Summarize(r, load.Spec{}, plan.Default().SLA, ""); s.WarmupSeconds > .5 {
			detected++
		}
	}
	if detected > runs/20 {
		t.Errorf("a warm-up in %d of %d runs, want at most 5%%", detected, runs)
	}
}

// TestWarmupOfAnOverloadedServer checks that the warm-up is shorter than the time in which requests
// were sent, even if the last answers are much later.
func TestWarmupOfAnOverloadedServer(t *testing.T) {
	r := load.Result{Seconds: 20, Lag: latency.New()}
	for i := range 4000 { // sent in 4 s and answered in 20 s, with decreasing service times
		sent := time.Duration(i) * time.Millisecond
		r.Samples = append(r.Samples, load.Sample{
			Planned: sent, Latency: 4*sent + time.Millisecond, Model: 2*time.Millisecond - sent/4000, Batch: 1, Status: 200,
		})
	}
	l := load.Spec{Mode: load.Open, Rate: 1000}
	got := sweep.Summarize(r, l, plan.Default().SLA, "")
	if got.Counts.OK < 1900 || got.Verdict.Result != trial.Fail {
		t.Errorf("%d answers after a warm-up of %g s, %v: %q; want half of the answers and a failure", got.Counts.OK, got.WarmupSeconds, got.Verdict.Result, got.Verdict.Why)
	}
}
