package judge_test

import (
	"math"
	"testing"

	"sweetspot/cmd/bench/judge"
	"sweetspot/sweep/stat"
)

var unbounded = math.NaN()

func TestJudge(t *testing.T) {
	atLeast := judge.Goal{Compare: judge.AtLeast, Number: .85}
	atMost := judge.Goal{Compare: judge.AtMost, Number: 120}
	zero := judge.Goal{Compare: judge.Exactly}
	for _, tt := range []struct {
		name      string
		goal      judge.Goal
		low, high float64
		want      judge.Status
	}{
		{"at least: all above", atLeast, .86, .9, judge.OK},
		{"at least: low end meets it", atLeast, .85, .9, judge.OK},
		{"at least: the goal is inside", atLeast, .8, .89, judge.Undecided},
		{"at least: only the high end meets it", atLeast, .8, .85, judge.Undecided},
		{"at least: all below", atLeast, .8, .849, judge.FallsShort},
		{"at least: high end open", atLeast, .86, unbounded, judge.OK},
		{"at least: low end open", atLeast, unbounded, .9, judge.Undecided},
		{"at least: low end open, all below", atLeast, unbounded, .8, judge.FallsShort},
		{"at most: all below", atMost, 90, 120, judge.OK},
		{"at most: the goal is inside", atMost, 100, 121, judge.Undecided},
		{"at most: all above", atMost, 120.1, 130, judge.FallsShort},
		{"at most: high end open", atMost, 90, unbounded, judge.Undecided},
		{"at most: low end open", atMost, unbounded, 90, judge.OK},
		{"exactly: equal", zero, 0, 0, judge.OK},
		{"exactly: above", zero, .1, 2, judge.FallsShort},
		{"exactly: below", zero, -2, -1, judge.FallsShort},
		{"exactly: an interval around it", zero, -1, 1, judge.Undecided},
		{"not measured", atLeast, unbounded, unbounded, judge.Undecided},
		{"no goal", judge.Goal{}, 1, 2, judge.NoGoal},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.goal.Judge(tt.low, tt.high); got != tt.want {
				t.Errorf("Judge(%v, %v) = %v, want %v", tt.low, tt.high, got, tt.want)
			}
		})
	}
}

func TestFigureStatus(t *testing.T) {
	goal := judge.Goal{Compare: judge.AtLeast, Number: 1}
	point := judge.Figure{Value: 1}
	if got := point.Status(goal); got != judge.OK {
		t.Errorf("a value that meets the goal is %v, want ok", got)
	}
	ratio := judge.Figure{Value: 1, Interval: &stat.Interval{Value: 1, Low: .9, High: 1.1}}
	if got := ratio.Status(goal); got != judge.Undecided {
		t.Errorf("a value whose interval contains the goal is %v, want undecided", got)
	}
}

func TestGoals(t *testing.T) {
	goals := judge.Goals{
		{Name: "serve.duty.encoder.*", Compare: judge.AtLeast, Number: .93},
		{Name: "serve.duty.*", Compare: judge.AtLeast, Number: .98},
		{Name: "apply.failed", Compare: judge.Exactly},
		{Name: "overhead.p50.http", Compare: judge.AtMost, Number: 120},
		{Name: "search.regret", Compare: judge.None},
	}
	for name, want := range map[string]string{
		"serve.duty.encoder.http":  ">=0.93",
		"serve.duty.resnet18.http": ">=0.98",
		"apply.failed":             "=0",
		"overhead.p50.http":        "<=120",
		"search.regret":            "-",
		"apply.failed.twice":       "-",
		"not.in-table":             "-",
	} {
		if got := goals.Find(name).String(); got != want {
			t.Errorf("goal of %s = %s, want %s", name, got, want)
		}
	}
}
