// Package config reads and writes TorchServe's config.properties.
//
// [Parse] follows java.util.Properties to the letter, since that is what
// TorchServe reads the file with: ISO-8859-1, the separators = : and blank,
// whole-line comments only, continued lines, escapes, trailing blanks kept, the
// last of two equal keys wins. The [File] it returns keeps the order of lines
// and the comments; [File.Encode] writes it again. [File.TorchServe] is the
// typed view of the keys this project uses, with an error for every value
// TorchServe would refuse and a warning for every one it would misread.
//
// The package reads no environment: TorchServe's $$NAME$$ is left as it is, and
// warned about. Values of this package are not safe for concurrent change.
package config

import "strings"

// Kind is what a line of a file is.
type Kind uint8

// The kinds of line.
const (
	Blank Kind = iota
	Comment
	Pair
)

// Line is one logical line: a pair may span several physical ones.
type Line struct {
	Kind   Kind
	Number int    // physical line on which it starts, from 1; 0 when not read from a file
	Text   string // a comment, with its mark # or !
	Key    string // a pair, unescaped
	Value  string

	marks []mark // where the value's further physical lines start
}

// mark says that from byte at of a value on, its text stood on a physical line.
type mark struct{ at, line int }

// lineAt is the physical line of byte at of the value.
func (l Line) lineAt(at int) int {
	n := l.Number
	for _, m := range l.marks {
		if m.at > at {
			break
		}
		n = m.line
	}
	return n
}

// File is a properties file. Name is used in messages only.
type File struct {
	Name  string
	Lines []Line
}

// last is the index of the pair in force for key, or -1.
func (f *File) last(key string) int {
	for i := len(f.Lines) - 1; i >= 0; i-- {
		if f.Lines[i].Kind == Pair && f.Lines[i].Key == key {
			return i
		}
	}
	return -1
}

// Lookup returns the pair that is in force for key: the last one.
func (f *File) Lookup(key string) (Line, bool) {
	if i := f.last(key); i >= 0 {
		return f.Lines[i], true
	}
	return Line{}, false
}

// Get returns the value in force for key, or "".
func (f *File) Get(key string) string {
	l, _ := f.Lookup(key)
	return l.Value
}

// Set gives key a value: where it is in force now, or else at the end.
func (f *File) Set(key, value string) {
	if i := f.last(key); i >= 0 {
		f.Lines[i].Value, f.Lines[i].marks = value, nil
		return
	}
	f.Lines = append(f.Lines, Line{Kind: Pair, Key: key, Value: value})
}

// Note adds comment lines at the end, one for each line of text.
func (f *File) Note(text string) {
	for s := range strings.SplitSeq(text, "\n") {
		f.Lines = append(f.Lines, Line{Kind: Comment, Text: strings.TrimRight("# "+s, " ")})
	}
}

// Gap adds an empty line at the end.
func (f *File) Gap() { f.Lines = append(f.Lines, Line{}) }
