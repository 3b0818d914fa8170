package tui

import (
	"slices"
	"strings"
	"testing"

	"sweetspot/sweep/rank"
	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// undecidedSweep is a finished sweep in which nothing passes. #2 is slower than #1, which is nearer to the limit.
func undecidedSweep() *session.Snapshot {
	s := swept()
	w := *s.Sweep
	w.Trials = []trial.Trial{
		newTrial(1, 2, 8, 19.5, 640, trial.Undecided), newTrial(2, 1, 1, 8, 110, trial.Undecided), newTrial(3, 4, 8, 22, 700, trial.Fail),
		newTrial(4, 1, 2, 31, 205, trial.Fail), newTrial(5, 1, 2, 30, 210, trial.Undecided),
	}
	w.Choice, w.Best, w.Total = nil, -1, 5
	s.Sweep = &w
	return s
}

// All views and the sweep without a screen agree on the most promising setting, and on the order of the others.
func TestOneOrder(t *testing.T) {
	s := undecidedSweep()
	sc := newScreen(t, 120, 36, s)
	sc.press("2")
	unconfirmed, _ := rank.New(rank.RulesOf(s.Sweep.Plan), s.Sweep.Trials).Unconfirmed()
	var table, points []int
	for _, r := range sc.rows() {
		table = append(table, r.N)
	}
	for i := range sc.points {
		points = append(points, sc.points[i].row.Joined.N)
	}
	want := []int{1, 2, 3, 5}
	if n := unconfirmed.Joined.N; n != 1 || sc.undecided.N != n || !slices.Equal(table, want) || !slices.Equal(points, want) {
		t.Errorf("most promising #%d and #%d, table %v, points %v, want %v", n, sc.undecided.N, table, points, want)
	}
	requireTexts(t, Summary(s), "none is known to pass; most promising is trial #1: 640/s")
	requireTexts(t, sc.plainFrame(), "most promising is trial 1", "enter", "measures #1 again")
	if frame := sc.plainFrame(); strings.Contains(frame, "nearest is trial") {
		t.Errorf("another setting is the nearest:\n%s", frame)
	}
}

// The counts above the table are of its rows: a setting whose runs differ is none that passes.
func TestCountsOfRows(t *testing.T) {
	s := swept()
	w := *s.Sweep
	w.Trials = []trial.Trial{newTrial(1, 1, 8, 19.9, 470, trial.Pass), newTrial(2, 1, 8, 20.4, 470, trial.Fail)}
	w.Choice, w.Best, w.Skipped = nil, -1, nil
	s.Sweep = &w
	for _, size := range [][2]int{{120, 36}, {80, 24}} {
		sc := newScreen(t, size[0], size[1], s)
		sc.press("2")
		sc.requireFrame("pass 0  FAIL 0  ? 1  skipped 0")
		sc.press("3")
		sc.requireFrame("pass 0  FAIL 0  ? 1")
		sc.press("2", "o", "o", "o", "o")
		sc.requireFrame("every trial, in order", "pass 1  FAIL 1  ? 0  skipped 0")
	}
}

// The throughput of the best setting is compared as in the Frontier view: no percentage without evidence.
func TestGain(t *testing.T) {
	s := swept()
	for _, c := range []struct {
		rps  float64
		want string
	}{{208, "+208% throughput compared with #1"}, {625, "~ throughput compared with #1"}, {640, "~ throughput compared with #1"}} {
		w := *s.Sweep
		w.Trials = slices.Clone(w.Trials)
		w.Trials[0] = newTrial(1, 1, 1, 47, c.rps, trial.Fail)
		if got := gainText(&w, &w.Trials[4]); got != c.want {
			t.Errorf("from %g/s: %q, want %q", c.rps, got, c.want)
		}
	}
	if got := gainText(s.Sweep, &s.Sweep.Trials[0]); got != "" {
		t.Errorf("the first trial compared with itself: %q", got)
	}
	for ratio, want := range map[float64]string{1.02: "+2%", .998: "-0.2%", .5: "-50%"} {
		if got := changePercent(ratio); got != want {
			t.Errorf("changePercent(%g) = %s, want %s", ratio, got, want)
		}
	}
}
