package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"sweetspot/engine/knob"
	"sweetspot/profiles"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/trial"
)

// section is one profile in a report: its rows, one for all runs of a setting under a load.
type section struct {
	profile *profiles.Profile
	plan    plan.Plan
	sla     trial.SLA
	hasSLA  bool
	rows    []rank.Row // best first; of a live recording in the order of time
	byTrial []rank.Row // in the order of their first trials
	choice  int        // index of the chosen row in rows; -1 if nothing was chosen
	varied  []knob.Knob
	fixed   []knob.Knob // knobs that have one value in all rows
}

// newSection analyses a profile.
func newSection(p *profiles.Profile) section {
	s := section{profile: p, plan: p.Plan(), choice: -1}
	s.sla, s.hasSLA = p.SLA()
	ranking := rank.New(rank.RulesOf(s.plan), p.Trials)
	s.rows, s.byTrial = ranking.InOrder(), ranking.Rows
	if p.Header.Kind == profiles.Live {
		for i := range p.Trials {
			s.rows = append(s.rows, rank.RowOf(p.Trials, i))
		}
		s.byTrial = s.rows
	}
	if c, ok := p.Choice(); ok {
		s.choice = slices.IndexFunc(s.rows, func(r rank.Row) bool {
			return slices.ContainsFunc(r.Runs, func(i int) bool { return p.Trials[i].N == c.N })
		})
	}
	s.splitKnobs()
	return s
}

// splitKnobs separates the knobs that vary from those that do not.
func (s *section) splitKnobs() {
	var all []knob.Settings
	for _, r := range s.rows {
		all = append(all, r.Joined.Settings)
	}
	for _, k := range knob.TableOf(all...) {
		values := map[string]bool{}
		for _, settings := range all {
			values[settings.Display(k.Name)] = true
		}
		switch {
		case len(values) > 1:
			s.varied = append(s.varied, k)
		case len(all) > 0 && all[0].Has(k.Name):
			s.fixed = append(s.fixed, k)
		}
	}
}

// best returns the row that a report describes: the choice, else the best one.
func (s *section) best() (r rank.Row, ok bool) {
	switch {
	case s.choice >= 0:
		return s.rows[s.choice], true
	case len(s.rows) > 0:
		return s.rows[0], true
	}
	return r, false
}

// group returns the name of the rows in reports of the suite: MODE_MODEL, with the mode "sweep" or
// "live" if the plan was not one of the suite.
func (s *section) group() string {
	if g := s.profile.Header.Suite; g != "" {
		return g
	}
	return string(s.profile.Header.Kind) + "_" + s.profile.Header.Model.Name
}

// trialName returns the name that the suite gives to a row, GROUP_wWORKERS_bBATCH. If other knobs
// vary, their values follow the group, so that no two rows have one name.
func (s *section) trialName(r rank.Row) string {
	var more []string
	for _, k := range s.varied {
		if v := r.Joined.Settings.Display(k.Name); k.Name != knob.Workers && k.Name != knob.BatchSize {
			more = append(more, shortNames[k.Name]+v)
		}
	}
	if len(s.loads()) > 1 {
		more = append(more, r.Joined.Load.String())
	}
	name := s.group()
	if len(more) > 0 {
		name += "-" + strings.Join(more, "-")
	}
	name += "_w" + r.Joined.Settings.Display(knob.Workers) + "_b" + r.Joined.Settings.Display(knob.BatchSize)
	return strings.Map(fileRune, name)
}

// shortNames precede values in the names of rows.
var shortNames = map[knob.Name]string{knob.BatchDelay: "d", knob.Threads: "t", knob.QueueSize: "q"}

// fileRune replaces what a file name should not have.
func fileRune(r rune) rune {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("._-", r):
		return r
	}
	return '-'
}

// loads returns the loads of the rows, without duplicates.
func (s *section) loads() []string {
	var out []string
	for _, r := range s.rows {
		if l := r.Joined.Load.String(); !slices.Contains(out, l) {
			out = append(out, l)
		}
	}
	return out
}

// answer says in one line what came out.
func (s *section) answer() string {
	if s.choice >= 0 {
		return s.rows[s.choice].Joined.Settings.String()
	}
	switch p := s.profile; {
	case p.Header.Kind == profiles.Live:
		return "A recording of live traffic"
	case p.Header.Merged != nil && p.Header.Merged.Why != "":
		return "Nothing is recommended: " + p.Header.Merged.Why
	case p.End == nil:
		return "The sweep did not end: nothing is recommended"
	case p.End.Exit == exitNo:
		return "No setting keeps the promise"
	}
	return "Cannot tell whether a setting keeps the promise"
}

// exitNo is the exit code of a sweep whose answer is no.
const exitNo = 2

// promise describes the promise.
func (s *section) promise() string {
	if !s.hasSLA {
		return "none"
	}
	return fmt.Sprintf("%v, errors <= %g%%", s.sla, s.sla.MaxErrorRate*100)
}

// explanation returns the reasons of the choice by topic.
func (s *section) explanation() []trial.Line {
	c, ok := s.profile.Choice()
	lines := slices.Concat(s.profile.HoldLines(), s.profile.ShardLines())
	switch {
	case !ok:
		return s.profile.ShardLines()
	case len(c.Why.Lines) == 0 && c.Why.Text != "":
		return append([]trial.Line{{Text: c.Why.Text}}, lines...)
	}
	return append(slices.Clip(c.Why.Lines), lines...)
}

// figure formats a figure for people.
func figure(n trial.Num) string {
	if !n.OK() {
		return "n/a"
	}
	return profiles.FormatFigure(n)
}

// interval formats the ends of an interval; "" if there is none.
func interval(low, high trial.Num) string {
	switch {
	case low.OK() && high.OK() && figure(low) == figure(high):
		return "" // narrower than the figure is exact
	case low.OK() && high.OK():
		return figure(low) + "-" + figure(high)
	case low.OK():
		return "from " + figure(low)
	case high.OK():
		return "up to " + figure(high)
	}
	return ""
}

// headline names a report of several profiles.
func headline(sections []section) string {
	var models []string
	for _, s := range sections {
		if name := s.profile.Header.Model.Name; !slices.Contains(models, name) {
			models = append(models, name)
		}
	}
	return strings.Join(models, ", ")
}

// hardware returns the devices of the rows: "cpu", "gpu" or both.
func hardware(sections []section) string {
	var out []string
	for _, s := range sections {
		for _, r := range s.rows {
			d, _, _ := strings.Cut(r.Joined.Settings.Device, ":")
			if d = cmp.Or(d, "n/a"); !slices.Contains(out, d) {
				out = append(out, d)
			}
		}
	}
	slices.Sort(out)
	return cmp.Or(strings.Join(out, " and "), "n/a")
}
