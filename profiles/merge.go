package profiles

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

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
// numbers come. The choice is the best of the choices of the parts by the plan of the
// first part. Choices that another trial contradicts are left out.
func Merge(path string, parts []*Profile, o MergeOptions) error {
	parts = slices.Clone(parts)
	slices.SortStableFunc(parts, func(a, b *Profile) int {
		return cmp.Or(a.Header.Created.Compare(b.Header.Created), cmp.Compare(a.Header.ID, b.Header.ID))
	})
	problems, err := checkParts(parts)
	switch {
	case err != nil:
		return err
	case len(problems) > 0 && !o.Force:
		return fmt.Errorf("profiles: %w: %s; --force merges them anyway", ErrNotComparable, strings.Join(problems, "; "))
	}
	h := parts[0].Header
	h.ID, h.Created, h.Tool, h.Shard, h.Resumes = o.ID, o.At, o.Tool, nil, nil
	w, err := Create(path, h, Options{})
	if err != nil {
		return err
	}
	m := merger{w: w, at: o.At, analysis: analyze(parts)}
	err = errors.Join(m.write(parts, problems), w.Close())
	if err != nil {
		os.Remove(path) // an incomplete file is useless, and Create would refuse to overwrite it
	}
	return err
}

// checkParts says why the parts should not be merged: an error if that is impossible, and
// the problems that force ignores.
func checkParts(parts []*Profile) (problems []string, err error) {
	if len(parts) < 2 {
		return nil, errors.New("profiles: merge needs two profiles or more")
	}
	first := parts[0].Header
	var ids, shards []string
	for _, p := range parts {
		h := p.Header
		if slices.Contains(ids, h.ID) {
			return nil, fmt.Errorf("profiles: %s is given twice", h.ID)
		}
		ids = append(ids, h.ID)
		for _, d := range slices.Concat(modelDifferences(first.Model, h.Model), differences(first, h)) {
			problems = append(problems, h.ID+": "+d)
		}
		if h.PlanHash != first.PlanHash {
			problems = append(problems, h.ID+": another plan")
		}
		if p.Running {
			problems = append(problems, h.ID+": still being written")
		}
		if h.Shard != nil && h.Resumes == nil {
			if slices.Contains(shards, *h.Shard) {
				problems = append(problems, fmt.Sprintf("%s: a second shard %s", h.ID, *h.Shard))
			}
			shards = append(shards, *h.Shard)
		}
	}
	return problems, nil
}

// merger writes the new profile.
type merger struct {
	analysis
	w      *Writer
	at     time.Time
	probes int
}

// write writes all lines after the header.
func (m *merger) write(parts []*Profile, problems []string) error {
	for _, p := range problems {
		if err := m.event("unlike parts: " + p); err != nil {
			return err
		}
	}
	for i, p := range parts {
		if err := m.part(i, p); err != nil {
			return err
		}
	}
	missing := missingParts(parts)
	for _, text := range missing {
		if err := m.event(text); err != nil {
			return err
		}
	}
	state := Done
	if len(missing) > 0 {
		state = Stopped
	}
	best, runners := m.best()
	if best != nil {
		if err := m.w.Choice(m.choice(*best, runners)); err != nil {
			return err
		}
	}
	return m.w.End(state, m.exit(parts, best != nil, len(missing) > 0))
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
		out = append(out, "shard "+*s)
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
	resumed := map[string]bool{}
	shards, total := map[string]bool{}, 0
	for _, p := range parts {
		if r := p.Header.Resumes; r != nil {
			resumed[*r] = true
		}
		if s := p.Header.Shard; s != nil {
			shards[*s] = true
			_, n, _ := strings.Cut(*s, "/")
			total, _ = strconv.Atoi(n)
		}
	}
	var out []string
	for _, p := range parts {
		if p.State() != Done && !resumed[p.Header.ID] {
			out = append(out, fmt.Sprintf("%s was not run to its end: %s", p.Header.ID, p.State()))
		}
	}
	if len(shards) < total {
		out = append(out, fmt.Sprintf("%d of %d shards", len(shards), total))
	}
	return out
}
