// Command baseline suggests what to try next: the part of bench's baselines that
// needs libraries which nothing else of the project does. It is a module of its
// own, so that they are no dependencies of the product.
//
// It reads JSON from stdin and writes JSON to stdout, one object a line. The
// first line it reads is the question, every other one the result of what it
// suggested last; the higher a value, the better.
//
//	in   {"sampler":"tpe","seed":7,"budget":240,"space":[{"name":"workers","values":4},{"name":"batch","values":6}]}
//	out  {"places":[2,0]}
//	in   {"value":113.5}
//	out  {"places":[3,4]}
//
// A place says which value of a dimension, counted from 0, in the order of the
// question's space. The program ends with code 0 when stdin does, and after the
// result of the last suggestion that the budget allows. An error is one line on
// stderr, which names the line of stdin and what is allowed there; the code is 1.
//
// One process answers one question, and the same question and results lead to
// the same suggestions: all that is drawn by chance follows from the seed.
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

func run(stdin io.Reader, stdout, stderr io.Writer) int {
	if err := answer(newReader(stdin), json.NewEncoder(stdout)); err != nil {
		fmt.Fprintf(stderr, "baseline: %v\n", err)
		return 1
	}
	return 0
}

// answer reads the question and suggests until the input or the budget ends.
func answer(in *reader, out *json.Encoder) error {
	q, err := in.question()
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
