package sweep

import (
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/predict"
)

// TestLengthFit: the samples of a probe tell the time of a run and of an element, and samples
// of one length tell nothing.
func TestLengthFit(t *testing.T) {
	truth := predict.Lengths{Drawn: []int64{8, 120, 30, 64, 90, 15, 44}, Pad: true, Buckets: []int64{32, 128}, Run: 1e6, Each: 1e4}
	curve, err := truth.Curve(4)
	if err != nil {
		t.Fatal(err)
	}
	s := knob.Default(knob.Eager)
	s.BatchSize, s.BatchDelay = 4, time.Second
	sim := predict.New(predict.Config{Settings: s, Rule: knob.Eager, Service: curve, Lengths: &truth, Clients: 8, Requests: 400, Detail: true})
	sim.Run()
	f := lengthFit{bodies: &BodyLengths{Lengths: truth.Drawn, Padded: true, Buckets: truth.Buckets}}
	f.to(sim.Samples())
	if f.found == nil || f.found.RunMS.Text(1) != "1.0" || f.found.ElementUS.Text(0) != "10" || !f.found.Padded || len(f.found.Drawn) != 7 {
		t.Errorf("found %+v, want 1 ms a run and 10 us an element", f.found)
	}
	for name, b := range map[string]*BodyLengths{"unknown": nil, "none": {}, "one length": {Lengths: []int64{7, 7}}} {
		f := lengthFit{bodies: b}
		if f.to(sim.Samples()); f.found != nil {
			t.Errorf("%s: found %+v", name, f.found)
		}
	}
}
