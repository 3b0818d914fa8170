package runs

import (
	"encoding/binary"
	"math"
	"testing"

	"sweetspot/engine/tensor"
)

func TestDistance(t *testing.T) {
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
	inf64 := math.Inf(1)
	tests := []struct {
		name string
		a, b tensor.Tensor
		want float64 // within a tenth of it
	}{
		{"equal", f32(1, 2), f32(1, 2), 0},
		{"relative to the largest", f32(1000, 1), f32(1000.5, 1.5), 5e-4},
		{"apart", f32(1, 2), f32(1, 2.1), .05},
		{"two NaN and infinities", f32(nan, inf, 5000), f32(nan, inf, 5001), 2e-4},
		{"one NaN", f32(nan, 1), f32(1, nan), inf64},
		{"opposite infinities", f32(inf), f32(-inf), inf64},
		{"only zeros", f32(0), f32(1e-9), inf64},
		{"negative zero", f32(0), f32(float32(math.Copysign(0, -1))), 0},
		{"integers", i8(1, 2), i8(1, 2), 0},
		{"integers apart", i8(100, 2), i8(100, 3), inf64},
		{"half", f16(0x00, 0x3c), f16(0x01, 0x3c), 1e-3},
		{"double", f64(1), f64(1.0001), 1e-4},
		{"types", f32(1), i8(1), inf64},
		{"lengths", f32(1), f32(1, 2), inf64},
		{"shapes", f32(1, 2), column, inf64},
	}
	for _, tc := range tests {
		got := Distance(tensor.Item{tc.a}, tensor.Item{tc.b})
		if !(got == tc.want || math.Abs(got-tc.want) <= tc.want/10) {
			t.Errorf("%s: distance = %v, want %v", tc.name, got, tc.want)
		}
	}
	if got := Distance(tensor.Item{f32(1)}, nil); !math.IsInf(got, 1) {
		t.Errorf("distance to nothing = %v", got)
	}
}

// TestIndependent: a difference that distance accepts may still show that an item's outputs
// depend on the other items.
func TestIndependent(t *testing.T) {
	pair := func(a, b float32) tensor.Item {
		out := tensor.Tensor{Type: tensor.Float32, Shape: []int64{2}}
		for _, x := range []float32{a, b} {
			out.Data = binary.LittleEndian.AppendUint32(out.Data, math.Float32bits(x))
		}
		return tensor.Item{out}
	}
	ints := func(v byte) tensor.Item {
		return tensor.Item{{Type: tensor.Int8, Shape: []int64{1}, Data: []byte{v}}}
	}
	for _, tc := range []struct {
		name string
		a, b tensor.Item
		want bool
	}{
		{"equal", pair(640, .5), pair(640, .5), true},
		{"last bits", pair(640, .5), pair(640.001, .50001), true},
		{"a small number beside a large one", pair(640, .5), pair(640, .51), false},
		{"integers", ints(1), ints(1), true},
		{"integers apart", ints(1), ints(2), false},
		{"one NaN", pair(1, 2), pair(1, float32(math.NaN())), false},
		{"other outputs", pair(1, 2), nil, false},
	} {
		if got := independent(tc.a, tc.b); got != tc.want {
			t.Errorf("%s: independent = %t, want %t", tc.name, got, tc.want)
		}
	}
}
