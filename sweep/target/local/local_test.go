package local

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// TestTimeoutFollowsTheLimit: the timeout of requests depends on the SLA's limit, unless the plan
// has one.
func TestTimeoutFollowsTheLimit(t *testing.T) {
	target := targetOf(t, func(http.ResponseWriter, *http.Request) {})
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

// TestLiveSegments: loads with an end are sent to their end, others in segments.
func TestLiveSegments(t *testing.T) {
	for _, c := range []struct {
		load  load.Spec
		limit time.Duration
		most  int
	}{
		{load.Spec{Concurrency: 10}, segmentTime, segmentRequests},
		{load.Spec{Mode: load.Open, Rate: 10}, segmentTime, segmentRequests},
		{load.Spec{Mode: load.Open, Rate: 1e5}, 2 * time.Second, segmentRequests},
		{load.Spec{Mode: load.Trace, File: "a.csv", Over: time.Hour}, load.TraceLongest + 1, finiteRequests},
		{load.Spec{Mode: load.Ramp, From: 1, To: 2, Over: time.Hour}, load.TraceLongest + 1, finiteRequests},
	} {
		if limit, most := segmentLimits(c.load); limit != c.limit || most != c.most {
			t.Errorf("%v: %v, %d requests, want %v, %d", c.load, limit, most, c.limit, c.most)
		}
	}
}

// TestOptionsReachTheChild: the options of a plan are flags of the child.
func TestOptionsReachTheChild(t *testing.T) {
	got := flags(knob.Default(knob.Eager), knob.Options{Rule: knob.Eager, Session: "own", Graph: "off", InterOp: 2})
	got = slices.DeleteFunc(got, func(f string) bool { return f[:4] != "--op" && f[:4] != "--ru" })
	if d := cmp.Diff([]string{"--rule=eager", "--option=session=own", "--option=graph=off", "--option=inter_op=2"}, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

// TestRanLarger: the memory is valid for a setting until its child has run larger settings, or
// settings that cannot be compared.
func TestRanLarger(t *testing.T) {
	base := knob.Default(knob.TorchServe)
	base.Workers, base.BatchSize = 2, 4
	for name, c := range map[string]struct {
		before func(*knob.Settings)
		want   bool
	}{
		"the same":       {func(*knob.Settings) {}, false},
		"hot knobs only": {func(s *knob.Settings) { s.BatchDelay, s.QueueSize = time.Second, 9 }, false},
		"smaller":        {func(s *knob.Settings) { s.Workers, s.BatchSize = 1, 1 }, false},
		"larger batch":   {func(s *knob.Settings) { s.BatchSize = 8 }, true},
		"more workers":   {func(s *knob.Settings) { s.Workers, s.BatchSize = 3, 1 }, true},
		"fp16":           {func(s *knob.Settings) { s.Precision = knob.HalfPrecision }, true},
		"threads":        {func(s *knob.Settings) { s.Threads = 2 }, true},
	} {
		target := &Target{ranSettings: map[knob.Settings]bool{}}
		before := base
		c.before(&before)
		target.noteInForce(before)
		target.noteInForce(base)
		if got := target.ranLarger(); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
