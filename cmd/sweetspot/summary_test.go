package main

import (
	"strings"
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// likelyPass returns a run of one setting that probably keeps the promise.
func likelyPass(n int, rps float64, role trial.Role, result trial.Answer) trial.Trial {
	t := trial.Trial{N: n, Role: role, Settings: knob.Settings{Workers: 2, BatchSize: 8, Precision: knob.FullPrecision, Device: "cpu", Threads: 1, QueueSize: 100}, Load: load.Spec{Concurrency: 10}}
	t.Throughput = trial.Estimate{Value: trial.NumOf(rps), Low: trial.NumOf(rps - 5), High: trial.NumOf(rps + 5)}
	t.Latency.P99.Value = trial.NumOf(4400)
	t.Counts = trial.Counts{Sent: 1304, OK: 1304}
	t.Verdict = trial.Verdict{
		Result: result, Leaning: trial.Pass, Percentile: 99, LimitMS: 25,
		ValueMS: trial.NumOf(22.1), LowMS: trial.NumOf(18), Why: "1304 of the 2000 requests that a pass takes",
	}
	return t
}

func TestSummary(t *testing.T) {
	p := plan.Plan{
		SLA:   trial.SLA{Percentile: 99, Limit: 25 * time.Millisecond},
		Loads: []load.Spec{{Concurrency: 10}}, Budget: plan.Budget{Time: time.Minute},
	}
	runs := []trial.Trial{likelyPass(1, 940, trial.RoleLoad, trial.Undecided), likelyPass(2, 951, trial.RoleControl, trial.Undecided), likelyPass(3, 955, trial.RoleValidation, trial.Pass)}
	choice := &trial.Choice{N: 3, Settings: runs[0].Settings, Why: trial.Explanation{Lines: []trial.Line{{Label: "limits", Text: "execution takes 9 ms"}}}}
	open := append([]trial.Trial(nil), runs...)
	open[2].Verdict.Result = trial.Undecided
	unvalidated := append([]trial.Trial(nil), open[:1]...)
	capped := append([]trial.Trial(nil), open[:1]...)
	capped[0].GeneratorLimited = true
	capped[0].Warnings = []trial.Warning{{Kind: trial.GeneratorLimited, Text: "generator limited: --max-rate 100 held back 98% of the requests"}}
	model := append([]trial.Trial(nil), runs...)
	for i := range model {
		model[i].Verdict.Latency = trial.ModelLatency
	}
	byModel := p
	byModel.SLA.Latency = trial.ModelLatency
	fixed := p
	fixed.Trial.Requests = 2000
	const first = "best: 2 workers, batch 8, delay 0 ms, fp32, cpu, 1 thread: 951.0 requests/s (935.0-960.0, 3 runs), "
	for _, c := range []struct {
		name string
		plan plan.Plan
		st   session.Sweep
		want []string // the beginnings of the lines
	}{
		{"a choice", p, session.Sweep{Trials: runs, Best: 2, Unconfirmed: -1, Choice: choice}, []string{first + "P99 of request latency 22.1 ms, at most 25 with 95%, within 25ms", "limits    execution"}},
		{"by model latency", byModel, session.Sweep{Trials: model, Best: 2, Unconfirmed: -1, Choice: choice}, []string{first + "P99 of model latency 22.1 ms, at most 25 with 95%, within 25ms; requests took P99 4400.0 ms", "limits"}},
		{
			"an undecided validation", p,
			session.Sweep{Trials: open, Best: -1, Unconfirmed: 2},
			[]string{
				"cannot tell: most promising is 2 workers, batch 8, delay 0 ms, fp32, cpu, 1 thread: 951.0 requests/s (935.0-960.0, 3 runs), P99 of request latency 22.1 ms, at least 18.0 with 95%, to be within 25ms; its validation is undecided: 1304 of the 2000 requests",
				"next      about 696 more answers, about 0.7 s, would decide it: --budget 1m30s. Alternatives:",
			},
		},
		{
			"not validated", p,
			session.Sweep{Trials: unvalidated, Best: -1, Unconfirmed: 0, Problem: "budget of 1m0s used up"},
			[]string{"cannot tell (budget of 1m0s used up after 1 trials): most promising is 2 workers", "next      a validation of it takes about 2000 answers, about 2.1 s: --budget 1m30s"},
		},
		{
			"held back by --max-rate", fixed,
			session.Sweep{Trials: capped, Best: -1, Unconfirmed: 0},
			[]string{"cannot tell: most promising is 2 workers", "next      --max-rate was the limit, not the server: "},
		},
		{
			"all held back by --max-rate", p,
			session.Sweep{Trials: capped, Best: -1, Unconfirmed: -1},
			[]string{"cannot tell: no setting is known to keep", "next      --max-rate was the limit, not the server: "},
		},
		{"trials of a fixed length", fixed, session.Sweep{Trials: open, Best: -1, Unconfirmed: 2}, []string{"cannot tell: most promising", "next      trials of this plan have 2000 requests: more can decide it (--requests 4000 "}},
	} {
		got := summary(c.plan, sweep.Info{Limits: knob.Limits{}, Fixed: map[knob.Name]string{knob.FP16: "x", knob.Device: "x"}}, c.st)
		if len(got) != len(c.want) {
			t.Errorf("%s: %d lines, want %d:\n%q", c.name, len(got), len(c.want), got)
			continue
		}
		for i, w := range c.want {
			if !strings.HasPrefix(got[i].String(), w) {
				t.Errorf("%s:\n got %v\nwant %s", c.name, got[i], w)
			}
		}
	}
}

func TestWrapLine(t *testing.T) {
	for _, c := range []struct {
		line trial.Line
		want string
	}{
		{trial.Line{Label: "limits", Text: "execution takes 9.0 ms, the queue 8.9"}, "limits    execution takes 9.0\n          ms, the queue 8.9"},
		{trial.Line{Label: "left out", Text: "2 x often; 1 x rare; and more"}, "left out  2 x often; 1 x rare;\n          and more"},
		{trial.Line{Text: "best: 2 workers, batch 8, delay 1 ms"}, "best: 2 workers, batch 8,\ndelay 1 ms"},
	} {
		if got := wrapLine(c.line, 30); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
		if got := wrapLine(c.line, 0); got != c.line.String() {
			t.Errorf("without a width: %q", got)
		}
	}
}
