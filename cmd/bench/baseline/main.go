// Command baseline suggests settings for a search. It has the baselines of bench that need
// libraries which nothing else of the project needs. It is a module of its own, so that the product
// does not depend on these libraries.
//
// It reads JSON from stdin and writes JSON to stdout, one object per line. The first line of stdin
// is the request. Each following line is the result of the last suggestion; higher is better.
//
//	in   {"sampler":"tpe","seed":7,"budget":240,"space":[{"name":"workers","values":4},{"name":"batch","values":6}]}
//	out  {"places":[2,0]}
//	in   {"value":113.5}
//	out  {"places":[3,4]}
//
// Each number in places is the index, from 0, of a value of a dimension, in the order of the
// request's space. The program ends with exit code 0 at the end of stdin, or after the result of
// the last suggestion of the budget. An error is one line on stderr with the number of the line of
// stdin and what is allowed there; the exit code is 1.
//
// One process answers one request. The same request and results give the same suggestions: all
// random numbers depend only on the seed.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

func main() {
	os.Exit(run(os.Stdin, os.Stdout, os.Stderr))
}

// run returns the exit code.
func run(stdin io.Reader, stdout, stderr io.Writer) int {
	if err := answer(newReader(stdin), json.NewEncoder(stdout)); err != nil {
		fmt.Fprintf(stderr, "baseline: %v\n", err)
		return 1
	}
	return 0
}

// answer reads the request and suggests until the end of the input or of the budget.
func answer(in *reader, out *json.Encoder) error {
	q, err := in.request()
	if err != nil {
		return err
	}
	err = searchTPE(q, func(places []int) (float64, error) {
		if err := out.Encode(suggestion{places}); err != nil {
			return 0, err
		}
		return in.result()
	})
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
