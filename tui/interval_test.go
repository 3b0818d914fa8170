package tui

import (
	"testing"

	"sweetspot/sweep/trial"
)

// The table has both ends of a skewed interval, and rounds none of them into a limit.
func TestShortInterval(t *testing.T) {
	for _, c := range []struct {
		low, high float64
		want      string
	}{
		{22.4, 67.7, "22-68"}, {18.1, 20.4, "18-21"}, {14.744, 15.8, "14-16"}, {9.12, 12, "9.1-12"}, {.731, .9, "0.73-0.90"}, {1.2, 1.25, "1.2-1.3"}, {120, 3500, "120-3500"},
	} {
		e := trial.Estimate{Value: trial.NumOf(c.low), Low: trial.NumOf(c.low), High: trial.NumOf(c.high)}
		if got := shortInterval(e); got != c.want {
			t.Errorf("%g to %g: %s, want %s", c.low, c.high, got, c.want)
		}
	}
	if got := shortInterval(trial.Estimate{Value: trial.NumOf(1), Low: trial.NumOf(1)}); got != "n/a" {
		t.Errorf("open end: %s", got)
	}
	s := swept()
	s.Sweep.Trials[3].Latency.P99 = trial.Estimate{Value: trial.NumOf(23.4), Low: trial.NumOf(22.4), High: trial.NumOf(67.7)}
	sc := newScreen(t, 120, 36, s)
	sc.press("2")
	sc.requireFrame("  23.4 22-68")
}
