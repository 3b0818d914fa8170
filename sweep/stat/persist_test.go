package stat_test

import (
	"testing"
	"time"

	"sweetspot/sweep/stat"
)

// TestExceedsThroughout checks that a run that is always over the limit fails, although it is
// one cluster: all requests, for a percentile at which they are less than 25 times the allowed
// share; a few requests in every round of a closed load; errors that never end.
func TestExceedsThroughout(t *testing.T) {
	const n = 2000
	all, rounds, broken := make([]float64, n), make([]float64, n), make([]bool, n)
	times := make([]time.Duration, n)
	for i := range n {
		times[i] = time.Duration(i) * 10 * time.Millisecond
		all[i], broken[i] = 80+float64(i%7), true
		rounds[i] = 90 + float64(i%7)
		if i%5 == 4 {
			rounds[i] = 190
		}
	}
	for name, d := range map[string]stat.Decision{
		"all, P95":    stat.Decide(all, times, stat.Promise{Q: .95, Limit: 60}),
		"all, P50":    stat.Decide(all, times, stat.Promise{Q: .5, Limit: 60}),
		"every round": stat.Decide(rounds, times, stat.Promise{Q: .99, Limit: 100}),
		"errors":      stat.DecideErrors(broken, times, .1),
	} {
		if d.Answer != stat.Fail {
			t.Errorf("%s: %+v, want a failure", name, d)
		}
	}
	for i := range n { // one stall of a tenth of the run
		if all[i] = 20; i >= n/2 && i < n/2+n/10 {
			all[i] = 200
		}
	}
	if d := stat.Decide(all, times, stat.Promise{Q: .99, Limit: 60}); d.Answer == stat.Fail {
		t.Errorf("one stall: %+v", d)
	}
}
