package profiles

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"sweetspot/engine/knob"
)

// Filter selects profiles of a list. A zero field selects all.
type Filter struct {
	Model string    // name of the model, or a pattern: mlp*
	Since time.Time // created at this time or later
	State State
	Tag   string
}

// Select returns the profiles of list that match f, in their order.
func (f Filter) Select(list []Summary) ([]Summary, error) {
	if err := f.validate(); err != nil {
		return nil, err
	}
	out := []Summary{}
	for _, s := range list {
		if f.match(s) {
			out = append(out, s)
		}
	}
	return out, nil
}

func (f Filter) validate() error {
	var errs []error
	if _, err := path.Match(f.Model, ""); err != nil {
		errs = append(errs, fmt.Errorf("profiles: model %q: not a valid pattern; * matches any characters, \\* matches *", f.Model))
	}
	states := []string{string(Done), string(Stopped), string(Failed), string(Running), string(Interrupted)}
	if f.State != "" && !slices.Contains(states, string(f.State)) {
		errs = append(errs, fmt.Errorf("profiles: state %q: unknown%s", f.State, knob.Suggest(string(f.State), states)))
	}
	return errors.Join(errs...)
}

func (f Filter) match(s Summary) bool {
	if matched, _ := path.Match(f.Model, s.Model); f.Model != "" && !matched {
		return false
	}
	return !s.Created.Before(f.Since) &&
		(f.State == "" || f.State == s.State) &&
		(f.Tag == "" || slices.Contains(s.Tags, f.Tag))
}

// ParseSince parses a point in time: a day (2026-11-22, in UTC), a time
// (2026-11-22T09:15:00Z), or a duration before now (36h, 7d).
func ParseSince(text string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, time.RFC3339, "2006-01-02T15:04"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return now.AddDate(0, 0, -int(n)), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, fmt.Errorf("profiles: %q is not a time; write 2026-11-22, 2026-11-22T09:15:00Z, 36h or 7d", text)
}
