package sweep_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// overLimit returns the tail of 5000 independent latencies of which so many are over the limit.
func overLimit(over int) trial.Tail {
	return trial.Tail{N: 5000, Over: over, Near: 500, Clusters: over, Squares: float64(over), Largest: min(1, float64(over))}
}

// goodPeriod returns minute n of a hold in which the promise is kept.
func goodPeriod(n int) trial.HoldPeriod {
	return trial.HoldPeriod{
		N: n, FromS: float64(60 * (n - 1)), Seconds: 60, Undisturbed: overLimit(20), All: overLimit(20), Failed: trial.Tail{N: 5000},
		Verdict: trial.Verdict{ValueMS: trial.NumOf(80 + float64(n%3)), Why: "why"}, MemoryMB: trial.NumOf(400),
	}
}

// holdWith returns the result of an hour in which change has changed the minutes.
func holdWith(sla trial.SLA, minutes int, change func(*trial.HoldPeriod)) trial.Hold {
	var all []trial.HoldPeriod
	for n := 1; n <= minutes; n++ {
		p := goodPeriod(n)
		change(&p)
		p.Broken = p.Broken || sweep.BrokenPeriod(sla, p, 60)
		all = append(all, p)
	}
	ended := ""
	if minutes < 60 {
		ended = "stopped"
	}
	return sweep.JudgeHold(sla, all, 60, ended)
}

func TestJudgeHold(t *testing.T) {
	sla := trial.SLA{Percentile: 99, Limit: 100 * time.Millisecond}
	some := sla
	some.MaxErrorRate = .01
	const pass, fail, undecided = trial.Pass, trial.Fail, trial.Undecided
	for _, tt := range []struct {
		name    string
		sla     trial.SLA
		minutes int
		change  func(*trial.HoldPeriod)
		want    trial.Answer
		why     string
	}{
		{name: "all good", want: pass},
		{name: "one minute a little over, by chance", want: pass, change: minute(30, func(p *trial.HoldPeriod) { p.Undisturbed, p.All = overLimit(60), overLimit(60) })},
		{name: "one minute certainly over", want: fail, why: "in 29m0s-30m0s 2.4% of the requests took longer than 100ms", change: minute(30, func(p *trial.HoldPeriod) { p.Undisturbed, p.All = overLimit(120), overLimit(120) })},
		{name: "each minute a little over", want: fail, why: "1.2% of 300000 requests", change: func(p *trial.HoldPeriod) { p.Undisturbed, p.All = overLimit(60), overLimit(60) }},
		{name: "the last six minutes over", want: fail, why: "in 54m0s-1h0m0s 1.3%", change: after(54, func(p *trial.HoldPeriod) { p.Undisturbed, p.All = overLimit(65), overLimit(65) })},
		{name: "the last six minutes perhaps over", want: undecided, why: "which is not certain", change: after(54, func(p *trial.HoldPeriod) { p.Undisturbed, p.All = overLimit(51), overLimit(51) })},
		{name: "a minute over when others used the machine", want: undecided, why: "others used the machine", change: minute(30, func(p *trial.HoldPeriod) {
			p.Undisturbed, p.All, p.Blocks.Rejected = overLimit(0), overLimit(4000), 40
		})},
		{name: "disturbed and over, all blocks kept", want: undecided, change: minute(30, func(p *trial.HoldPeriod) {
			p.Undisturbed, p.All, p.Blocks.Disturbed = overLimit(4000), overLimit(4000), 200
		})},
		{name: "disturbed all the time, and within the limit", want: pass, change: func(p *trial.HoldPeriod) { p.Blocks.Disturbed = 200 }},
		{name: "one error", want: fail, why: "1 of 300000 requests failed, timed out or were refused, the first in 29m0s-30m0s; none may", change: minute(30, func(p *trial.HoldPeriod) {
			p.Failed = trial.Tail{N: 5000, Over: 1, Clusters: 1, Squares: 1, Largest: 1}
		})},
		{name: "one error of few that may be", sla: some, want: pass, change: minute(30, func(p *trial.HoldPeriod) {
			p.Failed = trial.Tail{N: 5000, Over: 1, Clusters: 1, Squares: 1, Largest: 1}
		})},
		{name: "too many errors", sla: some, want: fail, why: "2% of 300000 requests failed", change: func(p *trial.HoldPeriod) {
			p.Failed = trial.Tail{N: 5000, Over: 100, Clusters: 100, Squares: 100, Largest: 1}
		}},
		{name: "the server died", sla: some, want: fail, why: "the server ended unexpectedly in 29m0s-30m0s", change: minute(30, func(p *trial.HoldPeriod) {
			p.Error, p.Died, p.All, p.Failed = "engine died", true, trial.Tail{}, trial.Tail{}
		})},
		{name: "a backlog", want: fail, why: "broken in 29m0s-30m0s: why", change: minute(30, func(p *trial.HoldPeriod) { p.Backlog = true })},
		{name: "the generator was the limit in four minutes", want: undecided, why: "only 56 of 60", change: after(56, func(p *trial.HoldPeriod) { p.Limited = true })},
		{name: "the generator was the limit in one minute", want: pass, change: minute(30, func(p *trial.HoldPeriod) { p.Limited = true })},
		{name: "stopped", minutes: 59, want: undecided, why: "only 59 of 60"},
		{name: "stopped after it broke", minutes: 40, want: fail, change: minute(30, func(p *trial.HoldPeriod) { p.Undisturbed, p.All = overLimit(120), overLimit(120) })},
		{name: "nothing", minutes: -1, want: undecided, why: "only 0 of 60"},
		{name: "few answers", want: undecided, why: "3000 of the 6000 latencies", change: func(p *trial.HoldPeriod) { p.Undisturbed, p.All = trial.Tail{N: 50}, trial.Tail{N: 50} }},
		{name: "a long stall", want: undecided, why: "may be up to", change: minute(30, func(p *trial.HoldPeriod) {
			p.Undisturbed = trial.Tail{N: 5000, Over: 800, Near: 800, Clusters: 1, Squares: 640000, Largest: 800}
			p.All = p.Undisturbed
		})},
		{name: "no answer in time for a minute", want: fail, change: minute(30, func(p *trial.HoldPeriod) {
			p.Undisturbed = trial.Tail{N: 5000, Over: 5000, Near: 5000, Clusters: 1, Squares: 25e6, Largest: 5000}
			p.All = p.Undisturbed
		})},
	} {
		if tt.sla == (trial.SLA{}) {
			tt.sla = sla
		}
		if tt.minutes == 0 {
			tt.minutes = 60
		}
		if tt.change == nil {
			tt.change = func(*trial.HoldPeriod) {}
		}
		got := holdWith(tt.sla, tt.minutes, tt.change)
		if got.Result != tt.want || !strings.Contains(got.Why, tt.why) {
			t.Errorf("%s: %v, %q, want %v, %q", tt.name, got.Result, got.Why, tt.want, tt.why)
		}
	}
}

// minute changes only minute n.
func minute(n int, change func(*trial.HoldPeriod)) func(*trial.HoldPeriod) {
	return func(p *trial.HoldPeriod) {
		if p.N == n {
			change(p)
		}
	}
}

// after changes the minutes after minute n.
func after(n int, change func(*trial.HoldPeriod)) func(*trial.HoldPeriod) {
	return func(p *trial.HoldPeriod) {
		if p.N > n {
			change(p)
		}
	}
}

// Memory that grows all the time drifts; memory that grew once, and the highest memory so far of a steady server, do not.
func TestHoldMemory(t *testing.T) {
	sla := trial.SLA{Percentile: 99, Limit: 100 * time.Millisecond}
	rng := rand.New(rand.NewPCG(1, 1))
	for _, tt := range []struct {
		name string
		at   func(minute int) float64
		want trial.Drift
	}{
		{"a leak", func(n int) float64 { return 400 + .1*float64(n) + rng.Float64() }, trial.Growing},
		{"steady", func(int) float64 { return 400 + rng.Float64() }, trial.Steady},
		{"equal", func(int) float64 { return 400 }, trial.Steady},
		{"once", func(n int) float64 { return 400 + 200*float64(n/31) }, trial.Unclear},
		{"released", func(n int) float64 { return 400 - float64(n) }, trial.Falling},
	} {
		got := holdWith(sla, 60, func(p *trial.HoldPeriod) { p.MemoryMB = trial.NumOf(tt.at(p.N)) }).Memory
		if got.Drift != tt.want {
			t.Errorf("%s: %s (%s), want %s", tt.name, got.Drift, got.Why, tt.want)
		}
	}
	growing := 0
	for range 400 {
		highest := 400.
		if holdWith(sla, 60, func(p *trial.HoldPeriod) {
			highest = max(highest, 400+20*rng.Float64())
			p.MemoryMB = trial.NumOf(highest)
		}).Memory.Drift == trial.Growing {
			growing++
		}
	}
	if growing > 20 {
		t.Errorf("the highest memory so far of a steady server grows in %d of 400 holds", growing)
	}
	none := holdWith(sla, 60, func(p *trial.HoldPeriod) { p.MemoryMB = trial.Num{} }).Memory
	if none.Drift != trial.Unclear || none.Why == "" {
		t.Errorf("no memory: %+v", none)
	}
}

func TestPeriodsOf(t *testing.T) {
	for _, tt := range []struct {
		hold time.Duration
		rate float64
		load load.Spec
		want int
	}{
		{time.Hour, 100, load.Spec{}, 60},
		{24 * time.Hour, 100, load.Spec{}, 1440},
		{20 * time.Minute, 100, load.Spec{}, 20},
		{10 * time.Minute, 100, load.Spec{}, 20},
		{2 * time.Minute, 100, load.Spec{}, 12},
		{time.Minute, 100, load.Spec{}, 6},
		{time.Hour, 0, load.Spec{}, 60},
		{time.Hour, 1, load.Spec{}, 10}, // a minute has too few answers for a P99
		{time.Hour, .01, load.Spec{}, 6},
		{time.Hour, 0, load.Spec{Mode: load.Trace, Over: 7 * time.Minute}, 9},
		{time.Minute, 0, load.Spec{Mode: load.Trace, Over: 7 * time.Minute}, 1},
	} {
		if got := sweep.PeriodsOf(tt.hold, trial.SLA{Percentile: 99}, tt.rate, tt.load); got != tt.want {
			t.Errorf("%v at %g/s, %v: %d periods, want %d", tt.hold, tt.rate, tt.load, got, tt.want)
		}
	}
}
