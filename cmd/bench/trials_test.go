package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/knob"
)

func TestSettingsFrom(t *testing.T) {
	got, err := settingsFrom([]string{"--rule=eager", "--workers=2", "--batch-size=4", "--batch-delay=1.5ms", "--queue-size=7"})
	want := knob.Config{Settings: knob.Default(knob.TorchServe), Options: knob.Options{Rule: knob.Eager}}
	want.Workers, want.BatchSize, want.BatchDelay, want.QueueSize = 2, 4, 1500*time.Microsecond, 7
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for _, arg := range []string{"--rule=lazy", "--wokers=2", "--workers=many"} {
		if _, err := settingsFrom([]string{arg}); err == nil {
			t.Errorf("%s is accepted", arg)
		}
	}
}
