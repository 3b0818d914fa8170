package main

import (
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sweetspot/cmd/bench/judge"
	"sweetspot/sweep/stat"
)

// TestParent: the real program uses processor time with a screen and without, and less than a core.
func TestParent(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds and starts the program")
	}
	got, fields := figureLines(t, "parent")
	want := []string{"parent.cpu.screen-off", "parent.cpu.screen-on", "parent.cpu.bare", "parent.share.screen-off", "parent.share.screen-on"}
	if runtime.GOOS != "linux" {
		want = want[:2]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("figures (-want +got):\n%s", diff)
	}
	for name, f := range fields {
		if !strings.HasPrefix(name, "parent.cpu.") {
			continue
		}
		if share, err := strconv.ParseFloat(f[1], 64); err != nil || share <= 0 || share >= 1 {
			t.Errorf("%s: %q, want a share above 0 and below 1", name, f)
		}
	}
}

// TestShareOfBare: the interval of the ratio is as wide as both intervals allow, and open if the bare loop was disturbed.
func TestShareOfBare(t *testing.T) {
	goal := judge.Goal{Compare: judge.AtMost, Number: 1.3}
	f := judge.Figure{Name: "parent.cpu.screen-on", Value: .06, Unit: "share", Interval: &stat.Interval{Value: .06, Low: .054, High: .066}}
	limit := stat.Interval{Value: .05, Low: .045, High: .06}
	got := shareOfBare(f, limit, false)
	want := stat.Interval{Value: 1.2, Low: .9, High: .066 / .045}
	if d := cmp.Diff(want, *got.Interval, cmpopts.EquateApprox(0, 1e-9)); d != "" || got.Name != "parent.share.screen-on" || got.Status(goal) != judge.Undecided {
		t.Errorf("%+v, interval (-want +got):\n%s", got, d)
	}
	limit.Low = .055
	if s := shareOfBare(f, limit, false).Status(goal); s != judge.OK {
		t.Errorf("%v with at most 1.2, want ok", s)
	}
	if s := shareOfBare(f, limit, true).Status(goal); s != judge.Undecided {
		t.Errorf("%v beside other programs, want undecided", s)
	}
}
