package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
)

// Parse reads a properties file. It reports every malformed escape with its line; no other
// syntax error is possible.
func Parse(name string, data []byte) (*File, error) {
	f := &File{Name: name}
	r := reader{data: data}
	var errs []error
	for len(r.data) > 0 {
		l, err := r.logicalLine()
		l.last = r.line
		if err != nil {
			errs = append(errs, fmt.Errorf("%s:%w", name, err))
		}
		f.Lines = append(f.Lines, l)
	}
	return f, errors.Join(errs...)
}

// reader reads the lines of data.
type reader struct {
	data []byte // the rest
	line int    // number of the last physical line, from 1
}

// physicalLine reads the next physical line, without leading blanks and terminator.
func (r *reader) physicalLine() (text, terminator []byte) {
	r.line++
	end := 0
	for end < len(r.data) && r.data[end] != '\n' && r.data[end] != '\r' {
		end++
	}
	text = r.data[:end]
	after := min(end+1, len(r.data))
	if end+1 < len(r.data) && r.data[end] == '\r' && r.data[end+1] == '\n' {
		after++
	}
	terminator, r.data = r.data[end:after], r.data[after:]
	for len(text) > 0 && isBlank(text[0]) {
		text = text[1:]
	}
	return text, terminator
}

// logicalLine reads the next logical line.
func (r *reader) logicalLine() (Line, error) {
	text, terminator := r.physicalLine()
	l := Line{Number: r.line, raw: latin1(text)}
	switch {
	case len(text) == 0:
		return l, nil
	case text[0] == '#' || text[0] == '!':
		l.Kind, l.Text = Comment, latin1(text)
		return l, nil
	case len(text) == 1 && text[0] == '\\' && (len(r.data) > 0 || len(terminator) == 2):
		// Java begins a new logical line after a line with only a backslash; that line
		// may be a comment. As the last line it is a pair of empty strings.
		return l, nil
	}
	l.Kind = Pair
	var raw []byte
	var marks []mark
	for continued(text) {
		raw = append(raw, text[:len(text)-1]...)
		if text = nil; len(r.data) > 0 {
			text, _ = r.physicalLine()
			marks = append(marks, mark{len(raw), r.line})
		}
	}
	raw = append(raw, text...)
	l.text = latin1(raw)
	return l, l.split(raw, marks)
}

// continued reports whether a line ends with an odd number of backslashes.
func continued(text []byte) bool {
	n := 0
	for n < len(text) && text[len(text)-1-n] == '\\' {
		n++
	}
	return n%2 == 1
}

// split sets key and value from the joined text of a logical line.
func (l *Line) split(raw []byte, marks []mark) error {
	keyEnd := 0
	for keyEnd < len(raw) && !isBlank(raw[keyEnd]) && !isSeparator(raw[keyEnd]) {
		if raw[keyEnd] == '\\' {
			keyEnd++ // the next byte belongs to the key
		}
		keyEnd++
	}
	keyEnd = min(keyEnd, len(raw))
	start, separated := keyEnd, false
	for start < len(raw) && (isBlank(raw[start]) || isSeparator(raw[start]) && !separated) {
		separated = separated || isSeparator(raw[start])
		start++
	}
	for i := range marks {
		marks[i].at = max(0, marks[i].at-start)
	}
	var err error
	if l.Key, _, err = l.unescape(raw[:keyEnd], nil); err != nil {
		return err
	}
	l.Value, l.marks, err = l.unescape(raw[start:], marks)
	return err
}

// unescape decodes ISO-8859-1 with Java's escapes, and converts marks of raw bytes to marks
// of the text. Escaped surrogates without a pair become U+FFFD.
func (l *Line) unescape(raw []byte, marks []mark) (string, []mark, error) {
	var b strings.Builder
	var out []mark
	high := rune(0) // an escaped high surrogate before its low surrogate
	for i := 0; i < len(raw); {
		for len(marks) > 0 && marks[0].at <= i {
			out, marks = append(out, mark{b.Len(), marks[0].line}), marks[1:]
		}
		r, width, ok := char(raw[i:])
		if !ok {
			at := Line{Number: l.Number, marks: out}
			return b.String(), out, fmt.Errorf("%d: malformed escape %q; write \\u and four hex digits, or double the backslash",
				at.lineAt(b.Len()), latin1(raw[i:min(len(raw), i+6)]))
		}
		i += width
		if high != 0 {
			if pair := utf16.DecodeRune(high, r); pair != '\uFFFD' {
				b.WriteRune(pair)
				high = 0
				continue
			}
			b.WriteRune('\uFFFD')
			high = 0
		}
		if utf16.IsSurrogate(r) && r < 0xDC00 {
			high = r
			continue
		}
		b.WriteRune(r)
	}
	if high != 0 {
		b.WriteRune('\uFFFD')
	}
	return b.String(), out, nil
}

// char decodes the first character of raw and returns its number of bytes.
func char(raw []byte) (r rune, width int, ok bool) {
	if raw[0] != '\\' || len(raw) == 1 {
		return rune(raw[0]), 1, true
	}
	switch raw[1] {
	case 't':
		return '\t', 2, true
	case 'n':
		return '\n', 2, true
	case 'r':
		return '\r', 2, true
	case 'f':
		return '\f', 2, true
	case 'u':
		if len(raw) < 6 {
			return 0, 0, false
		}
		v, err := strconv.ParseUint(string(raw[2:6]), 16, 16)
		return rune(v), 6, err == nil
	}
	return rune(raw[1]), 2, true
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\f' }

func isSeparator(c byte) bool { return c == '=' || c == ':' }

// latin1 decodes ISO-8859-1: every byte is its code point.
func latin1(b []byte) string {
	var s strings.Builder
	for _, c := range b {
		s.WriteRune(rune(c))
	}
	return s.String()
}
