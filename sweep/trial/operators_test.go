package trial_test

import (
	"testing"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/trial"
)

func TestBareAppliesTo(t *testing.T) {
	b := trial.Bare{Settings: knob.Default(knob.TorchServe)}
	for _, tt := range []struct {
		name   string
		change func(*knob.Settings)
		want   bool
	}{
		{"equal settings", func(*knob.Settings) {}, true},
		{"delay", func(s *knob.Settings) { s.BatchDelay = 7 * time.Millisecond }, true},
		{"queue", func(s *knob.Settings) { s.QueueSize = 7 }, true},
		{"batch size", func(s *knob.Settings) { s.BatchSize = 7 }, false},
		{"workers", func(s *knob.Settings) { s.Workers = 7 }, false},
		{"precision", func(s *knob.Settings) { s.Precision = knob.HalfPrecision }, false},
	} {
		s := b.Settings
		tt.change(&s)
		if got := b.AppliesTo(s); got != tt.want {
			t.Errorf("%s: %t, want %t", tt.name, got, tt.want)
		}
	}
}

func TestBareShare(t *testing.T) {
	var r trial.Result
	if r.BareShare().OK() {
		t.Error("a share without a throughput")
	}
	r.Throughput.Value = trial.NumOf(90)
	if r.BareShare().OK() {
		t.Error("a share without a bare rate")
	}
	r.BareRPS = trial.NumOf(100)
	if got := r.BareShare().Or(0); got != .9 {
		t.Errorf("share = %g, want 0.9", got)
	}
}
