package trial

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Line is one line of an explanation: its topic and its text. In JSON and in a terminal
// the label is padded to a fixed width and followed by the text.
type Line struct {
	Label string // a word or two, at most 9 characters wide; "" if the line has none
	Text  string
}

// labelWidth is the width of labels, without the blank after them.
const labelWidth = 9

// String returns the label and the text.
func (l Line) String() string {
	if l.Label == "" {
		return l.Text
	}
	return fmt.Sprintf("%-*s %s", labelWidth, l.Label, l.Text)
}

// MarshalText returns the label and the text.
func (l Line) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalJSON separates label and text. A text that does not start with a padded label is a line
// without one.
func (l *Line) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return err
	}
	*l = Line{Text: text}
	if len(text) <= labelWidth {
		return nil
	}
	labelled := Line{strings.TrimRight(text[:labelWidth], " "), text[labelWidth+1:]}
	if labelled.Label != "" && labelled.String() == text {
		*l = labelled
	}
	return nil
}
