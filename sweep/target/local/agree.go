package local

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"

	"sweetspot/engine/tensor"
	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// checkAnswers compares kept answers with single answers. It returns nil if there is nothing to
// compare.
func checkAnswers(kept []load.Kept, singles map[int]single, outputs []tensor.Spec, tol float64) *trial.AnswerCheck {
	out := trial.AnswerCheck{Tolerance: tol}
	for _, k := range kept {
		want, ok := singles[k.Body]
		switch {
		case !ok:
		case !want.repeatable:
			out.NotRepeatable++
		default:
			out.Compared++
			if !answersAgree(want.data, k.Data, outputs, tol) {
				out.Differ++
			}
		}
	}
	if out.Compared+out.NotRepeatable == 0 {
		return nil
	}
	return &out
}

// answersAgree reports whether two answers of a model with these outputs agree. A single output is
// raw, several are in the binary form of the Open Inference Protocol, and a model without outputs
// answers with any bytes, which are compared as JSON if they are.
func answersAgree(a, b []byte, outputs []tensor.Spec, tol float64) bool {
	switch {
	case bytes.Equal(a, b):
		return true
	case len(outputs) == 0:
		return textsAgree(a, b, tol)
	case len(outputs) == 1:
		t := outputs[0].Type
		return tensorsAgree(tensor.Tensor{Type: t, Data: a}, tensor.Tensor{Type: t, Data: b}, tol)
	}
	x, okX := readBinary(a)
	y, okY := readBinary(b)
	return okX && okY && slices.EqualFunc(x, y, func(x, y output) bool {
		return x.name == y.name && x.Type == y.Type && slices.Equal(x.Shape, y.Shape) && tensorsAgree(x.Tensor, y.Tensor, tol)
	})
}

// output is one of several outputs.
type output struct {
	name string
	tensor.Tensor
}

// readBinary reads outputs in the binary form: a JSON text that describes them, and then their bytes.
func readBinary(b []byte) ([]output, bool) {
	var v struct {
		Outputs []struct {
			Name       string      `json:"name"`
			Datatype   tensor.Type `json:"datatype"`
			Shape      []int64     `json:"shape"`
			Parameters struct {
				Size int `json:"binary_data_size"`
			} `json:"parameters"`
		} `json:"outputs"`
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if d.Decode(&v) != nil {
		return nil, false
	}
	rest := b[d.InputOffset():]
	var out []output
	for _, o := range v.Outputs {
		n := o.Parameters.Size
		if n < 0 || n > len(rest) {
			return nil, false
		}
		out = append(out, output{o.Name, tensor.Tensor{Type: o.Datatype, Shape: o.Shape, Data: rest[:n]}})
		rest = rest[n:]
	}
	if len(rest) > 0 {
		return nil, false
	}
	return out, len(out) > 0
}

// tensorsAgree reports whether the values of two tensors of one type agree. Only floats may differ.
func tensorsAgree(x, y tensor.Tensor, tol float64) bool {
	if !x.Type.IsFloat() {
		return bytes.Equal(x.Data, y.Data)
	}
	return len(x.Data) == len(y.Data) && len(x.Data)%x.Type.Size() == 0 && numbersAgree(x.Numbers(), y.Numbers(), tol)
}

// numbersAgree reports whether no two numbers differ by more than tol times the largest finite
// number of a.
func numbersAgree(a, b []float64, tol float64) bool {
	scale := 0.
	for _, v := range a {
		if size := math.Abs(v); size > scale && !math.IsInf(size, 0) { // false for NaN
			scale = size
		}
	}
	for i := range a {
		if a[i] == b[i] || math.IsNaN(a[i]) && math.IsNaN(b[i]) {
			continue
		}
		if d := math.Abs(a[i] - b[i]); !(d <= tol*scale) {
			return false
		}
	}
	return true
}
