package replay_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/profiles/replay"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// TestOwnKnobs: a profile of a remote server is replayed with the own knobs of that server,
// and without the figures that the server did not report.
func TestOwnKnobs(t *testing.T) {
	p := &profiles.Profile{Header: profiles.Header{ID: "x", Model: profiles.Model{Name: "cat"}}}
	for i, own := range []knob.OwnValues{"instances=1 max_batch_size=8", "instances=2 max_batch_size=8", "instances=1 max_batch_size=32"} {
		r := sample(i + 1)
		r.Settings = knob.Settings{Own: own}
		p.Trials = append(p.Trials, r)
	}
	target, err := replay.Open(p)
	if err != nil {
		t.Fatal(err)
	}
	info, err := target.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []knob.Knob{
		{Name: "instances", Label: "instances", Values: []string{"1", "2"}},
		{Name: "max_batch_size", Label: "max_batch_size", Values: []string{"8", "32"}},
	}
	if diff := cmp.Diff(want, info.Limits.Own); diff != "" {
		t.Errorf("knobs (-want +got):\n%s", diff)
	}
	if len(info.Limits.Unreported) != 7 || info.Metrics != (trial.MetricSet{}) {
		t.Errorf("untold %v, tells %+v", info.Limits.Unreported, info.Metrics)
	}
	q := plan.Default()
	q.Target, q.SLA, q.Strategy = "http://replayed", sla, "auto"
	q.SLA.Percentile, q.Loads = 99, []load.Spec{p.Trials[0].Load}
	q.Knobs = map[knob.Name]string{"instances": "auto", "max_batch_size": "auto"}
	st, _ := run(t, q, target)
	seen := map[knob.OwnValues]string{}
	for _, r := range st.Trials {
		seen[r.Settings.Own] = r.Error
	}
	if len(seen) != 4 || seen["instances=2 max_batch_size=32"] == "" || seen["instances=2 max_batch_size=8"] != "" {
		t.Errorf("tried %v", seen)
	}
}
