package handler

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/x448/float16"

	"sweetspot/engine/tensor"
)

// checkValues reports the first value of t that s does not allow: one outside
// the bounds, a NaN or infinity, a bool that is neither 0 nor 1.
func checkValues(s tensor.Spec, t tensor.Tensor) error {
	bad, text := -1, ""
	switch {
	case s.Bounded:
		bad = firstOutside(t, s.Min, s.Max)
		text = "is outside " + plain(s.Min) + " to " + plain(s.Max)
	case t.Type == tensor.Bool:
		bad = firstOutside(t, 0, 1)
		text = "is no bool, expected 0 or 1"
	case t.Type == tensor.Float32:
		if !finite32(t.Data) {
			bad = firstOutside(t, -math.MaxFloat64, math.MaxFloat64)
		}
		text = "is not finite, expected a number"
	case t.Type.IsFloat():
		bad = firstOutside(t, -math.MaxFloat64, math.MaxFloat64)
		text = "is not finite, expected a number"
	}
	if bad < 0 {
		return nil
	}
	return fmt.Errorf("input %q: value %s%s %s; %s", s.Name, plain(at(t.Type, t.Data, bad)), place(t.Shape, bad), text, wantOne(s))
}

// finite32 tells whether no float32 in data, whose length is a multiple of 4,
// has an exponent of all ones. It looks at two at a time: adding one to such an
// exponent carries into the cleared sign bit above it.
func finite32(data []byte) bool {
	const exponents, ones, signs = 0x7f800000_7f800000, 0x00800000_00800000, 0x80000000_80000000
	var carry uint64
	for len(data) >= 8 {
		carry |= binary.LittleEndian.Uint64(data)&exponents + ones
		data = data[8:]
	}
	if len(data) == 4 {
		carry |= uint64(binary.LittleEndian.Uint32(data))&exponents + ones
	}
	return carry&signs == 0
}

// firstOutside is the index of the first value that is not in low..high, or -1.
func firstOutside(t tensor.Tensor, low, high float64) int {
	for i := range len(t.Data) / t.Type.Size() {
		if v := at(t.Type, t.Data, i); !(v >= low && v <= high) { // NaN is outside too
			return i
		}
	}
	return -1
}

// at is the value of element i. A 64-bit integer beyond 2^53 loses low bits.
func at(t tensor.Type, data []byte, i int) float64 {
	b := data[i*t.Size():]
	switch t {
	case tensor.Float16:
		return float64(float16.Frombits(binary.LittleEndian.Uint16(b)).Float32())
	case tensor.Float32:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
	case tensor.Float64:
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	case tensor.Uint64:
		return float64(binary.LittleEndian.Uint64(b))
	}
	return float64(integerAt(t, data, i))
}

// integerAt is the value of element i of an integer or bool tensor other than
// UINT64.
func integerAt(t tensor.Type, data []byte, i int) int64 {
	b := data[i*t.Size():]
	switch t {
	case tensor.Int8:
		return int64(int8(b[0]))
	case tensor.Int16:
		return int64(int16(binary.LittleEndian.Uint16(b)))
	case tensor.Uint16:
		return int64(binary.LittleEndian.Uint16(b))
	case tensor.Int32:
		return int64(int32(binary.LittleEndian.Uint32(b)))
	case tensor.Uint32:
		return int64(binary.LittleEndian.Uint32(b))
	case tensor.Int64:
		return int64(binary.LittleEndian.Uint64(b))
	}
	return int64(b[0])
}

// place names element i by its indices: " at [0 17]"; "" for a scalar.
func place(shape []int64, i int) string {
	if len(shape) == 0 {
		return ""
	}
	index := make([]int64, len(shape))
	for d := len(shape) - 1; d >= 0; d-- {
		index[d] = int64(i) % shape[d]
		i = int(int64(i) / shape[d])
	}
	return fmt.Sprintf(" at %v", index)
}

func unsignedAt(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }
