package profiles

import (
	"slices"

	"sweetspot/sweep/trial"
)

// withCorrected adds to the table of trials, behind the P99 that was measured,
// the P99 corrected for coordinated omission, if any of them has one. It is an
// estimate made from what was measured, and its head says so.
func withCorrected(t table, trials []trial.Trial) table {
	if !slices.ContainsFunc(trials, func(r trial.Trial) bool { return r.P99Corrected.OK() }) {
		return t
	}
	at := 1 + slices.IndexFunc(t.columns, func(c column) bool { return c.title == "P99 ms" })
	t.columns = slices.Insert(t.columns, at, column{title: "corrected", drop: 2})
	for i := range t.rows {
		t.rows[i] = slices.Insert(t.rows[i], at, Figure(trials[i].P99Corrected))
	}
	return t
}
