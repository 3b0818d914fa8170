package tui

import (
	"testing"

	"sweetspot/sweep/session"
	"sweetspot/sweep/trial"
)

// All runs of a setting are one row with the values of all of them. Only a validated row
// has the star. The key o shows every trial.
func TestRows(t *testing.T) {
	s := swept()
	w := *s.Sweep
	again := newTrial(8, 2, 8, 15.9, 560, trial.Undecided)
	again.Role, again.Verdict.Leaning = trial.RoleControl, trial.Pass
	w.Trials = append(append([]trial.Trial(nil), w.Trials...), again)
	s.Sweep = &w
	sc := newScreen(t, 120, 36, s)
	sc.press("tab")
	rows := sc.rows()
	if len(rows) != 7 || rows[0].N != 5 || rows[0].Throughput.Value.Or(0) != 600 || sc.runCount(rows[0]) != "2" || !sc.isBest(rows[0]) {
		t.Errorf("%d rows, the first is #%d with %v/s in %s runs; want 7, #5 with 600/s in 2 runs and a star",
			len(rows), rows[0].N, rows[0].Throughput.Value, sc.runCount(rows[0]))
	}
	sc.press("o", "o", "o", "o")
	if rows = sc.rows(); len(rows) != 8 || sc.runCount(rows[7]) != "1" || verdictSpan(rows[7]).s != "pass?" {
		t.Errorf("every trial: %d rows, the verdict of the last is %q; want 8 and pass?", len(rows), verdictSpan(rows[7]).s)
	}
	sc.show(func(s *session.Snapshot) {
		w := *s.Sweep
		w.Trials = append([]trial.Trial(nil), w.Trials...)
		w.Trials[4].Role = trial.RoleLoad
		s.Sweep = &w
	})
	if mostPromising(sc.snap.Sweep) == nil || validatedBest(sc.snap.Sweep) != nil {
		t.Error("without a validation the row must be the most promising one, but not the best")
	}
}
