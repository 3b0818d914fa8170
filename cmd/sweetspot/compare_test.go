package main

import (
	"testing"

	"sweetspot/profiles"
)

// TestCompareDefaults: the command tolerates as much as the screen if nobody says otherwise.
func TestCompareDefaults(t *testing.T) {
	want := share(profiles.DefaultTolerance)
	if got := new(app).compareCommand().Flag("tolerance").DefValue; got != want.String() {
		t.Errorf("--tolerance is %s, the screen uses %s", got, want.String())
	}
}
