package profiles

import (
	"slices"

	"sweetspot/sweep/trial"
)

// withCorrected inserts a column into the table of trials, after the measured P99: the
// P99 corrected for coordinated omission. It does nothing if no trial has one. The
// title says corrected because the value is an estimate, not a measurement.
func withCorrected(t table, trials []trial.Trial) table {
	if !slices.ContainsFunc(trials, func(r trial.Trial) bool { return r.P99Corrected.OK() }) {
		return t
	}
	at := 1 + slices.IndexFunc(t.columns, func(c column) bool { return c.title == "P99 ms" })
	t.columns = slices.Insert(t.columns, at, column{title: "corrected", drop: 2})
	for i := range t.rows {
		t.rows[i] = slices.Insert(t.rows[i], at, FormatFigure(trials[i].P99Corrected))
	}
	return t
}
