package sweep_test

import (
	"context"
	"strings"
	"testing"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/plan"
)

// stubborn is a device that leaves batches at 2.
type stubborn struct{ *device }

func (d stubborn) Apply(ctx context.Context, s knob.Settings) (sweep.Applied, error) {
	s.BatchSize = min(s.BatchSize, 2)
	return d.device.Apply(ctx, s)
}

// TestSomethingElseInForce: settings that did not take effect are not measured, so
// that no figure stands beside settings that it is not of.
func TestSomethingElseInForce(t *testing.T) {
	n := &notebook{}
	r := runner(&device{}, n, 30*ms)
	r.Target = stubborn{&device{}}
	out, err := r.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range n.trials {
		if applied := x.Settings.BatchSize <= 2; applied != (x.Error == "") || applied != (x.Counts.Sent > 0) {
			t.Errorf("batch %d: sent %d, error %q", x.Settings.BatchSize, x.Counts.Sent, x.Error)
		}
		if x.Error != "" && !strings.Contains(x.Error, "in force is 1 worker, batch 2") {
			t.Errorf("error %q, want what is in force", x.Error)
		}
	}
	if out.Choice == nil || out.Choice.Settings.BatchSize != 2 {
		t.Errorf("choice %+v, want batch 2", out.Choice)
	}
	if _, err := (sweep.Comparison{Target: r.Target, SLA: r.SLA, A: plan.Point{Settings: knob.Settings{BatchSize: 8}}}).Run(t.Context()); err == nil {
		t.Error("turns of settings that did not take effect were measured")
	}
}
