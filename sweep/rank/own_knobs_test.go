package rank_test

import (
	"testing"

	"sweetspot/engine/knob"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/trial"
)

// TestOwnKnobsInRows checks that settings that differ only in a target's own knobs are different
// rows.
func TestOwnKnobsInRows(t *testing.T) {
	var trials []trial.Trial
	for i, own := range []knob.OwnValues{"instances=1", "instances=2", "instances=1"} {
		s := knob.Default(knob.TorchServe)
		s.Own = own
		trials = append(trials, trial.Trial{N: i + 1, Role: trial.RoleLoad, Settings: s})
	}
	rows := rank.Rows(trials)
	if len(rows) != 2 || len(rows[0].Runs) != 2 || len(rows[1].Runs) != 1 {
		t.Errorf("rows %+v, want two rows with two runs and one", rows)
	}
}
