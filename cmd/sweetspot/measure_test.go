package main

import (
	"math"
	"strings"
	"testing"

	"sweetspot/sweep"
	"sweetspot/sweep/stat"
)

// TestJudge: worse only if certain, beyond equal blocks, and perhaps beyond the
// tolerance.
func TestJudge(t *testing.T) {
	in := func(low, value, high float64) stat.Interval { return stat.Interval{Value: value, Low: low, High: high} }
	same := in(.99, 1, 1.01)
	for _, tc := range []struct {
		name            string
		percentile, rps stat.Interval
		aa              stat.Interval
		exit            int
		why             string
	}{
		{"equal", same, same, same, exitYes, "nothing is worse"},
		{"better", in(.7, .75, .8), in(1.2, 1.3, 1.4), same, exitYes, "nothing is worse"},
		{"slower answers", in(1.06, 1.08, 1.1), same, same, exitNo, "percentile is higher by 8.0%"},
		{"less throughput", same, in(.85, .9, .93), same, exitNo, "throughput is lower by 11.1%"},
		{"certain but tolerated", in(1.01, 1.02, 1.03), same, in(1, 1, 1), exitYes, "nothing is worse"},
		{"within equal blocks", in(1.06, 1.08, 1.1), same, in(.9, 1, 1.2), exitCannotTell, "more --pairs"},
		{"wide", in(.9, 1.02, 1.2), same, same, exitCannotTell, "more --pairs"},
		{"open", in(math.NaN(), 1, math.NaN()), same, same, exitCannotTell, "more --pairs"},
	} {
		got := judge(sweep.Difference{Percentile: tc.percentile, PercentileAA: tc.aa, Throughput: tc.rps, ThroughputAA: same}, .05)
		if got.Exit != tc.exit || !strings.Contains(got.Why, tc.why) {
			t.Errorf("%s: exit %d, %q; want %d with %q", tc.name, got.Exit, got.Why, tc.exit, tc.why)
		}
	}
}
