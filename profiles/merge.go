package profiles

import (
	"cmp"
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
// trials and probes are numbered anew, in the order of the parts' creation;
// every other line is taken over as it stands, fields unknown to this version
// included. Events called merged say where each number comes from. The choice is
// the best of the parts' choices.
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
	m := merger{w: w, at: o.At}
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
	w      *Writer
	at     time.Time
	trials int
	probes int
	best   []trial.Trial // of each part that has one, renumbered
}

func (m *merger) all(parts []*Profile, doubts []string) error {
	for _, d := range doubts {
		if err := m.event("unlike parts: " + d); err != nil {
			return err
		}
	}
	for _, p := range parts {
		if err := m.part(p); err != nil {
			return err
		}
	}
	missing := unfinished(parts)
	for _, text := range missing {
		if err := m.event(text); err != nil {
			return err
		}
	}
	state, exit := Done, 2
	if len(missing) > 0 {
		state, exit = Stopped, 3
	}
	if len(m.best) > 0 {
		exit = 0
		if err := m.w.Choice(m.choice()); err != nil {
			return err
		}
	}
	return m.w.End(state, exit)
}

func (m *merger) event(detail string) error {
	return m.w.Event(trial.Event{At: m.at, What: eventMerged, Detail: detail})
}

// part takes over one part's lines, after the event that says so.
func (m *merger) part(p *Profile) error {
	number := map[int]int{} // old to new
	for i, t := range p.Trials {
		number[t.N] = m.trials + i + 1
	}
	if err := m.event(p.origin(m.trials + 1)); err != nil {
		return err
	}
	if b, ok := p.Best(); ok && b.Verdict.Result == trial.Pass {
		b.N = number[b.N]
		m.best = append(m.best, b)
	}
	for _, l := range p.Lines[1:] {
		if err := m.line(l, number); err != nil {
			return err
		}
	}
	return nil
}

// origin says which trials of a part follow, from number first on.
func (p *Profile) origin(first int) string {
	from := "no trials"
	if n := len(p.Trials); n > 0 {
		from = fmt.Sprintf("trials %d-%d are %d-%d", first, first+n-1, p.Trials[0].N, p.Trials[n-1].N)
	}
	out := []string{fmt.Sprintf("%s of %s, %s", from, p.Header.ID, p.State())}
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
	case "header", "end":
		return nil // the event tells what they said
	case "trial":
		m.trials++
		raw, err = setField(raw, "n", m.trials)
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

// choice is the best of the parts' choices: of those whose throughput cannot be
// told from the highest, the one with the lowest P99, fewest workers, smallest
// batch, FP32, shortest delay.
func (m *merger) choice() trial.Choice {
	top := slices.MaxFunc(m.best, func(a, b trial.Trial) int {
		return cmp.Compare(a.Throughput.Value.Or(0), b.Throughput.Value.Or(0))
	})
	equals := slices.DeleteFunc(slices.Clone(m.best), func(t trial.Trial) bool {
		return ratio(t.Throughput, top.Throughput, 1).Low.Or(0) > 1
	})
	won := slices.MinFunc(equals, func(a, b trial.Trial) int {
		return cmp.Or(
			cmp.Compare(a.Latency.P99.Value.Or(0), b.Latency.P99.Value.Or(0)),
			cmp.Compare(a.Settings.Workers, b.Settings.Workers),
			cmp.Compare(a.Settings.BatchSize, b.Settings.BatchSize),
			cmp.Compare(a.Settings.Precision, b.Settings.Precision),
			cmp.Compare(a.Settings.BatchDelay, b.Settings.BatchDelay),
		)
	})
	c := trial.Choice{At: m.at, N: won.N, By: "merge", Settings: won.Settings, Why: trial.Why{Text: "the best of the parts' choices"}}
	if v := won.Verdict; v.LimitMS > 0 {
		c.Why.Headroom = trial.Of(1 - v.ValueMS.Or(won.Latency.P99.Value.Or(0))/v.LimitMS)
	}
	for _, t := range m.best {
		if t.N != won.N {
			c.Why.RunnersUp = append(c.Why.RunnersUp, t.N)
		}
	}
	return c
}
