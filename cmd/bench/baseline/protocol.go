package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// request is the first line of the input.
type request struct {
	Sampler string      `json:"sampler"`
	Seed    uint64      `json:"seed"`
	Budget  int         `json:"budget"` // maximal number of suggestions
	Space   []dimension `json:"space"`
}

// dimension is one dimension of the search space.
type dimension struct {
	Name   string `json:"name"`
	Values int    `json:"values"` // number of values
}

// result is the result of the last suggestion.
type result struct {
	Value *float64 `json:"value"` // nil if the key is missing
}

// suggestion is a line of the output: the index of a value in each dimension, from 0.
type suggestion struct {
	Places []int `json:"places"`
}

// samplerTPE is the name of the only sampler.
const samplerTPE = "tpe"

// Limits of a request. The time of a suggestion increases with the number of earlier ones.
const (
	maxSuggestions = 10_000
	maxDimensions  = 32
	maxValues      = 1_000_000
	maxName        = 64 // bytes
)

// maxLine is the maximal number of bytes of an input line.
const maxLine = 64 << 10

// Examples of correct lines, for errors.
const (
	requestShape = `{"sampler":"tpe","seed":7,"budget":240,"space":[{"name":"workers","values":4}]}`
	resultShape  = `{"value":113.5}`
)

// reader reads the input line by line.
type reader struct {
	lines *bufio.Scanner
	n     int // number of the last line that was read, from 1
}

func newReader(r io.Reader) *reader {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	return &reader{lines: lines}
}

// next reads a line. At the end of the input the error is io.EOF.
func (r *reader) next() ([]byte, error) {
	r.n++
	if r.lines.Scan() {
		return r.lines.Bytes(), nil
	}
	switch err := r.lines.Err(); {
	case err == nil:
		return nil, io.EOF
	case errors.Is(err, bufio.ErrTooLong):
		return nil, r.errorf("more than %d bytes", maxLine-1)
	default:
		return nil, r.errorf("%w", err)
	}
}

func (r *reader) errorf(format string, args ...any) error {
	return fmt.Errorf("line %d: %w", r.n, fmt.Errorf(format, args...))
}

// request reads the first line.
func (r *reader) request() (request, error) {
	var q request
	line, err := r.next()
	if errors.Is(err, io.EOF) {
		return q, r.errorf("the input ends; want %s", requestShape)
	}
	if err != nil {
		return q, err
	}
	if err := decode(line, &q); err != nil {
		return q, r.errorf("%v; want %s", err, requestShape)
	}
	if faults := q.faults(); len(faults) > 0 {
		return q, r.errorf("%s", strings.Join(faults, "; "))
	}
	return q, nil
}

// result reads the result of a suggestion. At the end of the input the error is io.EOF.
func (r *reader) result() (float64, error) {
	line, err := r.next()
	if err != nil {
		return 0, err
	}
	var got result
	if err := decode(line, &got); err != nil {
		return 0, r.errorf("%v; want %s", err, resultShape)
	}
	if got.Value == nil {
		return 0, r.errorf("no value; want %s", resultShape)
	}
	return *got.Value, nil
}

// decode decodes a line that is one object. Unknown keys are an error.
func decode(line []byte, into any) error {
	if len(bytes.TrimSpace(line)) == 0 {
		return errors.New("the line is empty")
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is something after the object")
	}
	return nil
}

// faults returns all errors of a request, with what is allowed.
func (q request) faults() []string {
	var out []string
	fault := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if q.Sampler != samplerTPE {
		fault("sampler: %q is unknown; known: %s", q.Sampler, samplerTPE)
	}
	if q.Budget < 1 || q.Budget > maxSuggestions {
		fault("budget: %d is not 1-%d", q.Budget, maxSuggestions)
	}
	if n := len(q.Space); n < 1 || n > maxDimensions {
		fault("space: %d dimensions; want 1-%d", n, maxDimensions)
	}
	names := map[string]bool{}
	for i, d := range q.Space {
		if n := len(d.Name); n < 1 || n > maxName {
			fault("space: dimension %d: a name of %d bytes; want 1-%d", i+1, n, maxName)
		}
		if names[d.Name] {
			fault("space: %q occurs twice", d.Name)
		}
		names[d.Name] = true
		if d.Values < 1 || d.Values > maxValues {
			fault("space: %q: %d values; want 1-%d", d.Name, d.Values, maxValues)
		}
	}
	return out
}
