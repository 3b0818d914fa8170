package knob

import (
	"cmp"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
)

// Own holds the values of the knobs that a target brings beside the seven, such as
// the max_batch_size of another server. It is comparable: the same values are ==,
// whatever the order in which they were set. The zero value has none.
//
// Its text is one canonical form, names ascending: "instances=2 max_batch_size=8".
// Only its methods make and read it.
type OwnValues string

// Bounds of what a target brings. A value is a word, not a document.
const (
	maxOwn  = 32 // knobs
	maxLength = 64 // bytes of a name, and of a value
)

// All yields the names with their values, names ascending.
func (o OwnValues) All() iter.Seq2[Name, string] {
	return func(yield func(Name, string) bool) {
		for pair := range strings.FieldsSeq(string(o)) {
			name, value, ok := strings.Cut(pair, "=")
			if ok && !yield(Name(name), value) {
				return
			}
		}
	}
}

// Names are the names, ascending.
func (o OwnValues) Names() []Name {
	var out []Name
	for n := range o.All() {
		out = append(out, n)
	}
	return out
}

// Get returns the value of one knob, "" where it has none.
func (o OwnValues) Get(n Name) string {
	for name, value := range o.All() {
		if name == n {
			return value
		}
	}
	return ""
}

// Set gives one knob a value; "" takes it away. After an error nothing has changed.
func (o *OwnValues) Set(n Name, value string) error {
	if err := CheckName(n); err != nil {
		return err
	}
	if value != "" {
		if err := checkValue(n, value); err != nil {
			return err
		}
	}
	var pairs []string
	for name, old := range o.All() {
		if name != n {
			pairs = append(pairs, string(name)+"="+old)
		}
	}
	if value != "" {
		pairs = append(pairs, string(n)+"="+value)
	}
	if len(pairs) > maxOwn {
		return fmt.Errorf("%s: more than %d knobs of a target's own", n, maxOwn)
	}
	slices.SortFunc(pairs, func(a, b string) int { // by name: "a=" is no order of "a-b="
		x, _, _ := strings.Cut(a, "=")
		y, _, _ := strings.Cut(b, "=")
		return cmp.Compare(x, y)
	})
	*o = OwnValues(strings.Join(pairs, " "))
	return nil
}

// Compare orders by the first name, ascending, whose values differ: numbers by
// size, other values as text, and what is not there first.
func (o OwnValues) Compare(p OwnValues) int {
	names := slices.Concat(o.Names(), p.Names())
	slices.Sort(names)
	for _, n := range slices.Compact(names) {
		if c := compareValues(o.Get(n), p.Get(n)); c != 0 {
			return c
		}
	}
	return 0
}

func compareValues(a, b string) int {
	x, err1 := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	if err1 == nil && err2 == nil && x != y {
		return cmp.Compare(x, y)
	}
	return cmp.Compare(a, b)
}

// Words are the values for people: "instances 2, max_batch_size 8".
func (o OwnValues) Describe() string {
	var parts []string
	for n, v := range o.All() {
		parts = append(parts, string(n)+" "+v)
	}
	return strings.Join(parts, ", ")
}

// CheckName is an error where a target may not call a knob of its own so: other
// letters than a-z, digits, _ - and ., or a name that is one of the seven, or would
// be taken for one.
func CheckName(n Name) error {
	for _, k := range table {
		for _, taken := range []string{string(k.Name), k.Flag, k.Label} {
			if normalize(string(n)) == normalize(taken) {
				return fmt.Errorf("%q: unknown knob%s", n, Suggest(string(n), names()))
			}
		}
	}
	odd := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune("_-.", r))
	}
	if n == "" || len(n) > maxLength || strings.ContainsFunc(string(n), odd) {
		return fmt.Errorf("%.80q: a knob's name is 1 to %d of a-z, digits, _ - and .%s", n, maxLength, Suggest(string(n), names()))
	}
	return nil
}

// checkValue is an error where a value cannot be written everywhere: into files,
// command lines and tables, unquoted. A slash would be a path, which no profile holds.
func checkValue(n Name, value string) error {
	odd := func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"'`,\\/", r) }
	if value == "" || len(value) > maxLength || strings.ContainsFunc(value, odd) {
		return fmt.Errorf("%s: %.80q is no value: want a number or a word of at most %d characters, without blanks, commas, quotes and slashes", n, value, maxLength)
	}
	return nil
}

// appendJSON adds the values to the fields of a JSON object: a value that is a
// number in JSON is written as one, any other as text.
func (o OwnValues) appendJSON(b []byte) []byte {
	for n, v := range o.All() {
		b = append(b, ',')
		b = strconv.AppendQuote(b, string(n))
		b = append(b, ':')
		if IsNumber(v) {
			b = append(b, v...)
		} else {
			b = strconv.AppendQuote(b, v) // of ASCII without control characters: Go's quotes are JSON's
		}
	}
	return b
}

// setJSON takes a value from JSON: a number or a text. null changes nothing.
func (o *OwnValues) setJSON(n Name, raw json.RawMessage) error {
	text := string(raw)
	switch {
	case text == "null":
		return CheckName(n)
	case strings.HasPrefix(text, `"`):
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
		if err := checkValue(n, text); err != nil { // "" is no way to take it away
			return err
		}
	case !IsNumber(text):
		return fmt.Errorf("%s: want a number or a text", n)
	}
	return o.Set(n, text)
}

// IsNumber tells whether JSON has the text as a number.
func IsNumber(text string) bool {
	return text != "" && (text[0] == '-' || text[0] >= '0' && text[0] <= '9') && json.Valid([]byte(text))
}
