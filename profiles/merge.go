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

// MergeOptions of a merge.
type MergeOptions struct {
	ID    string    // of the new profile, from NewID
	At    time.Time // now
	Tool  string    // "sweetspot 0.1.0"
	Force bool      // join parts of unlike machines, models and plans, and unfinished ones
}

// Merge joins parts, such as the shards of a sweep or a sweep and the one that
// resumed it, into a new profile at path; the parts stay as they are. Their
// trials and probes are numbered anew, in the order of the parts' creation; what a
// part brought along from the one it resumes is there once. Every other line is
// taken over as it stands, fields unknown to this version included. Events called
// merged say where each number comes from. The choice is the best of the parts'
// choices by what the first part's plan asks for, as far as no trial speaks against
// them; what of them does not count is left out, since a profile's last choice does.
func Merge(path string, parts []*Profile, o MergeOptions) error {
	parts = slices.Clone(parts)
	slices.SortStableFunc(parts, func(a, b *Profile) int {
		return cmp.Or(a.Header.Created.Compare(b.Header.Created), cmp.Compare(a.Header.ID, b.Header.ID))
	})
	doubts, err := mergeable(parts)
	switch {
	case err != nil:
		return err
	case len(doubts) > 0 && !o.Force:
		return fmt.Errorf("profiles: %w: %s; --force joins them anyway", ErrUnlike, strings.Join(doubts, "; "))
	}
	h := parts[0].Header
	h.ID, h.Created, h.Tool, h.Shard, h.Resumes = o.ID, o.At, o.Tool, nil, nil
	w, err := Create(path, h, Options{})
	if err != nil {
		return err
	}
	m := merger{w: w, at: o.At, joined: join(parts)}
	err = errors.Join(m.all(parts, doubts), w.Close())
	if err != nil {
		os.Remove(path) // half of it is of no use, and in the way of another try
	}
	return err
}

// mergeable tells what speaks against joining the parts: the error for good, the
// doubts unless forced.
func mergeable(parts []*Profile) (doubts []string, err error) {
	if len(parts) < 2 {
		return nil, errors.New("profiles: merge wants two profiles or more")
	}
	first := parts[0].Header
	var ids, shards []string
	for _, p := range parts {
		h := p.Header
		if slices.Contains(ids, h.ID) {
			return nil, fmt.Errorf("profiles: %s is there twice", h.ID)
		}
		ids = append(ids, h.ID)
		for _, u := range unlike(first, h) {
			doubts = append(doubts, h.ID+": "+u)
		}
		if h.PlanHash != first.PlanHash {
			doubts = append(doubts, h.ID+": another plan")
		}
		if p.Running {
			doubts = append(doubts, h.ID+": still being written")
		}
		if h.Shard != nil && h.Resumes == nil {
			if slices.Contains(shards, *h.Shard) {
				doubts = append(doubts, fmt.Sprintf("%s: a second shard %s", h.ID, *h.Shard))
			}
			shards = append(shards, *h.Shard)
		}
	}
	return doubts, nil
}

// merger writes the new profile.
type merger struct {
	joined
	w      *Writer
	at     time.Time
	probes int
}

func (m *merger) all(parts []*Profile, doubts []string) error {
	for _, d := range doubts {
		if err := m.event("unlike parts: " + d); err != nil {
			return err
		}
	}
	for i, p := range parts {
		if err := m.part(i, p); err != nil {
			return err
		}
	}
	missing := unfinished(parts)
	for _, text := range missing {
		if err := m.event(text); err != nil {
			return err
		}
	}
	state := Done
	if len(missing) > 0 {
		state = Stopped
	}
	best, runners := m.pick()
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

// part takes over the lines of part i, after the event that says so.
func (m *merger) part(i int, p *Profile) error {
	if err := m.event(m.origin(i, p)); err != nil {
		return err
	}
	if why := m.against[i]; why != "" {
		if err := m.event(why); err != nil {
			return err
		}
	}
	trials, probes := 0, 0
	for _, l := range p.Lines[1:] {
		skip := false
		switch l.Kind {
		case "header", "end":
			skip = true // the event tells what they said
		case "trial":
			skip = m.copied[i][trials]
			trials++
		case "probe":
			skip = m.known[i][probes]
			probes++
		case "choice":
			skip = m.against[i] != ""
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

// origin says which trials of part i follow.
func (m *merger) origin(i int, p *Profile) string {
	var own []trial.Trial
	for j, t := range p.Trials {
		if !m.copied[i][j] {
			own = append(own, t)
		}
	}
	from := "no trials"
	if n := len(own); n > 0 {
		first := m.number[i][own[0].N]
		from = fmt.Sprintf("trials %d-%d are %d-%d", first, first+n-1, own[0].N, own[n-1].N)
	}
	out := []string{fmt.Sprintf("%s of %s, %s", from, p.Header.ID, p.State())}
	if n := len(p.Trials) - len(own); n > 0 {
		out = append(out, fmt.Sprintf("%d more are those of the part it resumes", n))
	}
	if s := p.Header.Shard; s != nil {
		out = append(out, "shard "+*s)
	}
	if r := p.Header.Resumes; r != nil {
		out = append(out, "resumes "+*r)
	}
	return strings.Join(append(out, p.Warnings...), ", ")
}

// line takes over one line with new numbers.
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
		raw, err = renumbered(raw, number)
	}
	if err != nil {
		return fmt.Errorf("profiles: line %d: %w", l.Number, err)
	}
	return m.w.raw(raw, done)
}

// unfinished says what is missing from a whole sweep: parts that were not run to
// their end and that no other part resumes, and shards.
func unfinished(parts []*Profile) []string {
	resumed := map[string]bool{}
	shards, of := map[string]bool{}, 0
	for _, p := range parts {
		if r := p.Header.Resumes; r != nil {
			resumed[*r] = true
		}
		if s := p.Header.Shard; s != nil {
			shards[*s] = true
			_, n, _ := strings.Cut(*s, "/")
			of, _ = strconv.Atoi(n)
		}
	}
	var out []string
	for _, p := range parts {
		if p.State() != Done && !resumed[p.Header.ID] {
			out = append(out, fmt.Sprintf("%s was not run to its end: %s", p.Header.ID, p.State()))
		}
	}
	if len(shards) < of {
		out = append(out, fmt.Sprintf("%d of %d shards", len(shards), of))
	}
	return out
}
