// Package report writes a recorded profile as a table for people and programs outside of
// sweetspot: [Study] has the columns of the published tuning study of Animated Drawings,
// [CSV] one line per trial and one column per figure.
//
// Both are pure functions of the profile. A figure that was not measured is empty in CSV
// and n/a in the study, never 0.
package report

import (
	"fmt"
	"io"
	"strings"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/sweep/trial"
)

// Formats returns the names of the formats.
func Formats() []string { return []string{"study", "csv"} }

// Write writes p in the format with this name.
func Write(w io.Writer, p *profiles.Profile, format string) error {
	switch format {
	case "study":
		return Study(w, p)
	case "csv":
		return CSV(w, p)
	}
	return fmt.Errorf("--format %s: want %s%s", format, strings.Join(Formats(), " or "), knob.Suggest(format, Formats()))
}

// withoutControls returns the trials of the profile without the controls, which repeat a
// trial to test whether the machine is stable.
func withoutControls(p *profiles.Profile) []trial.Trial {
	var out []trial.Trial
	for _, t := range p.Trials {
		if t.Role != trial.RoleControl {
			out = append(out, t)
		}
	}
	return out
}

// number formats a figure with this number of decimals; missing replaces an unknown one.
func number(n trial.Num, digits int, missing string) string {
	v, ok := n.Get()
	if !ok {
		return missing
	}
	return fmt.Sprintf("%.*f", digits, v)
}
