package handler

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// scanner reads JSON from a byte slice without copying it. encoding/json needs
// several times as long for an array of 2048 numbers, which is where a request's
// decoding time goes.
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

// accept skips white space and c, if c comes next.
func (s *scanner) accept(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.i++
	return true
}

func (s *scanner) fail(format string, a ...any) error {
	return fmt.Errorf("JSON, byte %d: %s", s.i, fmt.Sprintf(format, a...))
}

// found names what comes next, for error texts.
func (s *scanner) found() string {
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

// end reports what follows a complete value.
func (s *scanner) end() error {
	if s.peek(); s.i < len(s.b) {
		return s.fail("%s after the value", s.found())
	}
	return nil
}

// text reads a string.
func (s *scanner) text() (string, error) {
	if s.peek() != '"' {
		return "", s.fail("%s, expected a string", s.found())
	}
	start := s.i
	if err := s.skipText(); err != nil {
		return "", err
	}
	token := s.b[start:s.i]
	var out string
	if err := json.Unmarshal(token, &out); err != nil {
		return "", s.fail("string: %v", err)
	}
	return out, nil
}

// skipText passes over a string, whose opening quote comes next.
func (s *scanner) skipText() error {
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
	return s.fail("string without an end")
}

// skip passes over one value of any kind and returns its bytes, of which only
// the brackets and strings are known to be sound.
func (s *scanner) skip() ([]byte, error) {
	s.peek()
	start, depth := s.i, 0
	for s.i < len(s.b) {
		switch c := s.b[s.i]; c {
		case '"':
			if err := s.skipText(); err != nil {
				return nil, err
			}
			if depth == 0 {
				return s.b[start:s.i], nil
			}
			continue
		case '[', '{':
			depth++
		case ']', '}', ',':
			if depth == 0 { // the enclosing value goes on
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
	return nil, s.fail("value without an end")
}

// object calls member for every key, with the scanner at the key's value, which
// member must read.
func (s *scanner) object(member func(key string) error) error {
	if !s.accept('{') {
		return s.fail("%s, expected an object", s.found())
	}
	if s.accept('}') {
		return nil
	}
	for {
		key, err := s.text()
		if err != nil {
			return err
		}
		if !s.accept(':') {
			return s.fail("%s, expected : after %q", s.found(), key)
		}
		if err := member(key); err != nil {
			return err
		}
		if s.accept('}') {
			return nil
		}
		if !s.accept(',') {
			return s.fail("%s, expected , or }", s.found())
		}
	}
}

// number is one JSON number: its text and, if digits is true, the same as
// mantissa x 10^exponent.
type number struct {
	text     []byte
	mantissa uint64
	exponent int
	negative bool
	digits   bool // mantissa holds every digit
	whole    bool // written without fraction and exponent
}

// maxDigits is how many decimal digits always fit in a uint64.
const maxDigits = 19

// number reads a number of JSON's grammar. ok is false, and nothing read, if
// there is none.
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
	n.whole = true
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
		n.whole = false
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		e, end := exponent(b, i+1)
		if end < 0 {
			return n, false
		}
		n.exponent += e
		i, n.whole = end, false
	}
	n.digits = count <= maxDigits
	n.text = b[s.i:i]
	s.i = i
	return n, true
}

// exponent reads the digits after an e and returns where they end, or -1.
func exponent(b []byte, i int) (e, end int) {
	negative := false
	if i < len(b) && (b[i] == '+' || b[i] == '-') {
		negative = b[i] == '-'
		i++
	}
	first := i
	for ; i < len(b) && isDigit(b[i]); i++ {
		e = min(e*10+int(b[i]-'0'), 1<<20) // beyond every float either way
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

// exact64 returns the number if one correctly rounded operation makes it: its
// digits and its power of ten are then both exact floats.
func (n number) exact64() (float64, bool) {
	const maxExact = 22 // 10^22 is the largest exact power
	if !n.digits || n.mantissa >= 1<<53 || n.exponent < -maxExact || n.exponent > maxExact {
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

// asFloat64 is the nearest float64; ok is false if it overflows.
func (n number) asFloat64() (v float64, ok bool) {
	if v, ok := n.exact64(); ok {
		return v, true
	}
	v, err := strconv.ParseFloat(string(n.text), 64)
	return v, err == nil
}

// asFloat32 is the nearest float32; ok is false if it overflows.
func (n number) asFloat32() (v float32, ok bool) {
	if v, ok := n.exact64(); ok {
		// Rounding twice differs from rounding once only where the first stop
		// is half way between two float32, or where those lie less dense.
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
