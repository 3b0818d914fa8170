package catalog

import (
	"bytes"
	"math"
	"slices"

	"sweetspot/engine/tensor"
)

// outputsAgree reports whether the outputs of two runs agree. Integers must be equal. Floats may
// differ by a thousandth of the largest number of the tensor, because a runtime may use
// other kernels for a batch, which add in another order.
func outputsAgree(a, b []tensor.Item) bool {
	return slices.EqualFunc(a, b, func(x, y tensor.Item) bool { return slices.EqualFunc(x, y, tensorsAgree) })
}

func tensorsAgree(a, b tensor.Tensor) bool {
	switch {
	case a.Type != b.Type || !slices.Equal(a.Shape, b.Shape) || len(a.Data) != len(b.Data):
		return false
	case bytes.Equal(a.Data, b.Data):
		return true
	case !a.Type.IsFloat():
		return false
	}
	scale := 0.0
	n := len(a.Data) / a.Type.Size()
	for i := range n {
		if v := math.Abs(tensor.At(a.Type, a.Data, i)); v > scale && !math.IsInf(v, 0) { // false for NaN
			scale = v
		}
	}
	for i := range n {
		x, y := tensor.At(a.Type, a.Data, i), tensor.At(b.Type, b.Data, i)
		same := x == y || math.IsNaN(x) && math.IsNaN(y) || math.Abs(x-y) <= scale/1000
		if !same {
			return false
		}
	}
	return true
}
