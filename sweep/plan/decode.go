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

// decoder reads fields from a tree. It collects all errors, and the positions of values, so that a
// later check can report where an invalid value is.
type decoder struct {
	file      string
	errs      []positionError
	positions map[string]pos    // of values, by path
	ownKeys   map[knob.Name]pos // positions of the names of the target's own knobs
	// unknown is called for keys that no field reads.
	unknown func(path, key string, at pos, known []string)
}

// newDecoder returns a strict decoder: an unknown key is an error.
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

// addFieldErrors adds the errors of a check, each at the position of its value.
func (d *decoder) addFieldErrors(errs []fieldError) {
	for _, e := range errs {
		path, at := e.path, pos{1, 1}
		for path != "" {
			if p, ok := d.positions[path]; ok {
				at = p
				break
			}
			path = path[:max(strings.LastIndex(path, ": "), 0)]
		}
		d.addError(at, e.path, "%s", e.text)
	}
}

// joined returns the errors in the order of the file, joined, each in one line.
func (d *decoder) joined() error {
	slices.SortStableFunc(d.errs, func(a, b positionError) int { return a.at.compare(b.at) })
	errs := make([]error, len(d.errs))
	for i, e := range d.errs {
		errs[i] = fmt.Errorf("%s:%d:%d: %s", d.file, e.at.line, e.at.col, oneLine(e.text))
	}
	return errors.Join(errs...)
}

// oneLine replaces line ends and control characters, which names in the file may contain.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

// join prepends a path to the text of an error: "sla: limit: ...".
func join(path, text string) string {
	if path == "" {
		return text
	}
	return path + ": " + text
}

// readFunc reads one value; path names it in errors.
type readFunc func(path string, n *node)

// field is a key of a map with the function that reads its value.
type field struct {
	key  string
	read readFunc
}

// mapping reads the values of a map with the fields. A key without a value is ignored.
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

// scalar returns the text of a scalar; want describes it in errors.
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
			d.addError(n.at, path, "%q is not a whole number", s)
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
			d.addError(n.at, path, "%q is not a whole number of at least 0", s)
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
		if err != nil || v-v != 0 { // NaN and infinities are invalid
			d.addError(n.at, path, "%q is not a number", s)
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
		if _, notNumber := strconv.ParseFloat(s, 64); err != nil && notNumber == nil {
			d.addError(n.at, path, "%q has no unit; write %sms or %ss", s, s, s)
			return
		}
		if err != nil {
			d.addError(n.at, path, "%q is not a duration; write 100ms, 30s or 1m30s", s)
			return
		}
		*dst = v
	}
}

// enum reads an enumeration. Its error includes the key, so the path ends before the key.
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

// eachItem reads one value, or every value of a list.
func (d *decoder) eachItem(read readFunc) readFunc {
	return func(path string, n *node) {
		if n.kind != sequence {
			read(path, n)
			return
		}
		if len(n.items) == 0 {
			d.addError(n.at, path, "the list is empty")
		}
		for _, item := range n.items {
			read(path, item)
		}
	}
}
