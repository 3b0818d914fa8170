package knob

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Table describes the knobs of one target: the seven, then its own.
type Table []Knob

// NewTable returns the seven followed by a target's own knobs, and a joined error for every one
// with an invalid name or description.
func NewTable(own ...Knob) (Table, error) {
	var errs []error
	t := Table(All())
	for _, k := range own {
		_, duplicate := t.Get(k.Name)
		switch err := CheckName(k.Name); {
		case err != nil:
			errs = append(errs, err)
			continue
		case duplicate:
			errs = append(errs, fmt.Errorf("%s: two knobs have this name", k.Name))
			continue
		case len(k.Values) == 0 && !(k.Min < k.Max):
			errs = append(errs, fmt.Errorf("%s: the knob has neither values nor a range", k.Name))
		}
		for _, v := range k.Values {
			if err := checkValue(k.Name, v); err != nil {
				errs = append(errs, err)
			}
		}
		t = append(t, k)
	}
	if len(own) > maxOwn {
		errs = append(errs, fmt.Errorf("the target has %d knobs of its own: want at most %d", len(own), maxOwn))
	}
	return t, errors.Join(errs...)
}

// WithOwn returns the table with one more knob for each name in all that it lacks. Such a knob has
// a name only. A profile has such knobs when its target is not available.
func (t Table) WithOwn(all ...OwnValues) Table {
	var missing []Name
	for _, o := range all {
		for n := range o.All() {
			if _, exists := t.Get(n); !exists && !slices.Contains(missing, n) {
				missing = append(missing, n)
			}
		}
	}
	slices.Sort(missing)
	out := slices.Clone(t)
	for _, n := range missing {
		out = append(out, Knob{Name: n, Label: string(n)})
	}
	return out
}

// TableOf returns a table for settings whose target is not available: the seven, then a knob for
// each other name in the settings.
func TableOf(all ...Settings) Table {
	var own []OwnValues
	for _, s := range all {
		if !slices.Contains(own, s.Own) {
			own = append(own, s.Own)
		}
	}
	return Table(All()).WithOwn(own...)
}

// Own returns the knobs after the seven.
func (t Table) Own() Table { return t[min(len(table), len(t)):] }

// Get returns the description of n.
func (t Table) Get(n Name) (Knob, bool) {
	for _, k := range t {
		if k.Name == n {
			return k, true
		}
	}
	return Knob{}, false
}

// Lookup finds a knob by its name, flag or label. The error of an unknown name suggests the most
// similar one.
func (t Table) Lookup(s string) (Knob, error) {
	for _, k := range t {
		if s == string(k.Name) || s != "" && (s == k.Flag || s == k.Label) {
			return k, nil
		}
	}
	return Knob{}, fmt.Errorf("%q: unknown knob%s", s, Suggest(s, t.names()))
}

func (t Table) names() []string {
	out := make([]string, len(t))
	for i, k := range t {
		out[i] = string(k.Name)
	}
	return out
}

// Names returns the names for people: "workers, batch_size, max_batch_size".
func (t Table) Names() string { return strings.Join(t.names(), ", ") }

// isOwn reports whether k is none of the seven.
func (k Knob) isOwn() bool {
	_, isSeven := Get(k.Name)
	return !isSeven
}

// canonicalOwn checks one value of a target's own knob and returns its canonical text.
func (k Knob) canonicalOwn(text string) (string, error) {
	if len(k.Values) > 0 {
		if slices.Contains(k.Values, text) {
			return text, nil
		}
		return "", fmt.Errorf("%s: %q is not one of its values: %s", k.Name, text, strings.Join(k.Values, ", "))
	}
	if k.Max == 0 && k.Min == 0 { // only the name is known
		return text, checkValue(k.Name, text)
	}
	v, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil || v-v != 0:
		return "", fmt.Errorf("%s: %q is not a number", k.Name, text)
	case !k.Fractions && v != math.Trunc(v):
		return "", fmt.Errorf("%s: %q is not a whole number", k.Name, text)
	case v < k.Min || v > k.Max:
		return "", fmt.Errorf("%s: %s is outside %s", k.Name, strconv.FormatFloat(v, 'f', -1, 64), rangeText(k.Min, k.Max))
	}
	return strconv.FormatFloat(v, 'f', -1, 64), nil
}

// MaxAutoValues is the largest number of values that AutoValues returns.
const MaxAutoValues = 8

// AutoValues returns the values of the range "auto" of a target's own knob: its listed
// values, or the smallest and the largest and numbers between them, each twice the one
// before. If these are more than MaxAutoValues, it selects some at equal distances. It
// is nil if only the name of the knob is known.
func (k Knob) AutoValues() []string {
	out := slices.Clone(k.Values)
	if len(out) == 0 && k.Min < k.Max {
		numbers := []float64{k.Min, k.Max}
		for v := max(k.Min, 1) * 2; v < k.Max; v *= 2 {
			numbers = append(numbers, v)
		}
		if k.Min < 1 && k.Max > 1 {
			numbers = append(numbers, 1)
		}
		slices.Sort(numbers)
		for _, v := range slices.Compact(numbers) {
			out = append(out, strconv.FormatFloat(v, 'f', -1, 64))
		}
	}
	if n := len(out); n > MaxAutoValues {
		selected := make([]string, MaxAutoValues)
		for i := range selected {
			selected[i] = out[i*(n-1)/(MaxAutoValues-1)]
		}
		out = selected
	}
	return out
}
