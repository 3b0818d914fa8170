package profiles

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/trial"
)

// Profile is a profile that was read. It is data. Fields that this version does not
// know are still in Lines.
type Profile struct {
	Header Header
	Probes []trial.Probe
	Trials []trial.Trial
	Series map[int]Series // of live trials, by trial number
	// Operators has the times of the operators of the model, one entry per request for them.
	Operators []trial.Operators
	Events    []trial.Event
	Choices   []trial.Choice     // the last one counts
	Hold      []trial.HoldPeriod // periods of the hold after a sweep, in order
	Held      []trial.Hold       // its result; the last one counts
	End       *End               // nil while it is written, or if it was interrupted

	Path     string // the file; "" if it was not read from a file
	Running  bool   // a writer has the file locked now
	Lines    []Line // all complete lines, in order
	Warnings []string
}

// Line is one line of the file, unchanged.
type Line struct {
	Number int    // from 1
	Kind   string // header, trial ...; unknown kinds are kept
	Raw    json.RawMessage
}

// Read reads the profile at path. If lines are damaged it returns the profile with
// the other lines and an error that names each damaged line. Without a header it
// returns no profile.
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
		p.Running = p.End == nil && isLocked(f)
	}
	return p, err
}

// Decode reads the bytes of a profile; name is its name in messages. The profile keeps
// references into data.
func Decode(name string, data []byte) (*Profile, error) {
	p := &Profile{}
	var errs []error
	for n := 1; len(data) > 0; n++ {
		raw, rest, complete := bytes.Cut(data, []byte("\n"))
		data = rest
		// Part of a JSON object is not valid JSON. So if the last line is valid, only
		// its line feed is missing.
		if !complete && !json.Valid(raw) {
			p.warn(n, "incomplete; ignored (%d bytes)", len(raw))
			break
		}
		if len(bytes.TrimSpace(raw)) == 0 {
			continue
		}
		if err := p.addLine(n, raw); err != nil {
			errs = append(errs, fmt.Errorf("profiles: %s: line %d: %w", name, n, err))
		}
		if len(p.Lines) == 0 {
			break
		}
	}
	if len(p.Lines) == 0 {
		errs = append(errs, fmt.Errorf("profiles: %s: not a sweetspot profile: its first line is not a complete header", name))
		return nil, errors.Join(errs...)
	}
	return p, errors.Join(errs...)
}

func (p *Profile) warn(line int, format string, a ...any) {
	p.Warnings = append(p.Warnings, fmt.Sprintf("line %d: %s", line, fmt.Sprintf(format, a...)))
}

// addLine decodes one complete line and adds it.
func (p *Profile) addLine(n int, raw []byte) error {
	var kind struct {
		T string `json:"t"`
	}
	if err := json.Unmarshal(raw, &kind); err != nil {
		return fmt.Errorf("not a JSON object: %w", err)
	}
	var err error
	switch {
	case len(p.Lines) == 0:
		if kind.T != "header" {
			return fmt.Errorf("kind %q, want header", kind.T)
		}
		err = p.decodeHeader(raw)
	case kind.T == "header":
		p.warn(n, "a second header; kept, but ignored")
	case kind.T == "probe":
		p.Probes, err = appendLine(p, n, p.Probes, raw)
	case kind.T == "trial":
		err = p.addTrial(n, raw)
	case kind.T == "operators":
		p.Operators, err = appendLine(p, n, p.Operators, raw)
	case kind.T == "event":
		p.Events, err = appendLine(p, n, p.Events, raw)
	case kind.T == "choice":
		p.Choices, err = appendLine(p, n, p.Choices, raw)
	case kind.T == "hold":
		p.Hold, err = appendLine(p, n, p.Hold, raw)
	case kind.T == "held":
		p.Held, err = appendLine(p, n, p.Held, raw)
	case kind.T == "end":
		var ends []End
		if ends, err = appendLine[End](p, n, nil, raw); err == nil {
			p.End = &ends[0]
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", kind.T, explainType(err))
	}
	p.Lines = append(p.Lines, Line{n, kind.T, raw})
	return nil
}

// addTrial decodes the line of a trial, with the series of a live trial.
func (p *Profile) addTrial(n int, raw []byte) error {
	lines, err := appendLine[recording](p, n, nil, raw)
	if err != nil {
		return err
	}
	t := lines[0]
	p.Trials = append(p.Trials, t.Trial)
	if t.Series == nil {
		return nil
	}
	if err := t.Series.Validate(); err != nil {
		p.warn(n, "series: %v; ignored", err)
		return nil
	}
	if p.Series == nil {
		p.Series = map[int]Series{}
	}
	p.Series[t.N] = *t.Series
	return nil
}

func (p *Profile) decodeHeader(raw []byte) error {
	var h struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
		Header
	}
	// Format and version are decoded first, because the other fields of a newer version may
	// have other types.
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
		return fmt.Errorf("version %d: this sweetspot reads versions 1-%d; use a newer sweetspot", h.Version, Version)
	}
	err := json.Unmarshal(raw, &h)
	p.Header = h.Header
	return err
}

// appendLine decodes raw and appends the value to a list. A setting that is neither a
// valid knob nor a valid own knob of a target is left out with a warning. It stays in
// the line.
func appendLine[T any](p *Profile, n int, to []T, raw []byte) ([]T, error) {
	var v T
	err := json.Unmarshal(raw, &v)
	if err != nil {
		known, removed := removeUnknownSettings(raw)
		if len(removed) == 0 {
			return to, err
		}
		v = *new(T)
		if err := json.Unmarshal(known, &v); err != nil {
			return to, err
		}
		p.warn(n, "unknown knobs %q; kept, but ignored", removed)
	}
	return append(to, v), nil
}

// removeUnknownSettings returns raw without the settings that cannot be decoded, and
// the names of these. raw is JSON.
func removeUnknownSettings(raw []byte) (known []byte, removed []string) {
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
					removed = append(removed, removeUnknown(s)...)
				} else {
					walk(e)
				}
			}
		}
	}
	walk(v)
	slices.Sort(removed)
	known, err := json.Marshal(v)
	if err != nil {
		return nil, nil
	}
	return known, slices.Compact(removed)
}

func removeUnknown(settings map[string]any) (removed []string) {
	var valid knob.Settings // with the own knobs so far, because their number is limited
	for _, k := range slices.Sorted(maps.Keys(settings)) {
		if _, ok := knob.Get(knob.Name(k)); ok {
			continue
		}
		single, err := json.Marshal(map[string]any{k: settings[k]})
		if err != nil || json.Unmarshal(single, &valid) != nil {
			removed = append(removed, k)
			delete(settings, k)
		}
	}
	return removed
}

// State returns how the profile ended, or that it has no end.
func (p *Profile) State() State {
	switch {
	case p.End != nil:
		return p.End.State
	case p.Running:
		return Running
	}
	return Interrupted
}

// Trial returns trial number n.
func (p *Profile) Trial(n int) (trial.Trial, bool) {
	for _, t := range p.Trials {
		if t.N == n {
			return t, true
		}
	}
	return trial.Trial{}, false
}

// Choice returns the last choice. It replaces the earlier ones.
func (p *Profile) Choice() (trial.Choice, bool) {
	if len(p.Choices) == 0 {
		return trial.Choice{}, false
	}
	return p.Choices[len(p.Choices)-1], true
}

// HoldResult returns the result of the hold. That of one that was interrupted is missing.
func (p *Profile) HoldResult() (trial.Hold, bool) {
	if len(p.Held) == 0 {
		return trial.Hold{}, false
	}
	return p.Held[len(p.Held)-1], true
}

// Best returns the chosen trial. In a profile without a choice, such as an interrupted
// one, it returns the trial that represents the best row.
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

// Row returns the row with trial n: all runs of its setting. A live trial is a row of its own.
func (p *Profile) Row(n int) (rank.Row, bool) {
	i := slices.IndexFunc(p.Trials, func(t trial.Trial) bool { return t.N == n })
	if i < 0 {
		return rank.Row{}, false
	}
	return rank.RowOf(p.Trials, i), true
}

// OtherLoads says under which other loads the settings of trial n were not measured, do not keep the promise, or were not
// validated. For a live trial it is empty.
func (p *Profile) OtherLoads(n int) []string {
	row, ok := p.Row(n)
	if !ok || row.Joined.Role == trial.RoleLive {
		return nil
	}
	return rank.New(rank.RulesOf(p.Plan()), p.Trials).DescribeOtherLoads(row)
}

// BestRow returns the row of the chosen setting: all of its runs. Without a choice it
// returns the best one by the rules of the plan: the row that a validation confirmed, else the
// best of those that passed, else the live trial with the highest throughput among those that passed.
func (p *Profile) BestRow() (best rank.Row, ok bool) {
	if c, chosen := p.Choice(); chosen {
		if row, found := p.Row(c.N); found {
			return row, true
		}
	}
	ranking := rank.New(rank.RulesOf(p.Plan()), p.Trials)
	if row, ok := ranking.Chosen(); ok {
		return row, true
	}
	for _, row := range ranking.Candidates() {
		if row.Verdict().Result == trial.Pass {
			return row, true
		}
	}
	return p.bestLive(ranking.Rules)
}

// bestLive returns the row of the live trial with the highest throughput among those that passed.
func (p *Profile) bestLive(rules rank.Rules) (best rank.Row, ok bool) {
	for i, t := range p.Trials {
		if t.Role != trial.RoleLive || t.Verdict.Result != trial.Pass || !rules.Meets(t) {
			continue
		}
		if !ok || t.Throughput.Value.Or(0) > best.Joined.Throughput.Value.Or(0) {
			best, ok = rank.RowOf(p.Trials, i), true
		}
	}
	return best, ok
}

// SLA returns the promise of the trials. If the header has none, it is taken from their
// verdicts.
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
