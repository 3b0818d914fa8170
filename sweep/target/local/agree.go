package local

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strings"

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

// answersAgree reports whether two answers of a model with these outputs agree: a single output is
// raw, several are JSON, and a model without outputs answers with any bytes.
func answersAgree(a, b []byte, outputs []tensor.Spec, tol float64) bool {
	switch {
	case bytes.Equal(a, b):
		return true
	case len(a) != len(b) && len(outputs) == 1, len(outputs) == 0:
		return false
	case len(outputs) == 1:
		t := outputs[0].Type
		return t.IsFloat() && len(a)%t.Size() == 0 && numbersAgree(tensor.Tensor{Type: t, Data: a}.Numbers(), tensor.Tensor{Type: t, Data: b}.Numbers(), tol)
	}
	x, okX := readOutputs(a)
	y, okY := readOutputs(b)
	return okX && okY && slices.EqualFunc(x, y, func(x, y output) bool { return x.agrees(y, tol) })
}

// output is an output in the JSON of the Open Inference Protocol. NaN and infinities are null or text.
type output struct {
	Name     string  `json:"name"`
	Datatype string  `json:"datatype"`
	Shape    []int64 `json:"shape"`
	Data     []any   `json:"data"`
}

func readOutputs(b []byte) ([]output, bool) {
	var v struct {
		Outputs []output `json:"outputs"`
	}
	return v.Outputs, json.Unmarshal(b, &v) == nil && len(v.Outputs) > 0
}

// agrees reports whether two outputs agree. Only floats may differ.
func (x output) agrees(y output, tol float64) bool {
	if x.Name != y.Name || x.Datatype != y.Datatype || !slices.Equal(x.Shape, y.Shape) || len(x.Data) != len(y.Data) {
		return false
	}
	if !strings.HasPrefix(x.Datatype, "FP") && !strings.HasPrefix(x.Datatype, "BF") {
		tol = 0
	}
	var a, b []float64
	for i := range x.Data {
		u, isNumber := x.Data[i].(float64)
		v, alsoNumber := y.Data[i].(float64)
		switch {
		case isNumber != alsoNumber:
			return false
		case isNumber:
			a, b = append(a, u), append(b, v)
		case !sameScalar(x.Data[i], y.Data[i]):
			return false
		}
	}
	return numbersAgree(a, b, tol)
}

// sameScalar compares two JSON values that are not numbers.
func sameScalar(a, b any) bool {
	switch a.(type) {
	case string, bool, nil:
		return a == b
	}
	return false // arrays and objects, which outputs do not have
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
