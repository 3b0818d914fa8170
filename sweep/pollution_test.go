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

// others are blocks of 500 ms, one for each letter: s steal, f foreign CPU, b
// both, n nothing readable, else quiet.
func mayBeDisturbance(letters string) []sweep.Disturbance {
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

// steady is a run of 100 requests per second that take 10 ms each, and 100 ms
// where they are planned in blocks that others disturb, where each fifth fails.
func steady(noise []sweep.Disturbance) load.Result {
	r := load.Result{Lag: latency.New()}
	for _, d := range noise {
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

func TestPollution(t *testing.T) {
	for _, tt := range []struct {
		name   string
		noise  string
		want   trial.Blocks
		failed int
		maxMS  float64
		warned bool
	}{
		{"quiet", "............", trial.Blocks{Kept: 12}, 0, 10, false},
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
		{"unreadable", "nnnnnnnnnnnn", trial.Blocks{Kept: 12, Why: map[string]int{"n/a": 11}}, 0, 10, false},
		{
			"in part unreadable", "..n.s.......",
			trial.Blocks{Kept: 11, Rejected: 1, Why: map[string]int{"n/a": 1, "steal": 1}},
			10, 10, false,
		},
		{ // of the block that the warm-up of .6 s ends in, the rest counts
			"warm-up", "bs..........",
			trial.Blocks{Kept: 11, Rejected: 1, Why: map[string]int{"steal": 1}},
			8, 10, true,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			noise := mayBeDisturbance(tt.noise)
			got := sweep.Summarize(steady(noise), load.Spec{}, plan.Default().SLA, "", noise...)
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

func TestPollutionWarning(t *testing.T) {
	noise := mayBeDisturbance(".." + strings.Repeat("f", 7) + "..")
	r := sweep.Summarize(steady(noise), load.Spec{}, plan.Default().SLA, "", noise...)
	want := []trial.Warning{{Text: "machine busy with other work: 70% of blocks; figures not cleaned"}}
	if d := cmp.Diff(want, r.Warnings); d != "" {
		t.Errorf("warnings (-want +got):\n%s", d)
	}
	sla := plan.Default().SLA
	sla.Limit, sla.MaxErrorRate = 60*ms, 1
	v := sweep.Summarize(steady(noise), load.Spec{}, sla, "", noise...).Verdict
	if v.Result != trial.Undecided || !strings.HasPrefix(v.Why, "machine busy") {
		t.Errorf("slow on a busy machine: %v, %q; want undecided", v.Result, v.Why)
	}
	sla.Limit = 4 * ms
	if v := sweep.Summarize(steady(noise), load.Spec{}, sla, "", noise...).Verdict; v.Result != trial.Fail {
		t.Errorf("hopeless on a busy machine: %v, %q; want fail", v.Result, v.Why)
	}
}

// A Stop waits for a burst of other work to end, but not for ever.
func TestCleanWaits(t *testing.T) {
	for _, tt := range []struct {
		blocks  int // of half a second, all of them busy
		elapsed time.Duration
		samples int
	}{{8, 400 * ms, 40}, {12, 6 * time.Second, 600}} {
		noise := mayBeDisturbance(strings.Repeat("f", tt.blocks))
		r := steady(noise)
		elapsed, got := sweep.CutDisturbed(time.Duration(tt.blocks)*500*ms, r.Samples, noise)
		if elapsed != tt.elapsed || len(got) != tt.samples {
			t.Errorf("%d busy blocks: %v with %d samples, want %v with %d", tt.blocks, elapsed, len(got), tt.elapsed, tt.samples)
		}
	}
}

// What Clean leaves is a run of the clean blocks alone.
func TestClean(t *testing.T) {
	noise := mayBeDisturbance("..f...s...")
	r := steady(noise)
	elapsed, got := sweep.CutDisturbed(5*time.Second, r.Samples, noise)
	if elapsed != 4*time.Second || len(got) != 400 {
		t.Fatalf("%v with %d samples left, want 4s with 400", elapsed, len(got))
	}
	for i, s := range got {
		if s.Planned != time.Duration(i)*10*ms || s.Latency != 10*ms {
			t.Fatalf("sample %d planned at %v took %v, want %v and 10ms", i, s.Planned, s.Latency, time.Duration(i)*10*ms)
		}
	}
	if d := cmp.Diff(steady(noise).Samples, r.Samples); d != "" {
		t.Errorf("the caller's samples changed (-want +got):\n%s", d)
	}
	elapsed, got = sweep.CutDisturbed(5*time.Second, r.Samples, nil)
	if elapsed != 5*time.Second || len(got) != len(r.Samples) {
		t.Errorf("without noise: %v with %d samples left, want all", elapsed, len(got))
	}
}

// serving is a run of n seconds of a server whose batches take model(at, rng),
// with batches of 1 to 4.
func serving(n int, model func(at time.Duration, size int, rng *rand.Rand) time.Duration) load.Result {
	r := load.Result{Seconds: float64(n), Lag: latency.New()}
	rng := rand.New(rand.NewPCG(1, 1))
	for at := time.Duration(0); at < time.Duration(n)*time.Second; {
		size := 1 + int(at/(300*ms))%4 // as the queue wanders
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
		{"at rest from the beginning", 10, func(_ time.Duration, size int, rng *rand.Rand) time.Duration {
			return time.Duration(noisy(size, rng))
		}, 1, 1},
		{"slow at first", 10, func(at time.Duration, size int, rng *rand.Rand) time.Duration {
			if at < 3*time.Second {
				return time.Duration(1.5 * noisy(size, rng))
			}
			return time.Duration(noisy(size, rng))
		}, 3, 3.5},
		{"slow for less than is cut anyway", 10, func(at time.Duration, size int, rng *rand.Rand) time.Duration {
			if at < 500*ms {
				return time.Duration(1.5 * noisy(size, rng))
			}
			return time.Duration(noisy(size, rng))
		}, 1, 1},
		{"never at rest", 10, func(at time.Duration, size int, rng *rand.Rand) time.Duration {
			return time.Duration(noisy(size, rng) * (1 + at.Seconds()/5))
		}, 4.95, 5}, // half of the time in which requests were sent
		{"too short to tell", 1, func(at time.Duration, size int, rng *rand.Rand) time.Duration {
			return time.Duration(noisy(size, rng) * (1 + at.Seconds()))
		}, .25, .25},
		{"no time at all", 0, nil, .25, .25},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := sweep.Summarize(serving(tt.seconds, tt.model), load.Spec{}, plan.Default().SLA, "")
			if r.WarmupSeconds < tt.low || r.WarmupSeconds > tt.top {
				t.Errorf("warm-up of %v s, want %v-%v", r.WarmupSeconds, tt.low, tt.top)
			}
		})
	}
}

// On a machine that others keep busy, times that fall say nothing of the service.
func TestWarmupOfABusyMachine(t *testing.T) {
	r := serving(10, func(at time.Duration, _ int, _ *rand.Rand) time.Duration { return 20*ms - at/2000 })
	if got := sweep.Summarize(r, load.Spec{}, plan.Default().SLA, "", mayBeDisturbance(strings.Repeat("f", 20))...); got.WarmupSeconds != 1 {
		t.Errorf("warm-up of %v s, want 1", got.WarmupSeconds)
	}
	if got := sweep.Summarize(r, load.Spec{}, plan.Default().SLA, "", mayBeDisturbance(strings.Repeat(".", 20))...); got.WarmupSeconds <= 1 {
		t.Errorf("on a quiet machine a warm-up of %v s, want more than 1", got.WarmupSeconds)
	}
}

// Service times that only scatter are rarely taken for a warm-up.
func TestWarmupOfNoise(t *testing.T) {
	const runs = 200
	rng := rand.New(rand.NewPCG(3, 3))
	cut := 0
	for range runs {
		r := serving(5, func(time.Duration, int, *rand.Rand) time.Duration {
			return time.Duration(float64(20*ms) * (1 + .2*rng.NormFloat64()))
		})
		if s := sweep.Summarize(r, load.Spec{}, plan.Default().SLA, ""); s.WarmupSeconds > .5 {
			cut++
		}
	}
	if cut > runs/20 {
		t.Errorf("%d of %d runs were cut, want at most 5%%", cut, runs)
	}
}

// TestWarmupOfAnOverloadedServer: answers that come long after the last request was
// sent do not make all of what was sent the warm-up.
func TestWarmupOfAnOverloadedServer(t *testing.T) {
	r := load.Result{Seconds: 20, Lag: latency.New()}
	for i := range 4000 { // sent in 4 s, answered in 20, by a service that speeds up
		sent := time.Duration(i) * time.Millisecond
		r.Samples = append(r.Samples, load.Sample{
			Planned: sent, Latency: 4*sent + time.Millisecond, Model: 2*time.Millisecond - sent/4000, Batch: 1, Status: 200,
		})
	}
	l := load.Spec{Mode: load.Open, Rate: 1000}
	got := sweep.Summarize(r, l, plan.Default().SLA, "")
	if got.Counts.OK < 1900 || got.Verdict.Result != trial.Fail {
		t.Errorf("%d answers judged after %g s, %v: %q; want half of them and a failure", got.Counts.OK, got.WarmupSeconds, got.Verdict.Result, got.Verdict.Why)
	}
}
