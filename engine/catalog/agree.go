package catalog

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"

	"github.com/x448/float16"

	"sweetspot/engine/tensor"
)

// agree tells whether two runs gave the same answers. Integers are compared
// exactly. Floats may differ by a thousandth of the largest of their tensor: a
// batch may take other kernels than a single item, which add in another order.
func agree(a, b []tensor.Item) bool {
	return slices.EqualFunc(a, b, func(x, y tensor.Item) bool { return slices.EqualFunc(x, y, near) })
}

func near(a, b tensor.Tensor) bool {
	switch {
	case a.Type != b.Type || !slices.Equal(a.Shape, b.Shape) || len(a.Data) != len(b.Data):
		return false
	case bytes.Equal(a.Data, b.Data):
		return true
	case !a.Type.IsFloat():
		return false
	}
	scale := 0.0
	size := a.Type.Size()
	for i := 0; i < len(a.Data); i += size {
		if v := math.Abs(number(a.Type, a.Data[i:])); v > scale && !math.IsInf(v, 0) { // no NaN is above
			scale = v
		}
	}
	for i := 0; i < len(a.Data); i += size {
		x, y := number(a.Type, a.Data[i:]), number(b.Type, b.Data[i:])
		same := x == y || math.IsNaN(x) && math.IsNaN(y) || math.Abs(x-y) <= scale/1000
		if !same {
			return false
		}
	}
	return true
}

// number decodes the float at the start of data.
func number(t tensor.Type, data []byte) float64 {
	le := binary.LittleEndian
	switch t {
	case tensor.Float16:
		return float64(float16.Frombits(le.Uint16(data)).Float32())
	case tensor.Float32:
		return float64(math.Float32frombits(le.Uint32(data)))
	}
	return math.Float64frombits(le.Uint64(data))
}
