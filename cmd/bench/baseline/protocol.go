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

// question is the first line of the input.
type question struct {
	Sampler string      `json:"sampler"`
	Seed    uint64      `json:"seed"`
	Budget  int         `json:"budget"` // most suggestions
	Space   []dimension `json:"space"`
}

// dimension is one of those that places are chosen in.
type dimension struct {
	Name   string `json:"name"`
	Values int    `json:"values"` // how many there are to choose from
}

// result is what became of the last suggestion.
type result struct {
	Value *float64 `json:"value"` // nil: not given
}

// suggestion is a line of the output: a place for each dimension, from 0.
type suggestion struct {
	Places []int `json:"places"`
}

// samplerTPE is the one sampler there is.
const samplerTPE = "tpe"

// What a question may ask for. The time of a suggestion grows with the number
// of those before it.
const (
	mostSuggestions = 10_000
	mostDimensions  = 32
	mostValues      = 1_000_000
	longestName     = 64 // bytes
)

// longestLine is how many bytes a line of the input may have.
const longestLine = 64 << 10

// Lines as they should be, for errors.
const (
	questionShape = `{"sampler":"tpe","seed":7,"budget":240,"space":[{"name":"workers","values":4}]}`
	resultShape   = `{"value":113.5}`
)

// reader reads the input line by line.
type reader struct {
	lines *bufio.Scanner
	n     int // of the line read last, from 1
}

func newReader(r io.Reader) *reader {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, longestLine)
	return &reader{lines: lines}
}

// next reads a line; at the end the error is io.EOF.
func (r *reader) next() ([]byte, error) {
	r.n++
	if r.lines.Scan() {
		return r.lines.Bytes(), nil
	}
	switch err := r.lines.Err(); {
	case err == nil:
		return nil, io.EOF
	case errors.Is(err, bufio.ErrTooLong):
		return nil, r.errorf("more than %d bytes", longestLine-1)
	default:
		return nil, r.errorf("%w", err)
	}
}

func (r *reader) errorf(format string, args ...any) error {
	return fmt.Errorf("line %d: %w", r.n, fmt.Errorf(format, args...))
}

// question reads the first line.
func (r *reader) question() (question, error) {
	var q question
	line, err := r.next()
	if errors.Is(err, io.EOF) {
		return q, r.errorf("the input ends; want %s", questionShape)
	}
	if err != nil {
		return q, err
	}
	if err := decode(line, &q); err != nil {
		return q, r.errorf("%v; want %s", err, questionShape)
	}
	if faults := q.faults(); len(faults) > 0 {
		return q, r.errorf("%s", strings.Join(faults, "; "))
	}
	return q, nil
}

// result reads what became of a suggestion; at the end of the input the error is
// io.EOF.
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

// decode reads a line that is one object and has no keys but those of into.
func decode(line []byte, into any) error {
	if len(bytes.TrimSpace(line)) == 0 {
		return errors.New("nothing there")
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the object")
	}
	return nil
}

// faults are all that is wrong with a question, with what is allowed.
func (q question) faults() []string {
	var out []string
	fault := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if q.Sampler != samplerTPE {
		fault("sampler: %q is not known; known: %s", q.Sampler, samplerTPE)
	}
	if q.Budget < 1 || q.Budget > mostSuggestions {
		fault("budget: %d is not 1-%d", q.Budget, mostSuggestions)
	}
	if n := len(q.Space); n < 1 || n > mostDimensions {
		fault("space: %d dimensions; want 1-%d", n, mostDimensions)
	}
	names := map[string]bool{}
	for i, d := range q.Space {
		if n := len(d.Name); n < 1 || n > longestName {
			fault("space: dimension %d: a name of %d bytes; want 1-%d", i+1, n, longestName)
		}
		if names[d.Name] {
			fault("space: %q is there twice", d.Name)
		}
		names[d.Name] = true
		if d.Values < 1 || d.Values > mostValues {
			fault("space: %q: %d values; want 1-%d", d.Name, d.Values, mostValues)
		}
	}
	return out
}
