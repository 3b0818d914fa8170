// Package lengths has distributions of the sizes that requests have in the open dimensions
// of a model, such as the lengths of texts.
//
// A [Mix] is one distribution: one size, a uniform range, or the lines of a file. A [Shape]
// has a mix for each dimension of an input. [For] joins the shapes of the inputs of a model
// to a [Sampler], which draws items: inputs that share a dimension share its size.
//
// All types are data: they are not changed after they are made, and are safe for concurrent
// use.
package lengths

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// The bounds of sizes, and of the lines of a file.
const (
	maxSize  = 1 << 24
	maxLines = 1 << 20
)

// Mix is a distribution of sizes. The zero value is not usable.
type Mix struct {
	text      string
	low, high int64   // inclusive
	values    []int64 // drawn from instead of low to high, if there are any
	sum       string  // of a file: SHA-256 of its bytes, hex
}

// String is the mix as Parse reads it: 64, 8..128 or @FILE.
func (m Mix) String() string { return m.text }

// Fixed reports whether there is only one size.
func (m Mix) Fixed() bool { return m.low == m.high }

// Bounds returns the smallest and the largest size.
func (m Mix) Bounds() (low, high int64) { return m.low, m.high }

// Draw returns a random size.
func (m Mix) Draw(rng *rand.Rand) int64 {
	if len(m.values) > 0 {
		return m.values[rng.IntN(len(m.values))]
	}
	return m.low + rng.Int64N(m.high-m.low+1)
}

// Size returns the mix of one size, which must be from 1 to 2^24.
func Size(n int64) Mix { return Mix{text: strconv.FormatInt(n, 10), low: n, high: n} }

// Between returns the mix of all sizes from a to b, in any order; both must be from 1 to 2^24.
func Between(a, b int64) Mix {
	m, err := uniform(min(a, b), max(a, b))
	if err != nil {
		panic("lengths: " + err.Error())
	}
	return m
}

// Of returns the mix of the values, each drawn with the same probability. text is what String
// returns.
func Of(text string, values []int64) (Mix, error) {
	if len(values) == 0 {
		return Mix{}, errors.New("no lengths; write one whole number a line")
	}
	m := Mix{text: text, low: values[0], high: values[0], values: values}
	for _, v := range values {
		if v < 1 || v > maxSize {
			return Mix{}, fmt.Errorf("length %d is outside 1-%d", v, maxSize)
		}
		m.low, m.high = min(m.low, v), max(m.high, v)
	}
	return m, nil
}

// uniform returns the mix of all sizes from low to high.
func uniform(low, high int64) (Mix, error) {
	switch {
	case low < 1 || high > maxSize:
		return Mix{}, fmt.Errorf("%d..%d is outside 1-%d", low, high, maxSize)
	case high < low:
		return Mix{}, fmt.Errorf("%d..%d: the end is below the start", low, high)
	case low == high:
		return Size(low), nil
	}
	return Mix{text: fmt.Sprintf("%d..%d", low, high), low: low, high: high}, nil
}

// Shape has a mix for each dimension of an input, or for each open one.
type Shape []Mix

// String is the shape as ParseShape reads it.
func (s Shape) String() string {
	parts := make([]string, len(s))
	for i, m := range s {
		parts[i] = m.text
	}
	return strings.Join(parts, "x")
}

// Fixed returns the sizes of a shape that has only one; ok is false for a mixture.
func (s Shape) Fixed() (sizes []int64, ok bool) {
	for _, m := range s {
		if !m.Fixed() || len(m.values) > 0 {
			return nil, false
		}
		sizes = append(sizes, m.low)
	}
	return sizes, true
}

// ParseShape reads dimensions joined by x, each a size or a range, such as 64, 8..128 or
// 3x200..300x224; or @FILE, a file of lengths with one whole number a line. read reads the
// file; nil refuses files.
func ParseShape(text string, read func(name string) ([]byte, error)) (Shape, error) {
	if name, ok := strings.CutPrefix(text, "@"); ok {
		if read == nil || name == "" {
			return nil, fmt.Errorf("%q: want a file after @, such as @lengths.txt", text)
		}
		data, err := read(name)
		if err != nil {
			return nil, err
		}
		m, err := readLines(text, data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return Shape{m}, nil
	}
	var out Shape
	for part := range strings.SplitSeq(text, "x") {
		m, err := parseMix(part)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// ParseFlag reads the text of --shape: NAME=SHAPE. The name of an input may have a "=".
func ParseFlag(text string, read func(name string) ([]byte, error)) (input string, s Shape, err error) {
	i := strings.LastIndex(text, "=")
	if at := strings.Index(text, "=@"); at > 0 { // the name of a file may have one too
		i = at
	}
	if i < 1 {
		return "", nil, fmt.Errorf("--shape %s: want NAME=DIMS, such as input_ids=64, input_ids=8..128 or image=3x224x224", text)
	}
	if s, err = ParseShape(text[i+1:], read); err != nil {
		return "", nil, fmt.Errorf("--shape %s: %w", text, err)
	}
	return text[:i], s, nil
}

// parseMix reads a size or a range.
func parseMix(text string) (Mix, error) {
	first, last, ranged := strings.Cut(text, "..")
	if !ranged {
		last = first
	}
	low, err := strconv.ParseInt(first, 10, 64)
	high, err2 := strconv.ParseInt(last, 10, 64)
	if err != nil || err2 != nil || low < 0 || first[0] == '+' || last[0] == '+' {
		return Mix{}, fmt.Errorf("%q is not a dimension; want whole numbers or ranges such as 8..128, with x between them, such as 3x224x224, or @FILE", text)
	}
	if low == 0 && high == 0 && !ranged { // a fixed dimension may be empty
		return Mix{text: text}, nil
	}
	return uniform(low, high)
}

// readLines reads a file of lengths. Empty lines and those that begin with # do not count.
func readLines(text string, data []byte) (Mix, error) {
	var values []int64
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		v, err := strconv.ParseInt(line, 10, 64)
		if err != nil || v < 1 || v > maxSize {
			return Mix{}, fmt.Errorf("line %d: %.40q is not a length; want one whole number from 1 to %d a line", n, line, maxSize)
		}
		if len(values) == maxLines {
			return Mix{}, fmt.Errorf("more than %d lengths", maxLines)
		}
		values = append(values, v)
	}
	if err := lines.Err(); err != nil {
		return Mix{}, fmt.Errorf("not a file of lengths: %w", err)
	}
	m, err := Of(text, values)
	sum := sha256.Sum256(data)
	m.sum = hex.EncodeToString(sum[:])
	return m, err
}
