package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/sweep"
	"sweetspot/sweep/stat/stattest"
)

func TestInterval(t *testing.T) {
	want := []string{"interval.simulated"}
	for _, u := range []string{"u40", "u60", "u80", "eager-u80", "u90"} {
		for _, what := range []string{
			"settled.", "requests.settled-", "stopped.", "open.",
			"provisional.false-pass.", "provisional.false-fail.", "provisional.undecided.", "requests.verdict-",
			"long.false-pass.", "long.false-fail.", "long.undecided.",
		} {
			want = append(want, "interval."+what+u)
		}
	}
	want = append(want, "interval.false-pass.raw", "interval.false-pass.corrected", "interval.false-pass.fitted",
		"interval.selection.u60", "interval.selection.u80",
		"interval.overload.passes-2", "interval.overload.passes-5", "interval.keeps-up.70", "interval.keeps-up.90")
	for _, f := range stattest.Families() {
		for _, what := range []string{"provisional.false-pass.", "provisional.false-fail.", "provisional.undecided.", "long.false-pass.", "long.false-fail.", "long.undecided.", "settles."} {
			want = append(want, "interval."+what+f.Name)
		}
	}
	var got []string
	for line := range strings.Lines(measure(t, "interval")) {
		if f := strings.Fields(line); strings.HasPrefix(f[0], "interval.") && !settledFamily(f[0]) {
			got = append(got, f[0])
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("figures (-want +got):\n%s", diff)
	}
}

// settledFamily reports whether a figure exists only if a run of a family settled.
func settledFamily(name string) bool {
	serverOf, ok := strings.CutPrefix(name, "interval.settled.")
	return ok && slices.ContainsFunc(stattest.Families(), func(f stattest.Family) bool { return f.Name == serverOf })
}

// The seed determines a trial, so the figures do not depend on the machine.
func TestTrialDeterministic(t *testing.T) {
	var first trialOutcome
	for run := range 2 {
		c := cell{name: "u60", rho: .6, intervalBudget: tiny.intervals(), seed: 1}
		if err := c.drawServers(t.Context()); err != nil {
			t.Fatal(err)
		}
		sla := c.serverOf(0).slaAt(1.1)
		k, err := measureTrial(t.Context(), c.serverOf(0), c.seedFor(0, 3), sla, verdictMax, sweep.UntilCertain(sla, c.serverOf(0).load))
		if err != nil {
			t.Fatal(err)
		}
		if run == 0 {
			first = k
		} else if k != first {
			t.Errorf("the same trial again: %+v, before %+v", k, first)
		}
	}
}

func TestEach(t *testing.T) {
	var sum atomic.Int64
	err := each(t.Context(), 100, func(i int) error {
		sum.Add(int64(i))
		return nil
	})
	if err != nil || sum.Load() != 4950 {
		t.Errorf("each of 100: sum %d, %v", sum.Load(), err)
	}
	broken := errors.New("broken")
	if err := each(t.Context(), 100, func(i int) error {
		if i == 3 {
			return broken
		}
		return nil
	}); !errors.Is(err, broken) {
		t.Errorf("each with an error: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(broken)
	if err := each(ctx, 3, func(int) error { return nil }); !errors.Is(err, broken) {
		t.Errorf("each after the context's end: %v", err)
	}
}
