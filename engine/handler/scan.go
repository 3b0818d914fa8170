package handler

import (
	"bytes"
	"fmt"
	"math"
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

// number is one JSON number: its text and, if exact, its value as mantissa x 10^exponent.
type number struct {
	text      []byte
	mantissa  uint64
	exponent  int
	negative  bool
	exact     bool // the mantissa has all digits
	isInteger bool // written without fraction and exponent
}

// maxDigits is the number of decimal digits that always fit in a uint64.
const maxDigits = 19

// number reads a JSON number. If the next token is not one, ok is false and nothing is
// read.
func (s *scanner) number() (n number, ok bool) {
	b, i := s.b, s.i
	if i < len(b) && b[i] == '-' {
		n.negative = true
		i++
	}
	first := i
	for ; i < len(b) && isDigit(b[i]); i++ {
		n.mantissa = n.mantissa*10 + uint64(b[i]-'0')
	}
	count := i - first
	if count == 0 || count > 1 && b[first] == '0' {
		return n, false
	}
	n.isInteger = true
	if i < len(b) && b[i] == '.' {
		dot := i
		for i++; i < len(b) && isDigit(b[i]); i++ {
			n.mantissa = n.mantissa*10 + uint64(b[i]-'0')
		}
		n.exponent = dot + 1 - i
		if n.exponent == 0 {
			return n, false
		}
		count -= n.exponent
		n.isInteger = false
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		e, end := exponent(b, i+1)
		if end < 0 {
			return n, false
		}
		n.exponent += e
		i, n.isInteger = end, false
	}
	n.exact = count <= maxDigits
	n.text = b[s.i:i]
	s.i = i
	return n, true
}

// exponent reads the exponent after an e and returns the index of its end, or -1.
func exponent(b []byte, i int) (e, end int) {
	negative := false
	if i < len(b) && (b[i] == '+' || b[i] == '-') {
		negative = b[i] == '-'
		i++
	}
	first := i
	for ; i < len(b) && isDigit(b[i]); i++ {
		e = min(e*10+int(b[i]-'0'), 1<<20) // outside the range of all floats
	}
	if i == first {
		return 0, -1
	}
	if negative {
		e = -e
	}
	return e, i
}

func isDigit(c byte) bool { return c-'0' <= 9 }

// exact64 returns the number if one rounded operation computes it exactly: its mantissa and
// its power of ten must be exact floats.
func (n number) exact64() (float64, bool) {
	const maxExact = 22 // 10^22 is the largest exact power
	if !n.exact || n.mantissa >= 1<<53 || n.exponent < -maxExact || n.exponent > maxExact {
		return 0, false
	}
	v := float64(n.mantissa)
	if n.exponent < 0 {
		v /= pow10[-n.exponent]
	} else {
		v *= pow10[n.exponent]
	}
	if n.negative {
		v = -v
	}
	return v, true
}

// asFloat64 returns the nearest float64; ok is false if it overflows.
func (n number) asFloat64() (v float64, ok bool) {
	if v, ok := n.exact64(); ok {
		return v, true
	}
	v, err := strconv.ParseFloat(string(n.text), 64)
	return v, err == nil
}

// asFloat32 returns the nearest float32; ok is false if it overflows.
func (n number) asFloat32() (v float32, ok bool) {
	if v, ok := n.exact64(); ok {
		// Rounding twice differs from rounding once only if the float64 is exactly
		// between two float32, or if the float32 is subnormal or overflows.
		const half, mask = 1 << 28, 1<<29 - 1
		size := math.Abs(v)
		tie := math.Float64bits(v)&mask == half
		if size == 0 || !tie && size >= 0x1p-126 && size < 0x1p127 {
			return float32(v), true
		}
	}
	wide, err := strconv.ParseFloat(string(n.text), 32)
	return float32(wide), err == nil
}

var pow10 = [...]float64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
}
