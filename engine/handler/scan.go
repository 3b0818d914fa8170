package handler

import (
	"bytes"
	"fmt"
	"strconv"
)

// scanner reads JSON from a byte slice without copying it. encoding/json takes several
// times as long for an array of 2048 numbers, and such arrays dominate the decoding time.
type scanner struct {
	b []byte
	i int
}

// peek skips white space and returns the next byte, or 0 at the end.
func (s *scanner) peek() byte {
	for s.i < len(s.b) {
		switch c := s.b[s.i]; c {
		case ' ', '\t', '\r', '\n':
			s.i++
		default:
			return c
		}
	}
	return 0
}

// accept skips white space, and then c if it is the next byte.
func (s *scanner) accept(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.i++
	return true
}

func (s *scanner) errorf(format string, a ...any) error {
	return fmt.Errorf("JSON, byte %d: %s", s.i, fmt.Sprintf(format, a...))
}

// describeNext describes the next token, for error texts.
func (s *scanner) describeNext() string {
	c := s.peek()
	switch {
	case s.i >= len(s.b):
		return "the end"
	case c == '"':
		return "a string"
	case c == '{':
		return "an object"
	case c == '[':
		return "an array"
	}
	rest := s.b[s.i:]
	if end := bytes.IndexAny(rest, " \t\r\n,]}:"); end > 0 {
		rest = rest[:end]
	}
	return strconv.Quote(string(rest[:min(len(rest), 16)]))
}

// expectEnd reports text after a complete value.
func (s *scanner) expectEnd() error {
	if s.peek(); s.i < len(s.b) {
		return s.errorf("%s after the value", s.describeNext())
	}
	return nil
}

// readString reads a string.
func (s *scanner) readString() (string, error) {
	token, err := s.stringToken()
	if err != nil {
		return "", err
	}
	text, err := unquote(token)
	if err != nil {
		return "", s.errorf("%v", err)
	}
	return text, nil
}

// stringToken reads a string with its quotes and escapes.
func (s *scanner) stringToken() ([]byte, error) {
	if s.peek() != '"' {
		return nil, s.errorf("%s, expected a string", s.describeNext())
	}
	start := s.i
	if err := s.skipString(); err != nil {
		return nil, err
	}
	return s.b[start:s.i], nil
}

// skipString skips a string; its opening quote is the next byte.
func (s *scanner) skipString() error {
	for s.i++; s.i < len(s.b); s.i++ {
		switch s.b[s.i] {
		case '\\':
			s.i++
		case '"':
			s.i++
			return nil
		}
	}
	s.i = len(s.b)
	return s.errorf("unterminated string")
}

// skip skips one value of any kind and returns its bytes. It checks only brackets and
// strings.
func (s *scanner) skip() ([]byte, error) {
	s.peek()
	start, depth := s.i, 0
	for s.i < len(s.b) {
		switch c := s.b[s.i]; c {
		case '"':
			if err := s.skipString(); err != nil {
				return nil, err
			}
			if depth == 0 {
				return s.b[start:s.i], nil
			}
			continue
		case '[', '{':
			depth++
		case ']', '}', ',':
			if depth == 0 { // belongs to the enclosing value
				return s.b[start:s.i], nil
			}
			if c != ',' {
				depth--
			}
			if depth == 0 && c != ',' {
				s.i++
				return s.b[start:s.i], nil
			}
		}
		s.i++
	}
	return nil, s.errorf("unterminated value")
}

// readObject calls member for every key; member must read the key's value.
func (s *scanner) readObject(member func(key string) error) error {
	if !s.accept('{') {
		return s.errorf("%s, expected an object", s.describeNext())
	}
	if s.accept('}') {
		return nil
	}
	for {
		key, err := s.readString()
		if err != nil {
			return err
		}
		if !s.accept(':') {
			return s.errorf("%s, expected : after %q", s.describeNext(), key)
		}
		if err := member(key); err != nil {
			return err
		}
		if s.accept('}') {
			return nil
		}
		if !s.accept(',') {
			return s.errorf("%s, expected , or }", s.describeNext())
		}
	}
}
