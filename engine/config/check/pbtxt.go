package check

import (
	"fmt"
	"strings"
)

// field is a field of a message in the text format of protocol buffers. A list becomes one
// field for each element.
type field struct {
	name       string
	line, last int // physical lines of the name and of the end

	text    string // of a scalar, without quotes
	quoted  bool
	message bool // fields has its fields
	fields  []*field
	list    bool // written in [ ]
}

// maxNesting bounds messages in messages.
const maxNesting = 32

// lexer reads the tokens of a text.
type lexer struct {
	data string
	line int // of the next token, from 1
	last int // of the token before
}

// tokenKind is a kind of token.
type tokenKind uint8

const (
	endToken tokenKind = iota
	wordToken
	stringToken
	markToken // one of { } [ ] < > : , ;
)

type pbToken struct {
	kind tokenKind
	text string
	line int
}

func (l *lexer) errorf(line int, format string, a ...any) error {
	return fmt.Errorf("%d: %s", line, fmt.Sprintf(format, a...))
}

func (l *lexer) skipBlanks() {
	for l.data != "" {
		switch c := l.data[0]; {
		case c == '\n':
			l.line++
			l.data = l.data[1:]
		case c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f':
			l.data = l.data[1:]
		case c == '#':
			end := strings.IndexByte(l.data, '\n')
			if end < 0 {
				end = len(l.data)
			}
			l.data = l.data[end:]
		default:
			return
		}
	}
}

// peek returns the next token and leaves it.
func (l *lexer) peek() (pbToken, error) {
	was := *l
	t, err := l.next()
	*l = was
	return t, err
}

func (l *lexer) next() (pbToken, error) {
	l.skipBlanks()
	l.last = l.line
	if l.data == "" {
		return pbToken{line: l.line}, nil
	}
	switch c := l.data[0]; {
	case strings.IndexByte("{}[]<>:,;", c) >= 0:
		l.data = l.data[1:]
		return pbToken{markToken, string(c), l.line}, nil
	case c == '"' || c == '\'':
		return l.str(c)
	}
	n := 0
	for n < len(l.data) && isWord(l.data[n]) {
		n++
	}
	if n == 0 {
		return pbToken{}, l.errorf(l.line, "the character %q is not allowed here", l.data[:1])
	}
	t := pbToken{wordToken, l.data[:n], l.line}
	l.data = l.data[n:]
	return t, nil
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.' || c == '-' || c == '+' || c == '/'
}

// str reads a text in quotes. Its escapes stay as they are: no rule needs them.
func (l *lexer) str(quote byte) (pbToken, error) {
	for i := 1; i < len(l.data) && l.data[i] != '\n'; i++ {
		switch l.data[i] {
		case '\\':
			i++
		case quote:
			t := pbToken{stringToken, l.data[1:i], l.line}
			l.data = l.data[i+1:]
			return t, nil
		}
	}
	return pbToken{}, l.errorf(l.line, "a text in quotes has no end")
}

// parsePbtxt reads the fields of a message in the text format. The error begins with the line.
func parsePbtxt(data string) ([]*field, error) {
	l := &lexer{data: data, line: 1}
	return l.fields("", 0)
}

// fields reads fields up to the mark end; "" is the end of the text.
func (l *lexer) fields(end string, depth int) ([]*field, error) {
	if depth > maxNesting {
		return nil, l.errorf(l.line, "more than %d messages in each other", maxNesting)
	}
	var out []*field
	for {
		t, err := l.next()
		switch {
		case err != nil:
			return nil, err
		case t.kind == endToken && end == "":
			return out, nil
		case t.kind == endToken:
			return nil, l.errorf(t.line, "the text ends, want %s", end)
		case t.kind == markToken && t.text == end:
			return out, nil
		case t.kind == markToken && (t.text == "," || t.text == ";"):
			continue
		case t.kind != wordToken:
			return nil, l.errorf(t.line, "found %q, want the name of a field", t.text)
		}
		fs, err := l.value(t, depth)
		if err != nil {
			return nil, err
		}
		out = append(out, fs...)
	}
}

// value reads what follows the name of a field.
func (l *lexer) value(name pbToken, depth int) ([]*field, error) {
	t, err := l.next()
	if err != nil {
		return nil, err
	}
	colon := t.text == ":" && t.kind == markToken
	if colon {
		if t, err = l.next(); err != nil {
			return nil, err
		}
	}
	if t.kind != markToken || t.text != "[" {
		f, err := l.element(name, t, colon, depth)
		return []*field{f}, err
	}
	out, err := l.elements(name, colon, depth)
	for _, f := range out {
		f.list, f.last = true, l.last
	}
	return out, err
}

// elements reads a list up to its end.
func (l *lexer) elements(name pbToken, colon bool, depth int) ([]*field, error) {
	var out []*field
	for {
		t, err := l.next()
		if err != nil {
			return nil, err
		}
		if t.kind == markToken && t.text == "]" {
			return out, nil
		}
		f, err := l.element(name, t, colon, depth)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
		if t, err = l.next(); err != nil {
			return nil, err
		}
		if t.kind == markToken && t.text == "]" {
			return out, nil
		}
		if t.kind != markToken || t.text != "," {
			return nil, l.errorf(t.line, "%s: found %q, want , or ]", name.text, t.text)
		}
	}
}

// element reads one value that begins with t.
func (l *lexer) element(name, t pbToken, colon bool, depth int) (*field, error) {
	f := &field{name: name.text, line: name.line}
	ends := map[string]string{"{": "}", "<": ">"}
	switch end, opens := ends[t.text]; {
	case t.kind == markToken && opens:
		var err error
		f.message = true
		f.fields, err = l.fields(end, depth+1)
		f.last = l.last
		return f, err
	case t.kind == endToken:
		return nil, l.errorf(t.line, "%s has no value", name.text)
	case t.kind == markToken || !colon:
		return nil, l.errorf(t.line, "%s: found %q, want : and a value, or { }", name.text, t.text)
	}
	f.text, f.quoted = t.text, t.kind == stringToken
	for f.quoted { // texts beside each other are one
		more, err := l.peek()
		if err != nil || more.kind != stringToken {
			break
		}
		if more, err = l.next(); err != nil {
			return nil, err
		}
		f.text += more.text
	}
	f.last = l.last
	return f, nil
}
