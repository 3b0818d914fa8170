package catalog

import (
	"encoding/binary"
	"math"
	"testing"

	"sweetspot/engine/tensor"
)

func TestOutputsAgree(t *testing.T) {
	f32 := func(v ...float32) tensor.Tensor {
		out := tensor.Tensor{Type: tensor.Float32, Shape: []int64{int64(len(v))}}
		for _, x := range v {
			out.Data = binary.LittleEndian.AppendUint32(out.Data, math.Float32bits(x))
		}
		return out
	}
	i8 := func(v ...byte) tensor.Tensor {
		return tensor.Tensor{Type: tensor.Int8, Shape: []int64{int64(len(v))}, Data: v}
	}
	f16 := func(v ...byte) tensor.Tensor {
		return tensor.Tensor{Type: tensor.Float16, Shape: []int64{int64(len(v) / 2)}, Data: v}
	}
	f64 := func(v float64) tensor.Tensor {
		return tensor.Tensor{Type: tensor.Float64, Shape: []int64{1}, Data: binary.LittleEndian.AppendUint64(nil, math.Float64bits(v))}
	}
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	column := f32(1, 2)
	column.Shape = []int64{2, 1}
	tests := []struct {
		name string
		a, b tensor.Tensor
		want bool
	}{
		{"equal", f32(1, 2), f32(1, 2), true},
		{"close", f32(1000, 1), f32(1000.5, 1.5), true},
		{"apart", f32(1, 2), f32(1, 2.1), false},
		{"two NaN and infinities", f32(nan, inf, 5000), f32(nan, inf, 5001), true},
		{"one NaN", f32(nan, 1), f32(1, nan), false},
		{"opposite infinities", f32(inf), f32(-inf), false},
		{"integers", i8(1, 2), i8(1, 2), true},
		{"integers apart", i8(100, 2), i8(100, 3), false},
		{"half", f16(0x00, 0x3c), f16(0x01, 0x3c), true},
		{"half apart", f16(0x00, 0x3c), f16(0x00, 0x3d), false},
		{"double", f64(1), f64(1.0001), true},
		{"types", f32(1), i8(1), false},
		{"lengths", f32(1), f32(1, 2), false},
		{"shapes", f32(1, 2), column, false},
	}
	for _, tc := range tests {
		if got := outputsAgree([]tensor.Item{{tc.a}}, []tensor.Item{{tc.b}}); got != tc.want {
			t.Errorf("%s: agree = %t, want %t", tc.name, got, tc.want)
		}
	}
}
