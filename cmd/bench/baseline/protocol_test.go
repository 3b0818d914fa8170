package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzReader: an accepted input is equal after encoding and reading it again, and every error has a
// line number.
func FuzzReader(f *testing.F) {
	f.Add([]byte(lines(small, `{"value":113.5}`, `{"value":-1e-300}`)))
	f.Add([]byte(lines(requestShape, resultShape, "")))
	f.Add([]byte(`{"sampler":"tpe","seed":18446744073709551615,"budget":1,"space":[{"name":"é","values":1000000}]}`))
	f.Add([]byte(lines(small, "{}")))
	f.Add([]byte(lines("null")))
	f.Add([]byte("\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		q, results, err := readAll(data)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "line ") {
				t.Errorf("error without a line: %v", err)
			}
			return
		}
		var text bytes.Buffer
		out := json.NewEncoder(&text)
		err = out.Encode(q)
		for _, v := range results {
			err = errors.Join(err, out.Encode(result{&v}))
		}
		if err != nil {
			t.Fatal(err)
		}
		q2, results2, err := readAll(text.Bytes())
		if err != nil {
			t.Fatalf("%v\n%s", err, &text)
		}
		if diff := cmp.Diff(q, q2) + cmp.Diff(results, results2); diff != "" {
			t.Errorf("read back (-first +second):\n%s", diff)
		}
	})
}

// readAll reads an input to its end.
func readAll(data []byte) (request, []float64, error) {
	r := newReader(bytes.NewReader(data))
	q, err := r.request()
	var results []float64
	for err == nil {
		var v float64
		if v, err = r.result(); err == nil {
			results = append(results, v)
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return q, results, err
}
