package trial

import (
	"encoding/json"
	"strings"

	"sweetspot/sweep/load"
)

// Warning is a doubt that travels with the figures of a trial. In JSON it is its
// text alone, so that programs of any version show it.
type Warning struct {
	Kind WarningKind
	Text string
}

// WarningKind is what a warning is about, as far as something depends on it.
type WarningKind uint8

// The kinds.
const (
	OtherWarning     WarningKind = iota // it is for people to read
	GeneratorLimited                    // the load generator and not the server was the limit
)

// String is the warning's text.
func (w Warning) String() string { return w.Text }

// MarshalText writes the text.
func (w Warning) MarshalText() ([]byte, error) { return []byte(w.Text), nil }

// UnmarshalJSON reads a text and finds its kind again: the one place where the
// words of a warning mean something to the program.
func (w *Warning) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return err
	}
	*w = Warning{Text: text}
	if strings.HasPrefix(text, load.GeneratorLimited) {
		w.Kind = GeneratorLimited
	}
	return nil
}

// Warned are the warnings of one kind.
func (r Result) WarningsOf(k WarningKind) []Warning {
	var out []Warning
	for _, w := range r.Warnings {
		if w.Kind == k {
			out = append(out, w)
		}
	}
	return out
}
