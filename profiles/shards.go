package profiles

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// Shards describes the shards of a merged profile: which are there, and how their machines compare.
type Shards struct {
	Count      int           `json:"count"`      // of the grid
	Grid       *plan.Grid    `json:"grid"`       // null if the parts do not have it
	Control    *plan.Control `json:"control"`    // of all shards; null if the parts do not have it
	Missing    []plan.Shard  `json:"missing"`    // shards without a profile
	Incomplete []plan.Shard  `json:"incomplete"` // shards that were not run to their end
	Measured   int           `json:"measured"`   // different points of the grid with a load test
	Controls   []ControlRuns `json:"controls"`   // by shard
	Machines   Machines      `json:"machines"`
	Differ     []ControlPair `json:"differ"` // all pairs of shards whose controls differ beyond their intervals
	Unlike     []string      `json:"unlike"` // why the parts are not comparable, in words: they were merged by force
	Why        string        `json:"why"`    // why no setting is recommended across the machines; "" if one may be
}

// shardsOf describes the shards among the parts; nil if there are none.
func shardsOf(parts []*Profile) *Shards {
	byShard := map[plan.Shard][]*Profile{}
	var all []plan.Shard
	for _, p := range parts {
		if s := p.Header.Shard; s != nil {
			if byShard[*s] == nil {
				all = append(all, *s)
			}
			byShard[*s] = append(byShard[*s], p)
		}
	}
	if len(all) == 0 {
		return nil
	}
	slices.SortFunc(all, func(a, b plan.Shard) int { return cmp.Or(cmp.Compare(a.Count, b.Count), cmp.Compare(a.Index, b.Index)) })
	first := byShard[all[0]][0].Header
	out := &Shards{Count: all[0].Count, Grid: first.Grid, Control: first.Control, Missing: []plan.Shard{}, Incomplete: []plan.Shard{}, Unlike: []string{}, Controls: []ControlRuns{}}
	for i := 1; i <= out.Count; i++ {
		if s := (plan.Shard{Index: i, Count: out.Count}); byShard[s] == nil {
			out.Missing = append(out.Missing, s)
		}
	}
	measured := map[point]bool{}
	for _, s := range all {
		chain := byShard[s] // in the order of their creation
		last := chain[len(chain)-1]
		if last.State() != Done {
			out.Incomplete = append(out.Incomplete, s)
		}
		var trials []trial.Trial
		for _, p := range chain {
			trials = append(trials, p.Trials...)
		}
		for _, t := range trials {
			if t.Role == trial.RoleLoad {
				measured[pointOf(t)] = true
			}
		}
		if c := controlsIn(chain, s); len(trials) > 0 {
			c.Profile = last.Header.ID
			out.Controls = append(out.Controls, c)
		}
	}
	out.Measured = len(measured)
	out.Machines, out.Differ = compareControls(out.Controls)
	out.Why = out.findWhy()
	return out
}

// controlsIn joins the controls of a shard and of those that it resumes, whose trials it has copies of.
func controlsIn(chain []*Profile, s plan.Shard) ControlRuns {
	var trials []trial.Trial
	seen := map[string]bool{}
	var control plan.Control
	for _, p := range chain {
		if p.Header.Control != nil {
			control = *p.Header.Control
		}
		for _, t := range p.Trials {
			if k := trialKey(t); !seen[k] {
				seen[k] = true
				trials = append(trials, t)
			}
		}
	}
	return controlOf(control, s, trials)
}

// findWhy says why no setting is recommended across the machines, or "".
func (s *Shards) findWhy() string {
	switch {
	case len(s.Controls) < 2:
		return ""
	case s.Machines == Differ:
		p := s.Differ[0]
		text := fmt.Sprintf("the machines differ: the control of shard %v against that of %v: %s", p.B, p.A, changesText(p.Figures))
		if n := len(s.Differ) - 1; n > 0 {
			text += fmt.Sprintf("; and %d more pairs of shards", n)
		}
		return text + ". A setting of one machine cannot be ranked against one of another"
	case s.Machines == Unknown:
		var without []string
		for _, c := range s.Controls {
			if c.Runs == 0 {
				without = append(without, c.Shard.String())
			}
		}
		return "the control of shard " + strings.Join(without, ", ") + " was not measured, so that its machine cannot be compared with the others"
	}
	return ""
}

// Lines describe the shards for people, as names and texts.
func (s *Shards) Lines() []trial.Line {
	if s == nil {
		return nil
	}
	have := fmt.Sprintf("%d of %d shards", s.Count-len(s.Missing), s.Count)
	if s.Grid != nil {
		have += fmt.Sprintf(", %d of %d points", s.Measured, s.Grid.Points)
	}
	if len(s.Missing) > 0 {
		have += "; missing: " + joinShards(s.Missing)
	}
	if len(s.Incomplete) > 0 {
		have += "; not run to the end: " + joinShards(s.Incomplete)
	}
	out := []trial.Line{{Label: "shards", Text: have}}
	for _, u := range s.Unlike {
		out = append(out, trial.Line{Label: "unlike", Text: u})
	}
	if s.Control != nil {
		out = append(out, trial.Line{Label: "control", Text: fmt.Sprintf("%v at %v", s.Control.Settings, s.Control.Load)})
	}
	for _, c := range s.Controls {
		out = append(out, trial.Line{Label: "shard " + c.Shard.String(), Text: c.text()})
	}
	switch {
	case len(s.Controls) < 2:
	case s.Machines == Alike:
		out = append(out, trial.Line{Label: "machines", Text: "no control differs from another one beyond their intervals"})
	default:
		out = append(out, trial.Line{Label: "machines", Text: s.Why})
	}
	return out
}

func joinShards(all []plan.Shard) string {
	text := make([]string, len(all))
	for i, s := range all {
		text[i] = s.String()
	}
	return strings.Join(text, ", ")
}

// LeftOut is a profile that a merge does not use.
type LeftOut struct {
	ID  string `json:"id"`
	Why string `json:"why"`
}

// selectParts leaves out repeated measurements of a shard. Of several, each with the ones that it resumes,
// the one that was run to its end is used, and of several of them the one that was started last: that
// depends on none of the results.
func selectParts(parts []*Profile) (used []*Profile, out []LeftOut) {
	kept := map[plan.Shard]map[string]bool{} // IDs by shard
	taken := map[plan.Shard]string{}
	for _, p := range parts {
		if s := p.Header.Shard; s != nil && kept[*s] == nil {
			kept[*s], taken[*s] = attempt(parts, *s)
		}
	}
	for _, p := range parts {
		if s := p.Header.Shard; s != nil && !kept[*s][p.Header.ID] {
			out = append(out, LeftOut{p.Header.ID, fmt.Sprintf("shard %v was measured more than once, and is taken from %s", *s, taken[*s])})
			continue
		}
		used = append(used, p)
	}
	return used, out
}

// attempt returns the IDs of the measurement of a shard that is used, with those that it resumes, and the
// ID of its last profile. The parts are in the order of their creation.
func attempt(parts []*Profile, s plan.Shard) (ids map[string]bool, last string) {
	byID := map[string]*Profile{}
	var ends []*Profile // those that no other one resumes
	for _, p := range parts {
		if p.Header.Shard == nil || *p.Header.Shard != s {
			continue
		}
		byID[p.Header.ID] = p
		if by := resumer(parts, p); by == nil || by.Header.Shard == nil || *by.Header.Shard != s {
			ends = append(ends, p)
		}
	}
	if len(ends) == 0 { // they resume one another: none of them is written so
		return map[string]bool{}, ""
	}
	best := ends[0]
	for _, p := range ends[1:] {
		if p.State() == Done || best.State() != Done {
			best = p
		}
	}
	ids = map[string]bool{}
	for p := best; p != nil && !ids[p.Header.ID]; {
		ids[p.Header.ID] = true
		if p.Header.Resumes == nil {
			break
		}
		p = byID[*p.Header.Resumes]
	}
	return ids, best.Header.ID
}

// ShardLines describe the shard, or the shards of a merged profile, for people; nil for others.
func (p *Profile) ShardLines() []trial.Line {
	h := p.Header
	if h.Merged != nil {
		return h.Merged.Lines()
	}
	if h.Shard == nil {
		return nil
	}
	out := []trial.Line{{Label: "shard", Text: h.Shard.String()}}
	if h.Grid != nil {
		out[0].Text += fmt.Sprintf(" of a grid of %d points", h.Grid.Points)
	}
	if h.Control == nil {
		return out
	}
	return append(out,
		trial.Line{Label: "control", Text: fmt.Sprintf("%v at %v", h.Control.Settings, h.Control.Load)},
		trial.Line{Text: controlOf(*h.Control, *h.Shard, p.Trials).text()})
}
