package profiles

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/trial"
)

// MergeResult is what a merge has made. It is data.
type MergeResult struct {
	ID      string        `json:"id"`              // of the new profile; "" if the parts were refused
	Path    string        `json:"path"`            // of the new profile; "" if the parts were refused
	State   State         `json:"state,omitempty"` // done, or stopped if something is missing; absent if the parts were refused
	Parts   []MergedPart  `json:"parts"`           // in the order in which they were created
	Unlike  []string      `json:"unlike"`          // why the parts are not comparable, in words
	Missing []string      `json:"missing"`         // what is missing from a complete sweep, in words
	Shards  *Shards       `json:"shards"`          // null if the parts are no shards
	Ranking []RankedRow   `json:"ranking"`         // the settings of all parts under each load, best first; if shards.why is not "", the order means nothing across machines
	Choice  *trial.Choice `json:"choice"`          // null if nothing is recommended
	Why     string        `json:"why"`             // why nothing is recommended; "" if something is
	Exit    int           `json:"exit"`            // exit code

	OtherLoads []string `json:"other_loads,omitempty"` // under which other loads the choice was not measured, not validated, or fails, in words

	Warnings []string `json:"warnings"`
}

// MergedPart is one of the profiles of a merge.
type MergedPart struct {
	ID      string      `json:"id"`
	Shard   *plan.Shard `json:"shard"` // i/n; null if it is no shard
	State   State       `json:"state"`
	Resumes *string     `json:"resumes"`  // ID
	Trials  int         `json:"trials"`   // that are in the new profile; copies in a part that resumes another one are not counted
	LeftOut string      `json:"left_out"` // why it is not used; "" if it is
}

// RankedRow is one setting under one load, with all its runs.
type RankedRow struct {
	Trial      int            `json:"trial"` // of its figures, in the new profile
	Runs       int            `json:"runs"`
	Validated  bool           `json:"validated"`
	Settings   knob.Settings  `json:"settings"`
	Load       load.Spec      `json:"load"`
	Throughput trial.Estimate `json:"throughput_rps"`
	Verdict    trial.Verdict  `json:"verdict"`
}

// describe fills in the result after the merged profile is written. all are the given parts, used those that were
// merged.
func (m *merger) describe(all, used []*Profile) {
	res := m.result
	res.Missing = append(res.Missing, m.missing...)
	for _, p := range all {
		h := p.Header
		part := MergedPart{ID: h.ID, Shard: h.Shard, State: p.State(), Resumes: h.Resumes}
		for _, l := range m.leftOut {
			if l.ID == h.ID {
				part.LeftOut = l.Why
			}
		}
		if i := slices.Index(used, p); i >= 0 {
			for _, copied := range m.copiedTrials[i] {
				if !copied {
					part.Trials++
				}
			}
		}
		for _, w := range p.Warnings {
			res.Warnings = append(res.Warnings, h.ID+": "+w)
		}
		res.Parts = append(res.Parts, part)
	}
	for _, row := range m.ranking.InOrder() {
		j := row.Joined
		res.Ranking = append(res.Ranking, RankedRow{j.N, len(row.Runs), row.Validated, j.Settings, j.Load, j.Throughput, j.Verdict})
	}
	if m.shards != nil {
		for _, c := range m.shards.Controls {
			if d := c.drift(); d != "" {
				res.Warnings = append(res.Warnings, fmt.Sprintf("shard %v: its machine changed while it measured: from the first control to the last %s", c.Shard, d))
			}
		}
	}
	if res.Choice == nil {
		res.Why = m.whyNone(res)
	}
}

// whyNone says why a merged profile has no choice.
func (m *merger) whyNone(res *MergeResult) string {
	switch {
	case m.shards != nil && m.shards.Why != "":
		return m.shards.Why
	case res.Exit == no:
		return "no setting keeps the promise"
	case len(m.trials) == 0:
		return "nothing was measured"
	case len(m.missing) > 0:
		return "no setting is known to keep the promise, and " + strings.Join(m.missing, "; ")
	}
	return "no setting is known to keep the promise"
}

// WriteMergeJSON writes the result of a merge as one JSON object.
func WriteMergeJSON(w io.Writer, r MergeResult) error { return writeJSON(w, r) }

// WriteMerge writes the result of a merge as text: the parts, the shards, the best settings and the
// conclusion.
func WriteMerge(w io.Writer, r MergeResult, s Style) error {
	const shown = 5
	var b strings.Builder
	line := func(label, text string) { b.WriteString(s.wrap(fmt.Sprintf("%-10s ", label), text)) }
	for _, p := range r.Parts {
		if p.LeftOut != "" {
			line("left out", p.ID+": "+p.LeftOut)
		}
	}
	lines := r.Shards.Lines()
	for _, l := range lines {
		line(l.Label, l.Text)
	}
	for _, u := range r.Unlike {
		if r.Shards == nil {
			line("unlike", u)
		}
	}
	for _, m := range r.Missing {
		line("missing", m)
	}
	for _, t := range r.Warnings {
		line("warning", t)
	}
	ranking := r.Ranking[:min(shown, len(r.Ranking))]
	if r.Shards != nil && r.Shards.Why != "" {
		ranking = nil // rows of different machines have no order
	}
	for i, row := range ranking {
		text := fmt.Sprintf("%v at %v: %s/s, %s, trial %d", row.Settings, row.Load, FormatFigure(row.Throughput.Value), row.Verdict.Describe(), row.Trial)
		if row.Validated {
			text += ", validated"
		}
		line(fmt.Sprintf("rank %d", i+1), text)
	}
	if r.Choice != nil {
		text := fmt.Sprintf("%v, trial %d", r.Choice.Settings, r.Choice.N)
		if len(r.OtherLoads) > 0 {
			text += "; " + strings.Join(r.OtherLoads, "; ")
		}
		line("best", text)
	} else {
		answer := map[int]string{no: "no", cannotTell: "cannot tell"}[r.Exit]
		line(answer, r.Why)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// planDifferences says in which keys two canonical plans differ, with their values.
func planDifferences(a, b json.RawMessage) string {
	const shown = 60 // characters of a value
	var x, y map[string]json.RawMessage
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return "one of them cannot be read"
	}
	text := func(raw json.RawMessage) string {
		var c bytes.Buffer
		if raw == nil || json.Compact(&c, raw) != nil {
			return "none"
		}
		if r := []rune(c.String()); len(r) > shown {
			return string(r[:shown]) + "..."
		}
		return c.String()
	}
	keys := slices.Collect(maps.Keys(x))
	for k := range y {
		if x[k] == nil {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	var out []string
	for _, k := range keys {
		if v, w := text(x[k]), text(y[k]); !bytes.Equal(x[k], y[k]) {
			out = append(out, fmt.Sprintf("%s: %s and %s", k, v, w))
		}
	}
	if len(out) == 0 {
		return "their hashes differ in what profiles leave out, such as folders and the content of a trace"
	}
	return strings.Join(out, ", ")
}

// shardDifferences says why shards among the parts are not those of one grid.
func shardDifferences(parts []*Profile) (out []string) {
	var first *Header
	for _, p := range parts {
		h := p.Header
		switch {
		case h.Shard == nil:
		case first == nil:
			first = &h
		case h.Shard.Count != first.Shard.Count:
			out = append(out, fmt.Sprintf("%s: shard %v and shard %v of %s are parts of different divisions", h.ID, h.Shard, first.Shard, first.ID))
		case h.Grid != nil && first.Grid != nil && *h.Grid != *first.Grid:
			out = append(out, fmt.Sprintf("%s: another grid than %s, of %d and %d points: a range of the plan is auto, and the machines differ", h.ID, first.ID, first.Grid.Points, h.Grid.Points))
		}
	}
	return out
}
