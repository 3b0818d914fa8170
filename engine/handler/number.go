package handler

import (
	"bytes"
	"cmp"
	"math"
	"strconv"
	"strings"
)

// number is one JSON number: its text and, if exact, its value as mantissa x 10^exponent.
type number struct {
	text     []byte
	mantissa uint64
	exponent int
	negative bool
	exact    bool // the mantissa has all digits
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
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		e, end := exponent(b, i+1)
		if end < 0 {
			return n, false
		}
		n.exponent += e
		i = end
	}
	n.exact = count <= maxDigits
	n.text = b[s.i:i]
	s.i = i
	return n, true
}

// maxExponent is outside the range of all floats, whatever the number of digits before it is.
const maxExponent = 1 << 40

// exponent reads the exponent after an e and returns the index of its end, or -1.
func exponent(b []byte, i int) (e, end int) {
	negative := false
	if i < len(b) && (b[i] == '+' || b[i] == '-') {
		negative = b[i] == '-'
		i++
	}
	first := i
	for ; i < len(b) && isDigit(b[i]); i++ {
		e = min(e*10+int(b[i]-'0'), maxExponent)
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

// forRounding returns the number for rounding to a type of fewer bits than FP32, which is then
// as rounding the number itself: the nearest float64, or if that is a float32 and so perhaps
// halfway, its neighbor on the side of the number.
func (n number) forRounding() (v float64, ok bool) {
	v, ok = n.asFloat64()
	if !ok || float64(float32(v)) != v {
		return v, ok
	}
	if side := n.compare(v); side != 0 {
		v = math.Nextafter(v, math.Inf(side))
	}
	return v, true
}

// compare returns -1, 0 or +1 if the number is below, equal to or above v, the nearest float64,
// which is a float32.
func (n number) compare(v float64) int {
	const maxExact = 12 // a float32 times 10^12 is an exact float64
	sign := 1
	if n.negative {
		sign = -1
	}
	if n.exact && n.mantissa < 1<<53 && n.exponent <= 0 && n.exponent >= -maxExact {
		return sign * cmp.Compare(float64(n.mantissa), math.Abs(v)*pow10[-n.exponent])
	}
	const allDigits = 120 // of any float32
	exact, _ := (&scanner{b: strconv.AppendFloat(nil, math.Abs(v), 'e', allDigits, 64)}).number()
	mine, power := n.digits()
	other, otherPower := exact.digits()
	switch {
	case len(mine) == 0 || len(other) == 0: // 0
		return sign * cmp.Compare(len(mine), len(other))
	case power != otherPower:
		return sign * cmp.Compare(power, otherPower)
	}
	return sign * bytes.Compare(mine, other)
}

// digits returns the digits of the number without zeros at either end, and the power of ten
// with which it is 0.DIGITS x 10^power. Those of 0 are none.
func (n number) digits() (digits []byte, power int) {
	for _, c := range n.text {
		if c|0x20 == 'e' {
			break
		}
		if isDigit(c) {
			digits = append(digits, c)
		}
	}
	power = len(digits) + n.exponent
	significant := bytes.TrimLeft(digits, "0")
	return bytes.TrimRight(significant, "0"), power - len(digits) + len(significant)
}

// magnitude returns the number without its sign; ok is false if it is not whole or too large.
// 1.0 and 1e3 are whole, because JSON has no separate type for integers.
func (n number) magnitude() (m uint64, ok bool) {
	switch {
	case n.exact && n.exponent == 0:
		return n.mantissa, true
	case n.exact && n.exponent < 0 && n.exponent >= -maxDigits:
		unit := uint64(pow10[-n.exponent])
		return n.mantissa / unit, n.mantissa%unit == 0
	}
	digits, power := n.digits()
	switch zeros := power - len(digits); {
	case len(digits) == 0:
		return 0, true
	case zeros < 0 || power > maxDigits+1:
		return 0, false
	default:
		m, err := strconv.ParseUint(string(digits)+strings.Repeat("0", zeros), 10, 64)
		return m, err == nil
	}
}

// integer returns the number as int64; ok is false if it is not one.
func (n number) integer() (i int64, ok bool) {
	m, ok := n.magnitude()
	if n.negative {
		return -int64(m), ok && m <= 1<<63
	}
	return int64(m), ok && m <= math.MaxInt64
}

// unsigned returns the number as uint64; ok is false if it is not one.
func (n number) unsigned() (u uint64, ok bool) {
	m, ok := n.magnitude()
	return m, ok && (m == 0 || !n.negative)
}
