// Package report writes recorded profiles for people and programs outside of sweetspot: as a page
// and as charts, as the files of TorchServe's benchmark suite, and as tables. [Write] writes one
// of the [Formats], [Tree] the files of the suite with their folders, [Plots] all charts.
//
// All reports are pure functions of profiles. A figure that was not measured is never 0: it is
// empty in CSV, nan in ab_report.csv, absent in JSON and n/a elsewhere.
package report

import (
	"fmt"
	"io"
	"strings"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/sweep/trial"
)

// Format is a format of a report.
type Format struct {
	Name string
	Help string // what it is, in a few words
	// Several says whether one report can have several profiles.
	Several bool

	write func(ss sections, w io.Writer, plot string) error
}

// formats are all formats.
var formats = []Format{
	{"study", "Markdown with the columns of the published study", false, one(Study)},
	{"md", "Markdown as report.md of TorchServe's benchmark suite, with the choice and its reasons", true, func(ss sections, w io.Writer, _ string) error { return ss.markdown(w) }},
	{"html", "a page with charts, complete in one file", true, func(ss sections, w io.Writer, _ string) error { return ss.html(w) }},
	{"ab", "ab_report.csv of TorchServe's benchmark suite: a line for each setting", true, func(ss sections, w io.Writer, _ string) error { return ss.ab(w) }},
	{"stats", "stats_metrics.json of TorchServe's benchmark suite, for CloudWatch", true, func(ss sections, w io.Writer, _ string) error { return ss.stats(w) }},
	{"csv", "CSV with one line for each trial", false, one(CSV)},
	{"json", "all lines of the profile as one object, as profiles show --json", false, one(profiles.WriteShowJSON)},
	{"openmetrics", "gauges in the text format of OpenMetrics, for Prometheus", true, func(ss sections, w io.Writer, _ string) error { return OpenMetrics(w, ss.profiles()) }},
	{"svg", "a chart, see --plot", false, svg},
	{"png", "the same chart as PNG", false, png},
}

// one returns the function of a format that writes one profile.
func one(write func(io.Writer, *profiles.Profile) error) func(sections, io.Writer, string) error {
	return func(ss sections, w io.Writer, _ string) error { return write(w, ss[0].profile) }
}

// Formats returns all formats.
func Formats() []Format { return formats }

// Names returns the names of the formats.
func Names() []string {
	out := make([]string, len(formats))
	for i, f := range formats {
		out[i] = f.Name
	}
	return out
}

// sections are the profiles of a report.
type sections []section

func newSections(ps []*profiles.Profile) sections {
	out := make(sections, len(ps))
	for i, p := range ps {
		out[i] = newSection(p)
	}
	return out
}

func (ss sections) profiles() []*profiles.Profile {
	out := make([]*profiles.Profile, len(ss))
	for i, s := range ss {
		out[i] = s.profile
	}
	return out
}

// Write writes profiles in the format with this name. plot is the name of the chart of svg and png,
// see [PlotNames]; "" is the first.
func Write(w io.Writer, ps []*profiles.Profile, format, plot string) error {
	for _, f := range formats {
		switch {
		case f.Name != format:
		case len(ps) == 0:
			return fmt.Errorf("--format %s: no profile", format)
		case len(ps) > 1 && !f.Several:
			return fmt.Errorf("--format %s: %d profiles, but it has one", format, len(ps))
		default:
			return f.write(newSections(ps), w, plot)
		}
	}
	return fmt.Errorf("--format %s: want %s%s", format, orList(Names()), knob.Suggest(format, Names()))
}

func orList(names []string) string {
	last := len(names) - 1
	if last == 0 {
		return names[0]
	}
	return strings.Join(names[:last], ", ") + " or " + names[last]
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
