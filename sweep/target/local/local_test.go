package local

import (
	"net/http"
	"testing"
	"time"

	"sweetspot/sweep"
	"sweetspot/sweep/trial"
)

// TestTimeoutFollowsThePromise: requests are waited for as the promise says,
// unless the plan does.
func TestTimeoutFollowsThePromise(t *testing.T) {
	target := answering(t, func(http.ResponseWriter, *http.Request) {})
	for _, c := range []struct{ plan, limit, want time.Duration }{
		{0, 100 * time.Millisecond, 10 * time.Second},
		{0, time.Minute, 2 * time.Minute},
		{3 * time.Second, 100 * time.Millisecond, 3 * time.Second},
	} {
		target.cfg.Timeout = c.plan
		got := target.trialConfig(sweep.Measurement{SLA: trial.SLA{Percentile: 99, Limit: c.limit}}).Timeout
		if got != c.want {
			t.Errorf("plan %v, limit %v: timeout %v, want %v", c.plan, c.limit, got, c.want)
		}
	}
}
