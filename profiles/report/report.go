// Package report draws a recorded profile as a table for people and programs
// outside of sweetspot: [Study] in the columns of the published tuning study of
// Animated Drawings, and [CSV] with a line per trial and a column per figure.
//
// Both are pure functions of the profile. A figure that was not measured is
// empty in CSV and n/a in the study, never 0.
package report

import (
	"fmt"
	"io"
	"strings"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/sweep/trial"
)

// Formats names the forms that Write knows.
func Formats() []string { return []string{"study", "csv"} }

// Write draws p in the named form.
func Write(w io.Writer, p *profiles.Profile, format string) error {
	switch format {
	case "study":
		return Study(w, p)
	case "csv":
		return CSV(w, p)
	}
	return fmt.Errorf("--format %s: there is %s%s", format, strings.Join(Formats(), " and "), knob.Suggest(format, Formats()))
}

// measured returns the trials that answer the profile's question: not the
// controls, which repeat one to see how steady the machine is.
func measured(p *profiles.Profile) []trial.Trial {
	var out []trial.Trial
	for _, t := range p.Trials {
		if t.Role != trial.RoleControl {
			out = append(out, t)
		}
	}
	return out
}

// number is a figure with the given digits after the point, or missing.
func number(n trial.Num, digits int, missing string) string {
	v, ok := n.Get()
	if !ok {
		return missing
	}
	return fmt.Sprintf("%.*f", digits, v)
}
