package profiles

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/trial"
)

// Profile is a profile as read. It is data; what its lines held that this
// version does not know is still in Lines.
type Profile struct {
	Header Header
	Probes []trial.Probe
	Trials []trial.Trial
	Series map[int]Series // of live trials, by their number
	// Operators is where the time of a run went, each time it was asked for.
	Operators []trial.Operators
	Events    []trial.Event
	Choices   []trial.Choice // the last one counts
	End       *End           // nil while it runs, or when it was interrupted

	Path     string // the file; "" when it came from none
	Running  bool   // a writer holds the file now
	Lines    []Line // every whole line, in order
	Warnings []string
}

// Line is one line as it stands in the file.
type Line struct {
	Number int    // from 1
	Kind   string // header, trial ...; kinds unknown to this version are kept
	Raw    json.RawMessage
}

// Read reads the profile at path. When lines are damaged it returns both the
// profile of the other lines and an error that names each; without a header
// there is no profile.
func Read(path string) (*Profile, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("profiles: %w", err)
	}
	defer f.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(f); err != nil {
		return nil, fmt.Errorf("profiles: %w", err)
	}
	p, err := Decode(path, b.Bytes())
	if p != nil {
		p.Path = path
		p.Running = p.End == nil && held(f)
	}
	return p, err
}

// Decode reads a profile's bytes; name stands in messages. The profile keeps
// parts of data.
func Decode(name string, data []byte) (*Profile, error) {
	p := &Profile{}
	var errs []error
	for n := 1; len(data) > 0; n++ {
		raw, rest, whole := bytes.Cut(data, []byte("\n"))
		data = rest
		// An object cut short is no object, so a last line that is one lacks
		// its line feed only.
		if !whole && !json.Valid(raw) {
			p.warn(n, "torn; dropped (%d bytes)", len(raw))
			break
		}
		if len(bytes.TrimSpace(raw)) == 0 {
			continue
		}
		if err := p.line(n, raw); err != nil {
			errs = append(errs, fmt.Errorf("profiles: %s: line %d: %w", name, n, err))
		}
		if len(p.Lines) == 0 {
			break
		}
	}
	if len(p.Lines) == 0 {
		errs = append(errs, fmt.Errorf("profiles: %s: no sweetspot profile: it begins with no whole header line", name))
		return nil, errors.Join(errs...)
	}
	return p, errors.Join(errs...)
}

func (p *Profile) warn(line int, format string, a ...any) {
	p.Warnings = append(p.Warnings, fmt.Sprintf("line %d: %s", line, fmt.Sprintf(format, a...)))
}

// line takes one whole line.
func (p *Profile) line(n int, raw []byte) error {
	var kind struct {
		T string `json:"t"`
	}
	if err := json.Unmarshal(raw, &kind); err != nil {
		return fmt.Errorf("no JSON object: %w", err)
	}
	var err error
	switch {
	case len(p.Lines) == 0:
		if kind.T != "header" {
			return fmt.Errorf("kind %q, want header", kind.T)
		}
		err = p.header(raw)
	case kind.T == "header":
		p.warn(n, "a second header; kept, not used")
	case kind.T == "probe":
		p.Probes, err = add(p, n, p.Probes, raw)
	case kind.T == "trial":
		err = p.trial(n, raw)
	case kind.T == "operators":
		p.Operators, err = add(p, n, p.Operators, raw)
	case kind.T == "event":
		p.Events, err = add(p, n, p.Events, raw)
	case kind.T == "choice":
		p.Choices, err = add(p, n, p.Choices, raw)
	case kind.T == "end":
		var ends []End
		if ends, err = add[End](p, n, nil, raw); err == nil {
			p.End = &ends[0]
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", kind.T, readable(err))
	}
	p.Lines = append(p.Lines, Line{n, kind.T, raw})
	return nil
}

// trial takes a trial's line, with the series a live one has.
func (p *Profile) trial(n int, raw []byte) error {
	lines, err := add[recording](p, n, nil, raw)
	if err != nil {
		return err
	}
	t := lines[0]
	p.Trials = append(p.Trials, t.Trial)
	if t.Series == nil {
		return nil
	}
	if err := t.Series.Validate(); err != nil {
		p.warn(n, "series: %v; not used", err)
		return nil
	}
	if p.Series == nil {
		p.Series = map[int]Series{}
	}
	p.Series[t.N] = *t.Series
	return nil
}

func (p *Profile) header(raw []byte) error {
	var h struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
		Header
	}
	// Format and version first: a newer header may not decode at all.
	if err := json.Unmarshal(raw, &struct {
		Format  *string `json:"format"`
		Version *int    `json:"version"`
	}{&h.Format, &h.Version}); err != nil {
		return err
	}
	switch {
	case h.Format != Format:
		return fmt.Errorf("format %q, want %s", h.Format, Format)
	case h.Version < 1 || h.Version > Version:
		return fmt.Errorf("version %d, and this sweetspot reads 1-%d; use a newer one", h.Version, Version)
	}
	err := json.Unmarshal(raw, &h)
	p.Header = h.Header
	return err
}

// add decodes raw and appends it. A setting that this version cannot have, neither as
// a knob nor as one of the target's own, is left out with a warning: it stays in the
// line.
func add[T any](p *Profile, n int, to []T, raw []byte) ([]T, error) {
	var v T
	err := json.Unmarshal(raw, &v)
	if err != nil {
		known, dropped := withoutUnknown(raw)
		if len(dropped) == 0 {
			return to, err
		}
		v = *new(T)
		if err := json.Unmarshal(known, &v); err != nil {
			return to, err
		}
		p.warn(n, "unknown knobs %q; kept, not used", dropped)
	}
	return append(to, v), nil
}

// withoutUnknown returns raw without the settings that cannot be read here, and
// their names. raw is JSON.
func withoutUnknown(raw []byte) (known []byte, dropped []string) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return nil, nil
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for k, e := range v {
				if s, ok := e.(map[string]any); ok && k == "settings" {
					dropped = append(dropped, dropUnknown(s)...)
				} else {
					walk(e)
				}
			}
		}
	}
	walk(v)
	slices.Sort(dropped)
	known, err := json.Marshal(v)
	if err != nil {
		return nil, nil
	}
	return known, slices.Compact(dropped)
}

func dropUnknown(settings map[string]any) (dropped []string) {
	for k, v := range settings {
		if _, ok := knob.Get(knob.Name(k)); ok {
			continue
		}
		alone, err := json.Marshal(map[string]any{k: v})
		if err != nil || json.Unmarshal(alone, new(knob.Settings)) != nil {
			dropped = append(dropped, k)
			delete(settings, k)
		}
	}
	return dropped
}

// State is how the profile ended, or that it has not.
func (p *Profile) State() State {
	switch {
	case p.End != nil:
		return p.End.State
	case p.Running:
		return Running
	}
	return Interrupted
}

// Trial returns the trial numbered n.
func (p *Profile) Trial(n int) (trial.Trial, bool) {
	for _, t := range p.Trials {
		if t.N == n {
			return t, true
		}
	}
	return trial.Trial{}, false
}

// Choice returns the choice that counts: the last.
func (p *Profile) Choice() (trial.Choice, bool) {
	if len(p.Choices) == 0 {
		return trial.Choice{}, false
	}
	return p.Choices[len(p.Choices)-1], true
}

// Best returns the trial of the choice; without one, as in an interrupted profile,
// the one that stands for the best row.
func (p *Profile) Best() (best trial.Trial, ok bool) {
	if c, chosen := p.Choice(); chosen {
		if t, found := p.Trial(c.N); found {
			return t, true
		}
	}
	row, ok := p.BestRow()
	if !ok {
		return trial.Trial{}, false
	}
	return p.Trials[row.Representative], true
}

// BestRow returns all runs of the choice's setting; without a choice those of the
// setting with the highest throughput among the validated ones, and without any
// among those that passed.
func (p *Profile) BestRow() (best rank.Row, ok bool) {
	if c, chosen := p.Choice(); chosen {
		if i := slices.IndexFunc(p.Trials, func(t trial.Trial) bool { return t.N == c.N }); i >= 0 {
			return rank.RowOf(p.Trials, i), true
		}
	}
	rows := rank.Rows(p.Trials)
	for i, t := range p.Trials {
		if t.Role == trial.RoleLive {
			rows = append(rows, rank.RowOf(p.Trials, i))
		}
	}
	for _, r := range rows {
		better := r.Joined.Throughput.Value.Or(0) > best.Joined.Throughput.Value.Or(0)
		if r.Validated != best.Validated {
			better = r.Validated
		}
		if r.Verdict().Result == trial.Pass && (!ok || better) {
			best, ok = r, true
		}
	}
	return best, ok
}

// SLA is the promise the trials were held against; profiles that do not say it
// in the header say it in their verdicts.
func (p *Profile) SLA() (trial.SLA, bool) {
	if p.Header.SLA != nil {
		return *p.Header.SLA, true
	}
	for _, t := range p.Trials {
		if v := t.Verdict; v.LimitMS > 0 {
			limit := time.Duration(v.LimitMS * float64(time.Millisecond))
			return trial.SLA{Percentile: v.Percentile, Limit: limit, Latency: v.Latency}, true
		}
	}
	return trial.SLA{}, false
}
