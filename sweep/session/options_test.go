package session_test

import (
	"strings"
	"testing"

	"sweetspot/sweep"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/session"
)

// TestOptionsNotInForce: if the target runs with other options than the plan's, the sweep ends
// before anything is measured or recorded.
func TestOptionsNotInForce(t *testing.T) {
	p := testPlan(t)
	p.Options.Session, p.Options.Pin = "own", true
	w := session.Sweeper{Plan: p, Target: newDevice(), Record: func(sweep.Info, plan.Plan) (session.Recording, error) {
		t.Error("a profile was begun")
		return &sweepRecording{}, nil
	}}
	st, err := w.Run(t.Context())
	const want = "options: the plan has torchserve rule, session own, pin true, but in force is torchserve rule"
	if err == nil || !strings.Contains(err.Error(), want) || st.State != session.Failed {
		t.Errorf("%v, %v; want %q", st.State, err, want)
	}
}
