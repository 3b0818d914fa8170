package report

import "sweetspot/profiles"

// Plots returns the charts of a profile; programs get them as files.
func Plots(p *profiles.Profile) []Plot {
	s := newSection(p)
	return s.plots(plotWidth)
}
