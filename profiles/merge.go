package profiles

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"sweetspot/sweep/rank"
	"sweetspot/sweep/trial"
)

const eventMerged = "merged"

// MergeOptions are the options of Merge.
type MergeOptions struct {
	ID    string    // of the new profile, from NewID
	At    time.Time // now
	Tool  string    // "sweetspot 0.1.0"
	Force bool      // also merge parts of different machines, models and plans, and parts that are still written
}

// Merge merges parts into a new profile at path: the shards of a sweep, or a sweep and
// the sweeps that resumed it. It does not change the parts. Their trials and probes get
// new numbers, in the order in which the parts were created; copies in a part that
// resumes another one are left out. All other lines are copied unchanged, with the
// fields that this version does not know. Events called merged say from where the
// numbers come. The choice is the best setting of all trials by the plan of the first part, as in one sweep:
// a validation has confirmed it, or a part has chosen it, and no other trial contradicts it. If validated settings
// are ranked before it, warnings say why they are not chosen.
//
// Of shards the header has which are there, and their controls ([Shards]). If the controls
// of two shards differ beyond their intervals, or one was not measured, the merged profile has no
// choice: a setting of one machine cannot be ranked against one of another.
//
// If the parts are not comparable, the error wraps ErrNotComparable, and the result has the reasons.
func Merge(path string, parts []*Profile, o MergeOptions) (MergeResult, error) {
	parts = slices.Clone(parts)
	slices.SortStableFunc(parts, func(a, b *Profile) int {
		return cmp.Or(a.Header.Created.Compare(b.Header.Created), cmp.Compare(a.Header.ID, b.Header.ID))
	})
	res := MergeResult{Parts: []MergedPart{}, Unlike: []string{}, Missing: []string{}, Ranking: []RankedRow{}, Warnings: []string{}}
	if err := checkIDs(parts); err != nil {
		return res, err
	}
	all := parts
	parts, leftOut := selectParts(parts)
	problems := checkParts(parts)
	res.Unlike = append(res.Unlike, problems...)
	if len(problems) > 0 && !o.Force {
		err := fmt.Errorf("profiles: %w: %s; --force merges them anyway", ErrNotComparable, strings.Join(problems, "; "))
		res.Why, res.Exit = err.Error(), cannotTell
		return res, err
	}
	m := merger{at: o.At, analysis: analyze(parts), problems: problems, leftOut: leftOut, missing: missingParts(parts)}
	h := parts[0].Header
	h.ID, h.Created, h.Tool, h.Shard, h.Grid, h.Control, h.Resumes = o.ID, o.At, o.Tool, nil, nil, nil, nil
	if h.Merged = m.shards; h.Merged != nil {
		h.Merged.Unlike = res.Unlike
	}
	w, err := Create(path, h, Options{})
	if err != nil {
		return res, err
	}
	m.w, m.result = w, &res
	err = errors.Join(m.write(parts), m.w.Close())
	if err != nil {
		os.Remove(path) // an incomplete file is useless, and Create would refuse to overwrite it
		return res, err
	}
	res.ID, res.Path, res.Shards = o.ID, path, m.shards
	m.describe(all, parts)
	return res, nil
}

// checkIDs returns an error if the parts cannot be merged.
func checkIDs(parts []*Profile) error {
	if len(parts) < 2 {
		return errors.New("profiles: merge needs two profiles or more")
	}
	var ids []string
	for _, p := range parts {
		if slices.Contains(ids, p.Header.ID) {
			return fmt.Errorf("profiles: %s is given twice", p.Header.ID)
		}
		ids = append(ids, p.Header.ID)
	}
	return nil
}

// checkParts says why the parts should not be merged, unless by force.
func checkParts(parts []*Profile) (problems []string) {
	first := parts[0].Header
	for _, p := range parts {
		h := p.Header
		for _, d := range slices.Concat(modelDifferences(first.Model, h.Model), differences(first, h)) {
			problems = append(problems, h.ID+": "+d)
		}
		if h.PlanHash != first.PlanHash {
			problems = append(problems, fmt.Sprintf("%s: another plan than %s: %s", h.ID, first.ID, planDifferences(first.Plan, h.Plan)))
		}
		if p.Running {
			problems = append(problems, h.ID+": still being written")
		}
	}
	return append(problems, shardDifferences(parts)...)
}

// merger writes the new profile.
type merger struct {
	analysis
	w        *Writer
	at       time.Time
	problems []string // why the parts are not comparable
	leftOut  []LeftOut
	missing  []string
	probes   int
	result   *MergeResult
}

// write writes all lines after the header.
func (m *merger) write(parts []*Profile) error {
	for _, p := range m.problems {
		if err := m.event("unlike parts: " + p); err != nil {
			return err
		}
	}
	for _, l := range m.leftOut {
		if err := m.event(l.ID + " is left out: " + l.Why); err != nil {
			return err
		}
	}
	for i, p := range parts {
		if err := m.part(i, p); err != nil {
			return err
		}
	}
	for _, text := range m.missing {
		if err := m.event(text); err != nil {
			return err
		}
	}
	m.result.State = Done
	if len(m.missing) > 0 {
		m.result.State = Stopped
	}
	var chosen *rank.Row
	if best, runners, ok := m.best(); ok {
		chosen = &best
		c := m.choice(best, runners)
		for _, text := range m.passedOver(best) {
			m.result.Warnings = append(m.result.Warnings, text)
			if err := m.event(text); err != nil {
				return err
			}
		}
		if err := m.w.Choice(c); err != nil {
			return err
		}
		m.result.Choice, m.result.OtherLoads = &c, m.ranking.DescribeOtherLoads(best)
	}
	m.result.Exit = m.exit(parts, chosen, len(m.missing) > 0)
	return m.w.End(m.result.State, m.result.Exit)
}

func (m *merger) event(detail string) error {
	return m.w.Event(trial.Event{At: m.at, What: eventMerged, Detail: detail})
}

// part copies the lines of part i, after an event that says from where they come.
func (m *merger) part(i int, p *Profile) error {
	if err := m.event(m.origin(i, p)); err != nil {
		return err
	}
	if why := m.rejectedChoice[i]; why != "" {
		if err := m.event(why); err != nil {
			return err
		}
	}
	trials, probes := 0, 0
	for _, l := range p.Lines[1:] {
		skip := false
		switch l.Kind {
		case "header", "end":
			skip = true // their content is in the event
		case "hold", "held":
			skip = true // the merged profile may choose other settings
		case "trial":
			skip = m.copiedTrials[i][trials]
			trials++
		case "probe":
			skip = m.copiedProbes[i][probes]
			probes++
		case "choice":
			skip = m.rejectedChoice[i] != ""
		}
		if skip {
			continue
		}
		if err := m.line(l, m.number[i]); err != nil {
			return err
		}
	}
	return nil
}

// origin says which trials follow, and their old and new numbers.
func (m *merger) origin(i int, p *Profile) string {
	var kept []trial.Trial
	for j, t := range p.Trials {
		if !m.copiedTrials[i][j] {
			kept = append(kept, t)
		}
	}
	from := "no trials"
	if n := len(kept); n > 0 {
		first := m.number[i][kept[0].N]
		from = fmt.Sprintf("trials %d-%d are %d-%d", first, first+n-1, kept[0].N, kept[n-1].N)
	}
	out := []string{fmt.Sprintf("%s of %s, %s", from, p.Header.ID, p.State())}
	if n := len(p.Trials) - len(kept); n > 0 {
		out = append(out, fmt.Sprintf("%d more are those of the part it resumes", n))
	}
	if len(p.Hold)+len(p.Held) > 0 {
		out = append(out, "its hold is left out")
	}
	if s := p.Header.Shard; s != nil {
		out = append(out, "shard "+s.String())
	}
	if r := p.Header.Resumes; r != nil {
		out = append(out, "resumes "+*r)
	}
	return strings.Join(append(out, p.Warnings...), ", ")
}

// line copies one line with new numbers.
func (m *merger) line(l Line, number map[int]int) error {
	raw, done := l.Raw, func() {}
	var err error
	switch l.Kind {
	case "trial":
		var old struct{ N int }
		if err = json.Unmarshal(raw, &old); err == nil {
			raw, err = setField(raw, "n", number[old.N])
		}
		done = func() { m.w.trials++ }
	case "probe":
		m.probes++
		raw, err = setField(raw, "n", m.probes)
	case "choice":
		raw, err = renumberChoice(raw, number)
	}
	if err != nil {
		return fmt.Errorf("profiles: line %d: %w", l.Number, err)
	}
	return m.w.raw(raw, done)
}

// missingParts says what is missing from a complete sweep: parts that did not end and
// that no other part resumes, and shards.
func missingParts(parts []*Profile) []string {
	var out []string
	for _, p := range parts {
		if p.State() != Done && resumer(parts, p) == nil {
			out = append(out, fmt.Sprintf("%s was not run to its end: %s", p.Header.ID, p.State()))
		}
	}
	if s := shardsOf(parts); s != nil && len(s.Missing) > 0 {
		out = append(out, fmt.Sprintf("%d of %d shards; missing: %s", s.Count-len(s.Missing), s.Count, joinShards(s.Missing)))
	}
	return out
}
