package local

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strings"
)

// textsAgree reports whether two answers of which nothing is known, as of handlers in Python, agree: JSON in which only
// fractions may differ. All other differences count, also of whole numbers, which are labels and
// counts, and of texts that are no JSON.
//
// The tolerance is a share of the largest number of the same kind: the elements of an array are of
// one kind, the values of different keys are not. So a score is not held against the pixels beside it.
func textsAgree(a, b []byte, tol float64) bool {
	x, okX := readJSON(a)
	y, okY := readJSON(b)
	if !okX || !okY {
		return false
	}
	c := jsonComparison{tol, map[string]float64{}}
	c.measure(x, "")
	return c.agree(x, y, "")
}

// readJSON reads all values of a text, of which there are several if it was streamed.
func readJSON(text []byte) ([]any, bool) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var out []any
	for {
		var v any
		switch err := d.Decode(&v); {
		case errors.Is(err, io.EOF):
			return out, len(out) > 0
		case err != nil:
			return nil, false
		}
		out = append(out, v)
	}
}

// jsonComparison has the largest number of each kind, by the path of its keys.
type jsonComparison struct {
	tol     float64
	largest map[string]float64
}

// ofKey is the path of the values of a key.
func ofKey(path, key string) string { return path + "\x00" + key }

// ofElements is the path of the elements of an array.
func ofElements(path string) string { return path + "\x00\x00" }

// measure finds the largest numbers of v.
func (c jsonComparison) measure(v any, path string) {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Float64(); err == nil {
			c.largest[path] = max(c.largest[path], math.Abs(n))
		}
	case []any:
		for _, e := range v {
			c.measure(e, ofElements(path))
		}
	case map[string]any:
		for key, e := range v {
			c.measure(e, ofKey(path, key))
		}
	}
}

func (c jsonComparison) agree(a, b any, path string) bool {
	switch a := a.(type) {
	case json.Number:
		b, ok := b.(json.Number)
		return ok && c.numbersAgree(a, b, path)
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !c.agree(a[i], b[i], ofElements(path)) {
				return false
			}
		}
		return true
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for key := range a {
			other, ok := b[key]
			if !ok || !c.agree(a[key], other, ofKey(path, key)) {
				return false
			}
		}
		return true
	}
	switch b.(type) {
	case []any, map[string]any:
		return false
	}
	return a == b // texts, true, false, null
}

func (c jsonComparison) numbersAgree(a, b json.Number, path string) bool {
	if a == b {
		return true
	}
	if isWhole(a) && isWhole(b) {
		return false
	}
	x, errX := a.Float64()
	y, errY := b.Float64()
	return errX == nil && errY == nil && math.Abs(x-y) <= c.tol*c.largest[path]
}

// isWhole reports whether a number is written as a whole one.
func isWhole(n json.Number) bool { return !strings.ContainsAny(string(n), ".eE") }
