package engine

import (
	"encoding/binary"
	"math"
	"testing"

	"sweetspot/engine/tensor"
)

func TestOutputsAgree(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	f32 := func(rows int64, v ...float64) tensor.Tensor {
		out := tensor.Tensor{Type: tensor.Float32, Shape: []int64{int64(len(v))}}
		if rows > 0 {
			out.Shape = []int64{rows, int64(len(v)) / rows}
		}
		for _, x := range v {
			out.Data = binary.LittleEndian.AppendUint32(out.Data, math.Float32bits(float32(x)))
		}
		return out
	}
	f64 := func(v float64) tensor.Tensor {
		return tensor.Tensor{Type: tensor.Float64, Shape: []int64{}, Data: binary.LittleEndian.AppendUint64(nil, math.Float64bits(v))}
	}
	ints := func(v ...byte) tensor.Tensor {
		return tensor.Tensor{Type: tensor.Int8, Shape: []int64{int64(len(v))}, Data: v}
	}
	for _, tc := range []struct {
		name  string
		x, y  tensor.Tensor
		agree bool
		diff  float64
	}{
		{"equal", f32(0, 1, 2), f32(0, 1, 2), true, 0},
		{"within a hundredth", f32(2, 100, 2), f32(2, 100.5, 2.5), true, 0.005},
		{"too different", f32(2, 100, 2), f32(2, 102, 2), false, 0.02},
		{"too different, but the same class", f32(0, 1, 100), f32(0, 1, 109), true, 0.09},
		{"the same class, a tenth away", f32(0, 1, 10), f32(0, 1, 9), true, 0.1},
		{"the same class, more than a tenth away", f32(0, 1, 10), f32(0, 1, 8.5), false, 0.15},
		{"one number has no class", f32(0, 10), f32(0, 9.5), false, 0.05},
		{"a hundredth away", f32(2, 100, 2), f32(2, 101, 2), true, 0.01},
		{"the same class, but far away", f32(0, 1, 100), f32(0, .01, 1), false, 0.99},
		{"another class", f32(0, 90, 100), f32(0, 100, 90), false, 0.1},
		{"another class within the tolerance", f32(0, 100, 100.5), f32(0, 100.5, 100), true, 0.5 / 100.5},
		{"NaN and infinities in both", f32(0, nan, inf, 1), f32(0, nan, inf, 1), true, 0},
		{"NaN in one", f32(0, 5, 1), f32(0, 5, nan), false, inf},
		{"overflow", f32(0, 5, 1), f32(0, inf, 1), false, inf},
		{"scalars", f64(2), f64(2.01), true, 0.005},
		{"different scalars", f64(2), f64(2.5), false, 0.25},
		{"integers", ints(1, 2), ints(1, 2), true, 0},
		{"different integers", ints(1, 2), ints(1, 3), false, 0},
		{"different sizes", f32(0, 1, 2), f32(0, 1, 2, 3), false, 0},
		{"different types", f32(0, 1), f64(1), false, 0},
		{"empty", f32(0), f32(0), true, 0},
	} {
		ok, diff := outputsAgree(tc.x, tc.y)
		if near := math.Abs(diff-tc.diff) < 1e-5 || diff == tc.diff; ok != tc.agree || !near {
			t.Errorf("%s: outputsAgree = %t, %g, want %t, %g", tc.name, ok, diff, tc.agree, tc.diff)
		}
	}
}

func TestFormatShare(t *testing.T) {
	for v, want := range map[float64]string{0: "0%", 1.44e-7: "1.4e-5%", 0.0001: "0.01%", .0432: "4.3%", 1.412: "141%", math.Inf(1): "infinite"} {
		if got := formatShare(v); got != want {
			t.Errorf("formatShare(%g) = %s, want %s", v, got, want)
		}
	}
}
