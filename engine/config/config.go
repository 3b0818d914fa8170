// Package config reads and writes TorchServe's config.properties.
//
// [Parse] follows java.util.Properties exactly, because TorchServe reads the file with it:
// ISO-8859-1, the separators = : and blank, only whole-line comments, continuation lines,
// escapes, trailing blanks belong to the value, the last of two equal keys wins. The [File]
// that it returns keeps the order of lines and the comments; [File.Encode] writes it again.
// [File.TorchServe] returns typed values of the keys that this project uses, with an error
// for every value that TorchServe would refuse and a warning for every value that it would
// understand differently than it looks.
//
// The package does not read the environment: it does not replace TorchServe's $$NAME$$, and
// warns about it. Values of this package are not safe for concurrent change.
package config

import "strings"

// Kind is the kind of a line.
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

	marks []mark // where the continuation lines of the value start
	last  int    // physical line on which it ends
	raw   string // the first physical line, without leading blanks
	from  string // of a value that is not from the file: a flag, an environment variable
	text  string // all of its physical lines, without leading blanks and continuation marks
}

// mark means that the text of a value from byte at on is on the physical line.
type mark struct{ at, line int }

// lineAt returns the physical line of byte at of the value.
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

// File is a properties file. Name is only for messages.
type File struct {
	Name  string
	Lines []Line
}

// last returns the index of the last pair of key, which is the one in force, or -1.
func (f *File) last(key string) int {
	for i := len(f.Lines) - 1; i >= 0; i-- {
		if f.Lines[i].Kind == Pair && f.Lines[i].Key == key {
			return i
		}
	}
	return -1
}

// inForce returns the index of the last pair of each key.
func (f *File) inForce() map[string]int {
	out := map[string]int{}
	for i, l := range f.Lines {
		if l.Kind == Pair {
			out[l.Key] = i
		}
	}
	return out
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

// Set sets the value of key in the pair in force, or appends a pair.
func (f *File) Set(key, value string) {
	if i := f.last(key); i >= 0 {
		f.Lines[i].Value, f.Lines[i].marks = value, nil
		return
	}
	f.Lines = append(f.Lines, Line{Kind: Pair, Key: key, Value: value})
}

// Note appends comment lines, one for each line of text.
func (f *File) Note(text string) {
	for s := range strings.SplitSeq(text, "\n") {
		f.Lines = append(f.Lines, Line{Kind: Comment, Text: strings.TrimRight("# "+s, " ")})
	}
}

// Gap appends an empty line.
func (f *File) Gap() { f.Lines = append(f.Lines, Line{}) }
