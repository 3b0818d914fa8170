package config

import (
	"bytes"
	"fmt"
	"slices"
)

// Severity says how bad a finding is.
type Severity uint8

// The severities.
const (
	Note    Severity = iota // nothing is wrong; it is worth to know
	Hinders                 // it is read as written, and defeats another setting
	Differs                 // the server does something else than the text looks like
	Refuses                 // the server does not start, or does not load the model
)

func (s Severity) String() string { return [...]string{"note", "hinders", "differs", "refuses"}[s] }

// MarshalText writes the name.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a name.
func (s *Severity) UnmarshalText(text []byte) error {
	for _, known := range []Severity{Note, Hinders, Differs, Refuses} {
		if string(text) == known.String() {
			*s = known
			return nil
		}
	}
	return fmt.Errorf("severity %q: want note, hinders, differs or refuses", text)
}

// Finding is what a server does with one place of a file.
type Finding struct {
	File     string   `json:"file"`
	Line     int      `json:"line"` // from 1
	Key      string   `json:"key"`  // "" if the place has none
	Severity Severity `json:"severity"`
	Does     string   `json:"does"`            // what the server does
	Write    string   `json:"write,omitempty"` // what to write instead
	Fixable  bool     `json:"fixable"`         // see Fix

	edits  func() []edit // nil if not fixable
	origin string        // of a value that is not from the file
}

// String returns the finding in one line.
func (f Finding) String() string {
	key := f.Key
	if key != "" {
		key += ": "
	}
	write := ""
	if f.Write != "" {
		write = "; " + f.Write
	}
	at := fmt.Sprintf("%s:%d", f.File, f.Line)
	if f.origin != "" {
		at = f.origin
	}
	return fmt.Sprintf("%s: %s%s%s", at, key, f.Does, write)
}

// Fix returns data, from which the finding was made, with what Write says. Every other line
// stays as it is. It returns data itself if the finding is not fixable.
func (f Finding) Fix(data []byte) []byte {
	if f.edits == nil {
		return data
	}
	lines := physicalLines(data)
	end := []byte("\n")
	if len(lines) > 0 && bytes.HasSuffix(lines[0], []byte("\r\n")) {
		end = []byte("\r\n")
	}
	edits := f.edits()
	slices.SortStableFunc(edits, func(a, b edit) int { return b.first - a.first }) // from the end, so that numbers stay right
	for _, e := range edits {
		var with [][]byte
		for _, text := range e.lines {
			with = append(with, append([]byte(text), end...))
		}
		first := min(max(e.first-1, 0), len(lines))
		last := min(max(e.last, first), len(lines))
		if first == len(lines) && first > 0 && !endsLine(lines[first-1]) {
			lines[first-1] = append(slices.Clip(lines[first-1]), end...)
		}
		lines = slices.Replace(lines, first, last, with...)
	}
	return bytes.Join(lines, nil)
}

func endsLine(line []byte) bool {
	return len(line) > 0 && bytes.IndexByte([]byte("\r\n"), line[len(line)-1]) >= 0
}

// edit replaces the physical lines first to last. With last = first-1 it inserts before first.
type edit struct {
	first, last int
	lines       []string
}

// Edit is a change of lines that fixes a finding. See [Replace], [Insert] and [Remove].
type Edit struct{ edit }

// Replace gives line n, from 1, another text.
func Replace(n int, text ...string) Edit { return Edit{edit{n, n, text}} }

// Insert adds lines before line n; behind the last line at the end.
func Insert(n int, text ...string) Edit { return Edit{edit{n, n - 1, text}} }

// Remove removes line n.
func Remove(n int) Edit { return Edit{edit{n, n, nil}} }

// NewFinding returns a finding; it is fixable if there are edits.
func NewFinding(file string, line int, key string, s Severity, does, write string, edits ...Edit) Finding {
	f := Finding{File: file, Line: line, Key: key, Severity: s, Does: does, Write: write, Fixable: len(edits) > 0}
	if f.Fixable {
		f.edits = func() []edit {
			var out []edit
			for _, e := range edits {
				out = append(out, e.edit)
			}
			return out
		}
	}
	return f
}

// physicalLines splits data after each LF, CR or CR LF.
func physicalLines(data []byte) [][]byte {
	var out [][]byte
	for len(data) > 0 {
		n := bytes.IndexAny(data, "\r\n") + 1
		switch {
		case n == 0:
			n = len(data)
		case data[n-1] == '\r' && n < len(data) && data[n] == '\n':
			n++
		}
		out, data = append(out, data[:n]), data[n:]
	}
	return out
}

// findings collects findings of one file.
type findings struct {
	file string
	list []Finding
}

func (f *findings) add(s Severity, line int, key, does, write string, edits func() []edit) {
	f.list = append(f.list, Finding{File: f.file, Line: line, Key: key, Severity: s, Does: does, Write: write, Fixable: edits != nil, edits: edits})
}

// sorted returns the findings by line; those of one line in the order in which they were added.
func (f *findings) sorted() []Finding {
	slices.SortStableFunc(f.list, func(a, b Finding) int { return a.Line - b.Line })
	return f.list
}

// replaceLine returns the edit of one line.
func replaceLine(n int, text ...string) func() []edit {
	return func() []edit { return []edit{{n, n, text}} }
}

// quoteText quotes a value for a message; long ones are cut.
func quoteText(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "..."
	}
	return fmt.Sprintf("%q", s)
}
