package trial

import (
	"encoding/json"
	"strings"

	"sweetspot/sweep/load"
)

// Warning is a reason why the result of a trial may be wrong. In JSON it is only its
// text, so that all versions of the program can show it.
type Warning struct {
	Kind WarningKind
	Text string
}

// WarningKind is the kind of a warning, for those kinds on which the program depends.
type WarningKind uint8

// The kinds.
const (
	OtherWarning     WarningKind = iota // only for people
	GeneratorLimited                    // the load generator was the bottleneck, not the server
)

// String returns the text.
func (w Warning) String() string { return w.Text }

// MarshalText returns the text.
func (w Warning) MarshalText() ([]byte, error) { return []byte(w.Text), nil }

// UnmarshalJSON reads a text and derives the kind from it. Only here does the program depend on the
// text of a warning.
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

// WarningsOf returns the warnings of one kind.
func (r Result) WarningsOf(k WarningKind) []Warning {
	var out []Warning
	for _, w := range r.Warnings {
		if w.Kind == k {
			out = append(out, w)
		}
	}
	return out
}
