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

// OwnValues has the values of a target's own knobs, such as the max_batch_size of
// another server. It is comparable: equal values are ==, in whatever order they
// were set. The zero value is empty.
//
// The string is a canonical text with ascending names: "instances=2 max_batch_size=8".
// Use only the methods to write and read it.
type OwnValues string

// Limits of a target's own knobs.
const (
	maxOwn    = 32 // knobs
	maxLength = 64 // bytes of a name or a value
)

// All yields each name with its value, names ascending.
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

// Names returns the names, ascending.
func (o OwnValues) Names() []Name {
	var out []Name
	for n := range o.All() {
		out = append(out, n)
	}
	return out
}

// Get returns the value of one knob, or "" if it has none.
func (o OwnValues) Get(n Name) string {
	for name, value := range o.All() {
		if name == n {
			return value
		}
	}
	return ""
}

// Set sets the value of one knob; "" removes it. An error changes nothing.
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
		return fmt.Errorf("%s: a target may have at most %d knobs of its own", n, maxOwn)
	}
	slices.SortFunc(pairs, func(a, b string) int { // by name only: "=" sorts after "-", which names may contain
		x, _, _ := strings.Cut(a, "=")
		y, _, _ := strings.Cut(b, "=")
		return cmp.Compare(x, y)
	})
	*o = OwnValues(strings.Join(pairs, " "))
	return nil
}

// Compare compares the values of the first name, ascending, in which o and p differ: two numbers by
// their size, other values as text. A missing value is lower than any other.
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

// Describe returns the values for people: "instances 2, max_batch_size 8".
func (o OwnValues) Describe() string {
	var parts []string
	for n, v := range o.All() {
		parts = append(parts, string(n)+" "+v)
	}
	return strings.Join(parts, ", ")
}

// CheckName returns an error if n cannot be the name of a target's own knob: it has
// characters other than a-z, digits, _ - and ., or it equals the name, flag or label
// of one of the seven apart from case, dashes, underscores and blanks.
func CheckName(n Name) error {
	for _, k := range table {
		for _, existing := range []string{string(k.Name), k.Flag, k.Label} {
			if normalize(string(n)) == normalize(existing) {
				return fmt.Errorf("%q: unknown knob%s", n, Suggest(string(n), names()))
			}
		}
	}
	invalid := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune("_-.", r))
	}
	if n == "" || len(n) > maxLength || strings.ContainsFunc(string(n), invalid) {
		return fmt.Errorf("%.80q: a knob's name is 1 to %d of a-z, digits, _ - and .%s", n, maxLength, Suggest(string(n), names()))
	}
	return nil
}

// checkValue returns an error if a value cannot be written without quotes into files, command
// lines and tables. A value with a slash could be a path, and profiles contain no paths.
func checkValue(n Name, value string) error {
	invalid := func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"'`,\\/", r) }
	if value == "" || len(value) > maxLength || strings.ContainsFunc(value, invalid) {
		return fmt.Errorf("%s: %.80q is not a value: want a number or a word of at most %d characters, without blanks, commas, quotes and slashes", n, value, maxLength)
	}
	return nil
}

// appendJSON appends the values as fields of a JSON object: a value that is a
// number in JSON is written as a number, any other as a string.
func (o OwnValues) appendJSON(b []byte) []byte {
	for n, v := range o.All() {
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = strconv.AppendQuote(b, string(n))
		b = append(b, ':')
		if IsNumber(v) {
			b = append(b, v...)
		} else {
			b = strconv.AppendQuote(b, v) // the quotes of Go and JSON are equal for printable ASCII
		}
	}
	return b
}

// setJSON sets a value from JSON: a number or a string. null changes nothing, and "" is a value that
// is not reported.
func (o *OwnValues) setJSON(n Name, raw json.RawMessage) error {
	text := string(raw)
	switch {
	case text == "null":
		return CheckName(n)
	case strings.HasPrefix(text, `"`):
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
	case !IsNumber(text):
		return fmt.Errorf("%s: want a number or a string", n)
	}
	return o.Set(n, text)
}

// IsNumber reports whether the text is a number in JSON.
func IsNumber(text string) bool {
	return text != "" && (text[0] == '-' || text[0] >= '0' && text[0] <= '9') && json.Valid([]byte(text))
}
