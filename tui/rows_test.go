package tui

import (
	"testing"

	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// TestRows: the runs of a setting are one row with the figures of all, only a
// validated one has the star, and o shows every trial.
func TestRows(t *testing.T) {
	s := swept()
	w := *s.Sweep
	again := aTrial(8, 2, 8, 15.9, 560, trial.Undecided)
	again.Role, again.Verdict.Leaning = trial.RoleControl, trial.Pass
	w.Trials = append(append([]trial.Trial(nil), w.Trials...), again)
	s.Sweep = &w
	sc := newScreen(t, 120, 36, s)
	sc.press("tab")
	rows := sc.rows()
	if len(rows) != 7 || rows[0].N != 5 || rows[0].Throughput.Value.Or(0) != 600 || sc.runs(rows[0]) != "2" || !sc.starred(rows[0]) {
		t.Errorf("%d rows, the first is #%d with %v/s in %s runs; want 7, #5 with 600/s in 2 runs and a star",
			len(rows), rows[0].N, rows[0].Throughput.Value, sc.runs(rows[0]))
	}
	sc.press("o")
	if rows = sc.rows(); len(rows) != 8 || sc.runs(rows[7]) != "1" || trialWord(rows[7]).s != "pass?" {
		t.Errorf("as tried: %d rows, the last says %q; want 8 and pass?", len(rows), trialWord(rows[7]).s)
	}
	sc.show(func(s *session.Snapshot) {
		w := *s.Sweep
		w.Trials = append([]trial.Trial(nil), w.Trials...)
		w.Trials[4].Role = trial.RoleLoad
		s.Sweep = &w
	})
	if leadOf(sc.snap.Sweep) == nil || bestOf(sc.snap.Sweep) != nil {
		t.Error("without its validation it leads and is not the best")
	}
}
