package sweep_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// TestWholeLoad checks that a ramp and a trace are measured to their end, and that other loads are
// not changed.
func TestWholeLoad(t *testing.T) {
	stopNow := func(time.Duration, []load.Sample) (bool, string) { return true, "certain" }
	ramp := load.Spec{Mode: load.Ramp, From: 1, To: 100, Over: time.Minute}
	tests := []struct {
		load load.Spec
		time time.Duration
		max  int
		stop bool
	}{
		{ramp, time.Minute, 0, false},
		{load.Spec{Mode: load.Trace, File: "a.csv", Over: time.Hour}, load.TraceLongest + 1, 0, false},
		{load.Spec{Mode: load.Open, Rate: 10}, time.Second, 7, true},
		{load.Spec{Concurrency: 10}, time.Second, 7, true},
	}
	for _, c := range tests {
		m := sweep.WholeLoad(sweep.Measurement{Load: c.load, Time: time.Second, Max: 7, Stop: stopNow})
		if stop, _ := m.Stop(time.Hour, nil); m.Time != c.time || m.Max != c.max || stop != c.stop {
			t.Errorf("%v: %v, %d requests, stops: %v; want %v, %d, %v", c.load, m.Time, m.Max, stop, c.time, c.max, c.stop)
		}
	}
	want := []trial.Warning{{Text: "the load changed from 1 to 100/s: latencies and verdict are not those of one rate"}}
	if d := cmp.Diff(want, sweep.LoadWarnings(ramp)); d != "" {
		t.Errorf("LoadWarnings (-want +got):\n%s", d)
	}
	if got := sweep.LoadWarnings(load.Spec{Mode: load.Open, Rate: 5}); got != nil {
		t.Errorf("LoadWarnings of an open load = %q, want none", got)
	}
}
