package plan

import (
	"encoding"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"sweetspot/engine/knob"
)

// decoder reads fields from a tree, gathers every fault, and remembers where
// each value stood so that a range found wrong later is reported at its place.
type decoder struct {
	file   string
	errs []positionError
	positions map[string]pos    // by path
	ownKeys   map[knob.Name]pos // of the knobs beside the seven
	// unknown is told of keys that no field reads.
	unknown func(path, key string, at pos, known []string)
}

// newDecoder returns a strict decoder: an unknown key is a fault.
func newDecoder(file string) *decoder {
	d := &decoder{file: file, positions: map[string]pos{}, ownKeys: map[knob.Name]pos{}}
	d.unknown = func(path, key string, at pos, known []string) {
		what := "key"
		if path == "knobs" {
			what = "knob"
		}
		d.addError(at, path, "%q: unknown %s%s", key, what, knob.Suggest(key, known))
	}
	return d
}

func (d *decoder) addError(at pos, path, format string, a ...any) {
	d.errs = append(d.errs, positionError{at, join(path, fmt.Sprintf(format, a...))})
}

// found adds the faults of a checked plan at the places of their values.
func (d *decoder) addFieldErrors(faults []fieldError) {
	for _, f := range faults {
		path, at := f.path, pos{1, 1}
		for path != "" {
			if p, ok := d.positions[path]; ok {
				at = p
				break
			}
			path = path[:max(strings.LastIndex(path, ": "), 0)]
		}
		d.addError(at, f.path, "%s", f.text)
	}
}

// err joins the faults in the order of the file, one line each.
func (d *decoder) joined() error {
	slices.SortStableFunc(d.errs, func(a, b positionError) int { return a.at.compare(b.at) })
	errs := make([]error, len(d.errs))
	for i, f := range d.errs {
		errs[i] = fmt.Errorf("%s:%d:%d: %s", d.file, f.at.line, f.at.col, oneLine(f.text))
	}
	return errors.Join(errs...)
}

// oneLine replaces the line ends and control characters that names from the
// file bring into a text.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

// join writes a path as error texts do: "sla: limit: ...".
func join(path, text string) string {
	if path == "" {
		return text
	}
	return path + ": " + text
}

// reading takes one value; path names it in faults.
type readFunc func(path string, n *node)

// field is a key of a map and what reads its value.
type field struct {
	key  string
	read readFunc
}

// dict reads a map's keys into fields. A key without a value counts as left out.
func (d *decoder) mapping(path string, n *node, fields []field) {
	if n.kind != mapping {
		d.addError(n.at, path, "want a map, not %s", n.kind)
		return
	}
	for _, e := range n.keys {
		i := slices.IndexFunc(fields, func(f field) bool { return f.key == e.name })
		if i < 0 {
			known := make([]string, len(fields))
			for j, f := range fields {
				known[j] = f.key
			}
			d.unknown(path, e.name, e.at, known)
			continue
		}
		if e.value.kind == null {
			continue
		}
		p := join(path, e.name)
		d.positions[p] = e.value.at
		fields[i].read(p, e.value)
	}
}

// scalar returns a scalar's text.
func (d *decoder) scalar(path string, n *node, want string) (string, bool) {
	if n.kind == scalar {
		return n.text, true
	}
	d.addError(n.at, path, "want %s, not %s", want, n.kind)
	return "", false
}

func (d *decoder) text(dst *string) readFunc {
	return func(path string, n *node) {
		if s, ok := d.scalar(path, n, "text"); ok {
			*dst = s
		}
	}
}

func (d *decoder) integer(dst *int) readFunc {
	return func(path string, n *node) {
		s, ok := d.scalar(path, n, "a whole number")
		if !ok {
			return
		}
		v, err := strconv.Atoi(s)
		if err != nil {
			d.addError(n.at, path, "%q is no whole number", s)
			return
		}
		*dst = v
	}
}

func (d *decoder) unsigned(dst *uint64) readFunc {
	return func(path string, n *node) {
		s, ok := d.scalar(path, n, "a whole number")
		if !ok {
			return
		}
		v, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			d.addError(n.at, path, "%q is no whole number from 0", s)
			return
		}
		*dst = v
	}
}

func (d *decoder) number(dst *float64) readFunc {
	return func(path string, n *node) {
		s, ok := d.scalar(path, n, "a number")
		if !ok {
			return
		}
		v, err := strconv.ParseFloat(s, 64)
		if err != nil || v-v != 0 { // NaN and infinities are no figures
			d.addError(n.at, path, "%q is no number", s)
			return
		}
		*dst = v
	}
}

func (d *decoder) boolean(dst *bool) readFunc {
	return func(path string, n *node) {
		s, ok := d.scalar(path, n, "true or false")
		switch {
		case !ok:
		case s == "true" || s == "false":
			*dst = s == "true"
		default:
			d.addError(n.at, path, "%q: want true or false", s)
		}
	}
}

func (d *decoder) duration(dst *time.Duration) readFunc {
	return func(path string, n *node) {
		s, ok := d.scalar(path, n, "a duration such as 100ms")
		if !ok {
			return
		}
		v, err := time.ParseDuration(s)
		if _, bare := strconv.ParseFloat(s, 64); err != nil && bare == nil {
			d.addError(n.at, path, "%q has no unit; write %sms or %ss", s, s, s)
			return
		}
		if err != nil {
			d.addError(n.at, path, "%q is no duration; write 100ms, 30s or 1m30s", s)
			return
		}
		*dst = v
	}
}

// word reads an enumeration. Its own error names it, so the path stops above.
func (d *decoder) enum(dst encoding.TextUnmarshaler) readFunc {
	return func(path string, n *node) {
		s, ok := d.scalar(path, n, "a word")
		if !ok {
			return
		}
		if err := dst.UnmarshalText([]byte(s)); err != nil {
			d.addError(n.at, path[:max(strings.LastIndex(path, ": "), 0)], "%v", err)
		}
	}
}

// each reads one value or every value of a list.
func (d *decoder) eachItem(read readFunc) readFunc {
	return func(path string, n *node) {
		if n.kind != sequence {
			read(path, n)
			return
		}
		if len(n.items) == 0 {
			d.addError(n.at, path, "an empty list")
		}
		for _, item := range n.items {
			read(path, item)
		}
	}
}
