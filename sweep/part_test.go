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

// phase is a part of a made run: requests at a mean distance, each with a latency and a service time.
type phase struct {
	until            time.Duration
	gap              time.Duration
	latency, service time.Duration
}

// phasedRun returns a run with these phases. The times vary by a few percent.
func phasedRun(phases ...phase) load.Result {
	rng := rand.New(rand.NewPCG(1, 2))
	vary := func(d time.Duration) time.Duration { return time.Duration(float64(d) * (1 + .05*rng.Float64())) }
	var r load.Result
	at := time.Duration(0)
	for _, p := range phases {
		for ; at < p.until; at += time.Duration(rng.ExpFloat64() * float64(p.gap)) {
			r.Samples = append(r.Samples, load.Sample{Planned: at, Latency: vary(p.latency), Model: vary(p.service), Batch: 1, Status: 200})
		}
	}
	r.Sent, r.Planned, r.Seconds = len(r.Samples), len(r.Samples), at.Seconds()
	return r
}

const limit100 = 100 * ms

var (
	trace   = load.Spec{Mode: load.Trace, File: "x", Over: 100 * time.Second}
	fixed   = load.Spec{Mode: load.Open, Rate: 200}
	percent = trial.SLA{Percentile: 99, Limit: limit100}
)

// TestTraceCountsWhole: the first part of a trace is no warm-up, whether its service times differ or its latencies.
func TestTraceCountsWhole(t *testing.T) {
	for _, c := range []struct {
		name   string
		phases []phase
	}{
		{"a busy hour with longer service times", []phase{{40 * time.Second, 5 * ms, 120 * ms, 40 * ms}, {100 * time.Second, 7 * ms, 90 * ms, 30 * ms}}},
		{"a burst in the first second", []phase{{1500 * ms, ms, 300 * ms, 10 * ms}, {60 * time.Second, 50 * ms, 12 * ms, 10 * ms}}},
	} {
		r := phasedRun(c.phases...)
		out := sweep.Summarize(r, trace, percent, "")
		if out.WarmupSeconds != 0 || out.Counts.Sent != len(r.Samples) || out.Verdict.Result == trial.Pass {
			t.Errorf("%s: warm-up %g s, %d of %d requests, %s %s", c.name, out.WarmupSeconds, out.Counts.Sent, len(r.Samples), out.Verdict.Result, out.Verdict.Why)
		}
	}
}

// disturbedBetween returns the blocks of a run of 100 s; in those between the two times the hypervisor took 5%.
func disturbedBetween(from, to time.Duration) (out []sweep.Disturbance) {
	const block = 250 * ms
	for at := time.Duration(0); at < 100*time.Second; at += block {
		d := sweep.Disturbance{From: at, To: at + block}
		if at >= from && at < to {
			d.Steal = .05
		}
		out = append(out, d)
	}
	return out
}

// TestDisturbedTrace: the only burst of a trace counts, although the machine was busy. A failure because of the disturbed blocks alone
// is undecided.
func TestDisturbedTrace(t *testing.T) {
	burst := func(latency time.Duration) load.Result {
		return phasedRun(phase{50 * time.Second, 10 * ms, 30 * ms, 10 * ms}, phase{53 * time.Second, ms, latency, 10 * ms}, phase{100 * time.Second, 10 * ms, 30 * ms, 10 * ms})
	}
	for _, c := range []struct {
		name     string
		run      load.Result
		from, to time.Duration
		want     trial.Answer
	}{
		{"a burst over the limit, disturbed", burst(350 * ms), 49 * time.Second, 54 * time.Second, trial.Undecided},
		{"a burst over the limit, another part disturbed", burst(350 * ms), 10 * time.Second, 15 * time.Second, trial.Fail},
		{"a burst within the limit, disturbed", burst(40 * ms), 49 * time.Second, 54 * time.Second, trial.Pass},
	} {
		out := sweep.Summarize(c.run, trace, percent, "", disturbedBetween(c.from, c.to)...)
		if out.Verdict.Result != c.want || out.Blocks.Rejected != 0 || out.Blocks.Kept != 400 {
			t.Errorf("%s: %s %s, %+v, want %s", c.name, out.Verdict.Result, out.Verdict.Why, out.Blocks, c.want)
		}
		if len(out.Warnings) != 1 || !strings.Contains(out.Warnings[0].Text, "machine busy with other work in 5% of blocks, which count") {
			t.Errorf("%s: warnings %v", c.name, out.Warnings)
		}
	}
}

// TestSlowStartIsNoPass: a first part with longer service times may be a warm-up, or a slow phase of the server. If the promise is
// broken with it, the verdict is undecided.
func TestSlowStartIsNoPass(t *testing.T) {
	for _, c := range []struct {
		slow    time.Duration
		latency time.Duration
		want    trial.Answer
	}{
		{5 * time.Second, 130 * ms, trial.Undecided},
		{40 * time.Second, 130 * ms, trial.Undecided},
		{40 * time.Second, 80 * ms, trial.Pass},
	} {
		r := phasedRun(phase{c.slow, 5 * ms, c.latency, c.latency}, phase{100 * time.Second, 5 * ms, 20 * ms, 20 * ms})
		out := sweep.Summarize(r, fixed, percent, "")
		if out.Verdict.Result != c.want || out.WarmupSeconds < c.slow.Seconds()-1 {
			t.Errorf("%v of %v: %s %s, warm-up %g s, want %s", c.slow, c.latency, out.Verdict.Result, out.Verdict.Why, out.WarmupSeconds, c.want)
		}
		if c.want == trial.Undecided && !strings.Contains(out.Verdict.Why, "may be a warm-up, and with them the promise is broken") {
			t.Errorf("%v: %s", c.slow, out.Verdict.Why)
		}
	}
}

// TestHorizonIsSeen: a pass needs a run as long as the horizon.
func TestHorizonIsSeen(t *testing.T) {
	r := phasedRun(phase{100 * time.Second, 5 * ms, 20 * ms, 20 * ms})
	for horizon, want := range map[time.Duration]trial.Answer{95 * time.Second: trial.Pass, 99 * time.Second: trial.Undecided, time.Hour: trial.Undecided} {
		sla := percent
		sla.Horizon = horizon
		out := sweep.Summarize(r, fixed, sla, "")
		if out.Verdict.Result != want || want == trial.Undecided && !strings.HasPrefix(out.Verdict.Why, "seen for 1m38s of the horizon of ") {
			t.Errorf("horizon %v: %s %s, want %s", horizon, out.Verdict.Result, out.Verdict.Why, want)
		}
	}
}

// TestRefusedAtStart: clients whose requests are refused at once send all of them within what would be the warm-up.
func TestRefusedAtStart(t *testing.T) {
	r := load.Result{Seconds: 3, Sent: 3000}
	for i := range r.Sent {
		s := load.Sample{Planned: time.Duration(i) * 50 * time.Microsecond, Latency: ms, Status: 503, Outcome: load.Refused}
		if i < 100 {
			s.Latency, s.Model, s.Status, s.Batch, s.Outcome = time.Duration(i+1)*30*ms, 30*ms, 200, 1, load.OK
		}
		r.Samples = append(r.Samples, s)
	}
	for _, l := range []load.Spec{{Mode: load.Closed, Concurrency: 500}, {Mode: load.Open, Rate: 20000}} {
		out := sweep.Summarize(r, l, percent, "")
		if out.Verdict.Result != trial.Fail || out.Counts.Refused != 2900 {
			t.Errorf("%v: %s %s, %d refused", l, out.Verdict.Result, out.Verdict.Why, out.Counts.Refused)
		}
	}
}

// TestHeldTrace: what a hold must know of the undisturbed time of a trace is without its disturbed blocks, although all of it counts
// for the verdict.
func TestHeldTrace(t *testing.T) {
	r := phasedRun(phase{50 * time.Second, 10 * ms, 30 * ms, 10 * ms}, phase{53 * time.Second, ms, 350 * ms, 10 * ms}, phase{100 * time.Second, 10 * ms, 30 * ms, 10 * ms})
	out := sweep.Summarize(r, trace, percent, "", disturbedBetween(49*time.Second, 54*time.Second)...)
	if u, all := out.Held.Undisturbed, out.Held.All; u.Over != 0 || all.Over < 1000 || u.N >= all.N {
		t.Errorf("undisturbed %+v, all %+v", u, all)
	}
}
