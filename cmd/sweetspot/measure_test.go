package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sweetspot/profiles"
	"sweetspot/sweep"
	"sweetspot/sweep/plan"
)

// TestConclude: the outcome is printed last, and decides the exit code.
func TestConclude(t *testing.T) {
	for outcome, code := range map[profiles.Outcome]int{profiles.NoRegression: exitYes, profiles.Regression: exitNo, profiles.CannotTell: exitCannotTell} {
		m := profiles.Measured{SLA: plan.Default().SLA, Outcome: outcome, Why: "a reason", Notes: []string{}}
		for _, asJSON := range []bool{false, true} {
			var b bytes.Buffer
			got := exitYes
			if err := (&app{out: &b}).conclude(m, asJSON); err != nil {
				quit, ok := errors.AsType[exit](err)
				if !ok {
					t.Fatal(err)
				}
				got = quit.code
			}
			want := outcome.String() + ": a reason\n"
			if asJSON {
				want = fmt.Sprintf("  \"notes\": [],\n  \"outcome\": \"%v\",\n  \"exit\": %d,\n  \"why\": \"a reason\"\n}\n", outcome, code)
			}
			if got != code || !strings.HasSuffix(b.String(), want) {
				t.Errorf("%v: exit code %d, want %d; want this end\n%s\ngot\n%s", outcome, got, code, want, b.String())
			}
		}
	}
}

// TestTurnsProgress: without a terminal it prints a line at the start and one for each tenth,
// but none for the last block.
func TestTurnsProgress(t *testing.T) {
	var b bytes.Buffer
	p := newTurnsProgress(&b, false)
	for done := range 41 {
		p.update(done, 40, time.Duration(40-done)*time.Second)
	}
	p.end()
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != 10 || lines[0] != "block 0 of 40, ETA 40s" || lines[9] != "block 36 of 40, ETA 4s" {
		t.Errorf("%d lines:\n%s", len(lines), b.String())
	}
	b.Reset()
	newTurnsProgress(&b, true).update(0, 40, time.Second)
	if b.Len() > 0 {
		t.Errorf("quiet: %q", b.String())
	}
}

// TestMeasureError: the error of a comparison that did not end has a hint.
func TestMeasureError(t *testing.T) {
	var b bytes.Buffer
	progress := newTurnsProgress(&b, false)
	progress.update(7, 40, time.Second)
	m := measureFlags{pairs: 20}
	err := m.explain(t.Context(), &sweep.TooFewAnswersError{Answers: 10, Need: 100, Block: time.Second}, progress, plan.Default().SLA)
	hint, ok := errors.AsType[hinted](err)
	if !ok || !strings.Contains(err.Error(), "there are 10 answers in a block of 1s, but the percentile needs 100") || !strings.Contains(hint.Hint(), "--longest 5m") {
		t.Errorf("too few answers: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(context.Canceled)
	b.Reset()
	if err := m.explain(ctx, errors.New("read: closed"), progress, plan.Default().SLA); !errors.Is(err, context.Canceled) {
		t.Errorf("ctrl+c: %v", err)
	}
	if want := "stopped after 7 of 40 blocks: there is no result without all of them\n"; b.String() != want {
		t.Errorf("ctrl+c prints %q, want %q", b.String(), want)
	}
}
