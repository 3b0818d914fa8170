package profiles

import (
	"slices"

	"sweetspot/engine/knob"
)

// withOwnKnobs inserts a column into a table of settings for each own knob of the target,
// after the common knobs.
func withOwnKnobs(t table, settings []knob.Settings) table {
	at := 1 + slices.IndexFunc(t.columns, func(c column) bool { return c.title == "device" })
	for _, k := range slices.Backward(knob.TableOf(settings...).Own()) {
		t.columns = slices.Insert(t.columns, at, column{title: string(k.Name)})
		for i := range t.rows {
			t.rows[i] = slices.Insert(t.rows[i], at, settings[i].Display(k.Name))
		}
	}
	return t
}
