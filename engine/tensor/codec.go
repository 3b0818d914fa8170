package tensor

import (
	"encoding/binary"
	"math"

	"github.com/x448/float16"
)

// Only this file defines the encoding of an element in a Tensor's Data. [At], [IntAt],
// [AppendFloat] and [AppendInt] have a type argument; [Float32At], [AppendFloat32],
// [AppendFloat16] and [AppendBFloat16] are for loops over one type, where the compiler inlines them. None
// allocates more than append does. An index beyond the data panics.

var little = binary.LittleEndian

// At returns element i of data as a float64. A bool is its byte. A 64-bit integer beyond
// 2^53 loses low bits.
func At(t Type, data []byte, i int) float64 {
	switch t {
	case Float32:
		return float64(Float32At(data, i))
	case Float64:
		return math.Float64frombits(little.Uint64(data[8*i:]))
	case Float16:
		return float64(float16.Frombits(little.Uint16(data[2*i:])).Float32())
	case BFloat16:
		return float64(math.Float32frombits(uint32(little.Uint16(data[2*i:])) << 16))
	case Uint64:
		return float64(little.Uint64(data[8*i:]))
	}
	return float64(IntAt(t, data, i))
}

// IntAt returns element i of data, which has integers or bools. A UINT64 above 2^63-1 is
// returned as its bits: uint64(IntAt(...)) is the number. A bool is its byte.
func IntAt(t Type, data []byte, i int) int64 {
	switch t {
	case Int64, Uint64:
		return int64(little.Uint64(data[8*i:]))
	case Int32:
		return int64(int32(little.Uint32(data[4*i:])))
	case Uint32:
		return int64(little.Uint32(data[4*i:]))
	case Int16:
		return int64(int16(little.Uint16(data[2*i:])))
	case Uint16:
		return int64(little.Uint16(data[2*i:]))
	case Int8:
		return int64(int8(data[i]))
	case Uint8, Bool:
		return int64(data[i])
	}
	panic("tensor: " + t.String() + " is no integer type")
}

// Float32At returns element i of data, which has type FP32.
func Float32At(data []byte, i int) float32 {
	return math.Float32frombits(little.Uint32(data[4*i:]))
}

// Numbers returns all elements of t as float64.
func (t Tensor) Numbers() []float64 {
	out := make([]float64, len(t.Data)/t.Type.Size())
	for i := range out {
		out[i] = At(t.Type, t.Data, i)
	}
	return out
}

// AppendFloat appends v to dst as an element of the floating point type t, rounded to
// nearest, once. A number that is too large becomes infinite.
func AppendFloat(dst []byte, t Type, v float64) []byte {
	switch t {
	case Float32:
		return AppendFloat32(dst, float32(v))
	case Float64:
		return little.AppendUint64(dst, math.Float64bits(v))
	case Float16:
		return AppendFloat16(dst, roundToOdd(v))
	case BFloat16:
		return AppendBFloat16(dst, roundToOdd(v))
	}
	panic("tensor: " + t.String() + " is no floating point type")
}

// roundToOdd returns v, or else the one of its two neighbors whose last bit is 1. Rounding that
// to fewer bits is as rounding v: FP32 to nearest could be halfway between two of them, and v on
// either side of it.
func roundToOdd(v float64) float32 {
	f := float32(v)
	if bits := math.Float32bits(f); float64(f) != v && v == v && bits&1 == 0 {
		if f == 0 && math.Signbit(v) { // the neighbor of -0 is that of 0 else
			return math.Float32frombits(1<<31 | 1)
		}
		to := float32(math.Inf(1))
		if float64(f) > v {
			to = -to
		}
		return math.Nextafter32(f, to)
	}
	return f
}

// AppendInt appends v to dst as an element of the integer type t, or as the byte of a
// bool. If v is out of range, only its low bytes are appended; compare with [IntAt] to
// detect this. A UINT64 u is passed as its bits, int64(u).
func AppendInt(dst []byte, t Type, v int64) []byte {
	switch t {
	case Int64, Uint64:
		return little.AppendUint64(dst, uint64(v))
	case Int32, Uint32:
		return little.AppendUint32(dst, uint32(v))
	case Int16, Uint16:
		return little.AppendUint16(dst, uint16(v))
	case Int8, Uint8, Bool:
		return append(dst, byte(v))
	}
	panic("tensor: " + t.String() + " is no integer type")
}

// AppendFloat32 appends v to dst as FP32.
func AppendFloat32(dst []byte, v float32) []byte {
	return little.AppendUint32(dst, math.Float32bits(v))
}

// AppendFloat16 appends v to dst as FP16, rounded to nearest.
func AppendFloat16(dst []byte, v float32) []byte {
	return little.AppendUint16(dst, float16.Fromfloat32(v).Bits())
}

// AppendBFloat16 appends v to dst as BF16, the upper half of an FP32, rounded to nearest
// with ties to even.
func AppendBFloat16(dst []byte, v float32) []byte {
	bits := math.Float32bits(v)
	if v != v { // rounding could turn a NaN into an infinity
		return little.AppendUint16(dst, uint16(bits>>16)|0x40)
	}
	return little.AppendUint16(dst, uint16((bits+0x7fff+bits>>16&1)>>16))
}
