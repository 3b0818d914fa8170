package trial

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Line is one line of an explanation: what it is about, and what is said of that.
// In JSON, as in a terminal, the label stands before the text in cells of its own.
type Line struct {
	Label string // in a word or two, at most 9 cells; "" for a line that stands alone
	Text  string
}

// labelCells is how wide labels are, the blank behind them not counted.
const labelWidth = 9

// String is the line with its label.
func (l Line) String() string {
	if l.Label == "" {
		return l.Text
	}
	return fmt.Sprintf("%-*s %s", labelWidth, l.Label, l.Text)
}

// MarshalText writes the line with its label.
func (l Line) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalJSON takes a line apart. One without cells for a label stands alone.
func (l *Line) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return err
	}
	*l = Line{Text: text}
	if len(text) <= labelWidth {
		return nil
	}
	apart := Line{strings.TrimRight(text[:labelWidth], " "), text[labelWidth+1:]}
	if apart.Label != "" && apart.String() == text {
		*l = apart
	}
	return nil
}
