package main

import (
	"bytes"
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"sweetspot/profiles"
	"sweetspot/sweep"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/stat"
)

// TestJudge: worse only if certain, beyond equal blocks, and perhaps beyond the
// tolerance.
func TestJudge(t *testing.T) {
	in := func(low, value, high float64) stat.Interval { return stat.Interval{Value: value, Low: low, High: high} }
	same := in(.99, 1, 1.01)
	sent := sweep.Turn{Sent: 1000, RPS: 100, PercentileMS: 20}
	failing := sweep.Turn{Sent: 1000, Failed: 30, RPS: 100, PercentileMS: 20}
	for _, tc := range []struct {
		name            string
		percentile, rps stat.Interval
		aa              stat.Interval // of the percentile
		b               sweep.Turn
		limited         int // blocks
		exit            int
		why             string
	}{
		{"equal", same, same, same, sent, 0, exitYes, "nothing is worse"},
		{"better", in(.7, .75, .8), in(1.2, 1.3, 1.4), same, sent, 0, exitYes, "nothing is worse"},
		{"slower answers", in(1.06, 1.08, 1.1), same, same, sent, 0, exitNo, "P99 of request latency is 8.0% higher (6.0% to 10.0%)"},
		{"less throughput", same, in(.85, .9, .93), same, sent, 0, exitNo, "throughput is 10.0% lower (7.0% to 15.0%)"},
		{"both", in(1.06, 1.08, 1.1), in(.85, .9, .93), same, sent, 0, exitNo, "higher (6.0% to 10.0%); throughput is"},
		{"certain but tolerated", in(1.01, 1.02, 1.03), same, in(1, 1, 1), sent, 0, exitYes, "nothing is worse"},
		{"within equal blocks", in(1.06, 1.08, 1.1), same, in(.9, 1, 1.2), sent, 0, exitCannotTell, "may be up to 10.0% higher; 5.0% is tolerated: more --pairs"},
		{"equal blocks as far down", in(1.06, 1.08, 1.1), same, in(.9, .95, 1), sent, 0, exitCannotTell, "more --pairs"},
		{"wide", in(.9, 1.02, 1.2), same, same, sent, 0, exitCannotTell, "more --pairs"},
		{"one wide, one worse", in(.9, 1.02, 1.2), in(.85, .9, .93), same, sent, 0, exitNo, "throughput is"},
		{"open", in(math.NaN(), 1, math.NaN()), same, same, sent, 0, exitCannotTell, "too few pairs tell"},
		{"equal blocks open", in(1.06, 1.08, 1.1), same, in(math.NaN(), 1, math.NaN()), sent, 0, exitCannotTell, "more --pairs"},
		{"failures", same, same, same, failing, 0, exitNo, "30 of 1000 requests fail with B, 0 of 1000 with A"},
		{"a few limited blocks", same, same, same, sent, 4, exitYes, "nothing is worse"},
		{"many limited blocks", same, same, same, sent, 5, exitCannotTell, "in 5 of 40 blocks: generator limited"},
	} {
		m := measured{SLA: plan.Default().SLA, Tolerance: .05}
		m.judge(sweep.Difference{
			Percentile: tc.percentile, PercentileAA: tc.aa, Throughput: tc.rps, ThroughputAA: same,
			A: sent, B: tc.b, Pairs: 20, Limited: tc.limited, LimitedWhy: "generator limited: late",
		}, false)
		if m.Exit != tc.exit || !strings.Contains(m.Why, tc.why) {
			t.Errorf("%s: exit %d, %q; want %d with %q", tc.name, m.Exit, m.Why, tc.exit, tc.why)
		}
		var b bytes.Buffer
		if err := m.write(&b); err != nil || !strings.HasSuffix(b.String(), m.Outcome.String()+": "+m.Why+"\n") {
			t.Errorf("%s: %v\n%s", tc.name, err, b.String())
		}
	}
}

// TestJudgeForced: what the generator limited is judged with force.
func TestJudgeForced(t *testing.T) {
	same := stat.Interval{Value: 1, Low: .99, High: 1.01}
	m := measured{SLA: plan.Default().SLA, Tolerance: .05}
	m.judge(sweep.Difference{Percentile: same, PercentileAA: same, Throughput: same, ThroughputAA: same, Pairs: 2, Limited: 4, Busy: 1}, true)
	if m.Outcome != profiles.NoRegression || len(m.Notes) != 2 || !strings.Contains(m.Notes[0], "busy in 1 of 4 blocks") {
		t.Errorf("%v, notes %q; want it judged, with two notes", m.Outcome, m.Notes)
	}
}

// TestTurnsProgress: not on a terminal it is a line at the start and one for
// each tenth, and the last block needs none.
func TestTurnsProgress(t *testing.T) {
	var b bytes.Buffer
	p := newTurnsProgress(&b, false)
	for done := range 41 {
		p.see(done, 40, time.Duration(40-done)*time.Second)
	}
	p.end()
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != 10 || lines[0] != "block 0 of 40, ETA 40s" || lines[9] != "block 36 of 40, ETA 4s" {
		t.Errorf("%d lines:\n%s", len(lines), b.String())
	}
	b.Reset()
	newTurnsProgress(&b, true).see(0, 40, time.Second)
	if b.Len() > 0 {
		t.Errorf("quiet: %q", b.String())
	}
}

// TestMeasureBroken: why there is no comparison, and what to do.
func TestMeasureBroken(t *testing.T) {
	var b bytes.Buffer
	watch := newTurnsProgress(&b, false)
	watch.see(7, 40, time.Second)
	m := measureFlags{pairs: 20}
	err := m.broken(t.Context(), &sweep.ThinError{Answers: 10, Need: 100, Block: time.Second}, watch, plan.Default().SLA)
	hint, ok := errors.AsType[hinted](err)
	if !ok || !strings.Contains(err.Error(), "gives 10 answers in a block of 1s, and the percentile takes 100") || !strings.Contains(hint.Hint(), "--longest 5m") {
		t.Errorf("too few answers: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(context.Canceled)
	b.Reset()
	if err := m.broken(ctx, errors.New("read: closed"), watch, plan.Default().SLA); !errors.Is(err, context.Canceled) {
		t.Errorf("ctrl+c: %v", err)
	}
	if want := "stopped after 7 of 40 blocks: nothing is concluded from a part\n"; b.String() != want {
		t.Errorf("ctrl+c prints %q, want %q", b.String(), want)
	}
}
