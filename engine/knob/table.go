package knob

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Table is the knobs of one target: the seven, then its own.
type Table []Knob

// NewTable is the seven with a target's own knobs behind them. It reports, joined,
// every one that is called or described as none may be.
func NewTable(own ...Knob) (Table, error) {
	var errs []error
	t := Table(All())
	for _, k := range own {
		_, taken := t.Get(k.Name)
		switch err := CheckName(k.Name); {
		case err != nil:
			errs = append(errs, err)
			continue
		case taken:
			errs = append(errs, fmt.Errorf("%s: there twice", k.Name))
			continue
		case len(k.Values) == 0 && !(k.Min < k.Max):
			errs = append(errs, fmt.Errorf("%s: neither values nor a range", k.Name))
		}
		for _, v := range k.Values {
			if err := checkValue(k.Name, v); err != nil {
				errs = append(errs, err)
			}
		}
		t = append(t, k)
	}
	if len(own) > maxOwn {
		errs = append(errs, fmt.Errorf("%d knobs of a target's own: want at most %d", len(own), maxOwn))
	}
	return t, errors.Join(errs...)
}

// With is the table with a knob more for every own name that it lacks. Of such a
// knob nothing but the name is known: it is one that a profile has, whose target
// cannot be asked any more.
func (t Table) WithOwn(all ...OwnValues) Table {
	var missing []Name
	for _, o := range all {
		for n := range o.All() {
			if _, known := t.Get(n); !known && !slices.Contains(missing, n) {
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

// Of is the table of settings whose target cannot be asked: the seven, then every
// own name among them.
func TableOf(all ...Settings) Table {
	var own []OwnValues
	for _, s := range all {
		if !slices.Contains(own, s.Own) {
			own = append(own, s.Own)
		}
	}
	return Table(All()).WithOwn(own...)
}

// Own are the knobs behind the seven.
func (t Table) Own() Table { return t[min(len(table), len(t)):] }

// Get returns the knob called n.
func (t Table) Get(n Name) (Knob, bool) {
	for _, k := range t {
		if k.Name == n {
			return k, true
		}
	}
	return Knob{}, false
}

// Lookup finds a knob by its name, flag or label. An unknown name is an error
// that suggests the nearest one.
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

// Names lists the knobs for people: "workers, batch_size, max_batch_size".
func (t Table) Names() string { return strings.Join(t.names(), ", ") }

// isOwn tells a target's own knob from the seven.
func (k Knob) isOwn() bool {
	_, everyones := Get(k.Name)
	return !everyones
}

// canonical checks one value of a target's own knob and returns its one text.
func (k Knob) canonicalOwn(text string) (string, error) {
	if len(k.Values) > 0 {
		if slices.Contains(k.Values, text) {
			return text, nil
		}
		return "", fmt.Errorf("%s: %q is none of its values: %s", k.Name, text, strings.Join(k.Values, ", "))
	}
	if k.Max == 0 && k.Min == 0 { // nothing is known of it
		return text, checkValue(k.Name, text)
	}
	v, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil || v-v != 0:
		return "", fmt.Errorf("%s: %q is no number", k.Name, text)
	case !k.Fractions && v != math.Trunc(v):
		return "", fmt.Errorf("%s: %q is no whole number", k.Name, text)
	case v < k.Min || v > k.Max:
		return "", fmt.Errorf("%s: %s is outside %s", k.Name, strconv.FormatFloat(v, 'f', -1, 64), rangeText(k.Min, k.Max))
	}
	return strconv.FormatFloat(v, 'f', -1, 64), nil
}

// MostAuto is how many values Auto gives at most.
const MaxAutoValues = 8

// Auto are the values that an auto range of a target's own knob has: those that it
// lists, or numbers each twice the one before, from the smallest to the largest. Of
// more than MostAuto some are picked evenly. It is nil where nothing is known of it.
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
		some := make([]string, MaxAutoValues)
		for i := range some {
			some[i] = out[i*(n-1)/(MaxAutoValues-1)]
		}
		out = some
	}
	return out
}
