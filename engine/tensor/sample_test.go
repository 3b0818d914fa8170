package tensor_test

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/x448/float16"

	"sweetspot/engine/tensor"
)

func rng() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

// values decodes a tensor's elements as numbers.
func values(t *testing.T, v tensor.Tensor) []float64 {
	t.Helper()
	le, size := binary.LittleEndian, v.Type.Size()
	var out []float64
	for d := v.Data; len(d) > 0; d = d[size:] {
		switch v.Type {
		case tensor.Bool, tensor.Uint8:
			out = append(out, float64(d[0]))
		case tensor.Int8:
			out = append(out, float64(int8(d[0])))
		case tensor.Uint16:
			out = append(out, float64(le.Uint16(d)))
		case tensor.Int16:
			out = append(out, float64(int16(le.Uint16(d))))
		case tensor.Uint32:
			out = append(out, float64(le.Uint32(d)))
		case tensor.Int32:
			out = append(out, float64(int32(le.Uint32(d))))
		case tensor.Uint64:
			out = append(out, float64(le.Uint64(d)))
		case tensor.Int64:
			out = append(out, float64(int64(le.Uint64(d))))
		case tensor.Float16:
			out = append(out, float64(float16.Frombits(le.Uint16(d)).Float32()))
		case tensor.Float32:
			out = append(out, float64(math.Float32frombits(le.Uint32(d))))
		case tensor.Float64:
			out = append(out, math.Float64frombits(le.Uint64(d)))
		}
	}
	return out
}

func TestSampleFollowsTheSpec(t *testing.T) {
	bounded := func(name string, typ tensor.Type, low, high float64) tensor.Spec {
		return tensor.Spec{Name: name, Type: typ, Shape: []int64{400}, Bounded: true, Min: low, Max: high}
	}
	tests := []struct {
		name      string
		spec      tensor.Spec
		low, high float64
		integers  bool
	}{
		{"token ids", bounded("input_ids", tensor.Int64, 0, 29), 0, 29, true},
		{"ids beyond the type", bounded("ids", tensor.Int8, -1e9, 1e9), -128, 127, true},
		{"fractional bounds", bounded("ids", tensor.Int32, 0.5, 3.5), 1, 3, true},
		{"full range of int64", bounded("ids", tensor.Int64, -1e30, 1e30), math.MinInt64, math.MaxInt64, true},
		{"mask", tensor.Spec{Name: "attention_mask", Type: tensor.Int64, Shape: []int64{8}}, 1, 1, true},
		{"bounded mask", bounded("mask", tensor.Int32, 0, 1), 1, 1, true},
		{"table named mask", bounded("mask", tensor.Int64, -100, 99), -100, 99, true},
		{"usual ids", tensor.Spec{Name: "ids", Type: tensor.Int64, Shape: []int64{400}, Bounded: true, Min: -100, Max: 99, Usual: &tensor.Range{Max: 99}}, 0, 99, true},
		{"usual numbers", tensor.Spec{Name: "n", Type: tensor.Uint8, Shape: []int64{64}, Usual: &tensor.Range{Min: 3, Max: 300}}, 3, 255, true},
		{"float mask", tensor.Spec{Name: "Mask", Type: tensor.Float32, Shape: []int64{8}}, 1, 1, true},
		{"bool mask", tensor.Spec{Name: "mask", Type: tensor.Bool, Shape: []int64{8}}, 1, 1, true},
		{"segments", tensor.Spec{Name: "token_type_ids", Type: tensor.Int64, Shape: []int64{8}}, 0, 0, true},
		{"unbounded integers", tensor.Spec{Name: "n", Type: tensor.Uint64, Shape: []int64{64}}, 0, 1, true},
		{"flags", tensor.Spec{Name: "use", Type: tensor.Bool, Shape: []int64{64}}, 0, 1, true},
		{"pixels", tensor.Spec{Name: "x", Type: tensor.Uint8, Shape: []int64{8, 9, 3}}, 0, 255, true},
		{"image", tensor.Spec{Name: "x", Type: tensor.Float32, Shape: []int64{3, 16, 16}}, 0, 1, false},
		{"half image", tensor.Spec{Name: "x", Type: tensor.Float16, Shape: []int64{1, 16, 16}}, 0, 1, false},
		{"bounded floats", bounded("x", tensor.Float64, -2, 2), -2, 2, false},
		{"other floats", tensor.Spec{Name: "x", Type: tensor.Float32, Shape: []int64{2048}}, -7, 7, false},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			v := tensor.Sample(tc.spec, rng())
			if err := tc.spec.Check(v); err != nil {
				t.Fatal(err)
			}
			seen := map[float64]bool{}
			for _, x := range values(t, v) {
				seen[x] = true
				if x < tc.low || x > tc.high || tc.integers && x != math.Trunc(x) {
					t.Fatalf("value %v, want %v to %v", x, tc.low, tc.high)
				}
			}
			if tc.low < tc.high && len(seen) < 2 {
				t.Errorf("all values are equal: %v", seen)
			}
		})
	}
}

func TestSamplerScales(t *testing.T) {
	large := tensor.Sampler{Scale: 100, Partial: true}
	most := func(s tensor.Spec) (most float64) {
		for _, v := range values(t, large.Sample(s, rng())) {
			most = max(most, math.Abs(v))
		}
		return most
	}
	for _, tc := range []struct {
		spec      tensor.Spec
		low, high float64
	}{
		{tensor.Spec{Name: "x", Type: tensor.Float32, Shape: []int64{64}}, 100, 700},
		{tensor.Spec{Name: "x", Type: tensor.Float32, Shape: []int64{3, 8, 8}}, 90, 100},
		{tensor.Spec{Name: "x", Type: tensor.Float32, Shape: []int64{64}, Usual: &tensor.Range{Max: 2}}, 1, 2},
		{tensor.Spec{Name: "ids", Type: tensor.Int64, Shape: []int64{64}}, 1, 1},
	} {
		if got := most(tc.spec); got < tc.low || got > tc.high {
			t.Errorf("largest value of %s is %v, want %v to %v", tc.spec, got, tc.low, tc.high)
		}
	}
}

// A partial mask begins with ones, in every row alike, and then has zeros.
func TestSamplerMakesPartialMasks(t *testing.T) {
	mask := tensor.Spec{Name: "attention_mask", Type: tensor.Int64, Shape: []int64{3, 16}}
	source, zeros := rng(), 0
	for range 8 {
		v := values(t, tensor.Sampler{Partial: true}.Sample(mask, source))
		for i, x := range v {
			column := i % 16
			if x != v[column] || column == 0 && x != 1 || column > 0 && x > v[column-1] {
				t.Fatalf("mask %v", v)
			}
			zeros += int(1 - x)
		}
	}
	if zeros == 0 {
		t.Error("8 partial masks have no zero")
	}
}

func TestSampleItemLeavesOptionalInputsOut(t *testing.T) {
	specs := []tensor.Spec{
		{Name: "x", Type: tensor.Float32, Shape: []int64{2}},
		{Name: "k", Type: tensor.Float32, Shape: []int64{1}, Optional: true},
	}
	item := tensor.SampleItem(specs, rng())
	if item[0].IsZero() || !item[1].IsZero() {
		t.Errorf("item %v, want a tensor and the zero Tensor", item)
	}
	for i, s := range specs {
		if err := s.Check(item[i]); err != nil {
			t.Error(err)
		}
	}
	specs[1].Optional = false
	if err := specs[1].Check(item[1]); err == nil {
		t.Error("the zero Tensor passes for a required input")
	}
}

func TestSampleOpenScalarAndEmpty(t *testing.T) {
	for _, tc := range []struct {
		in, want []int64
	}{
		{[]int64{-1, 4}, []int64{1, 4}},
		{[]int64{}, []int64{}},
		{[]int64{0, 3}, []int64{0, 3}},
	} {
		v := tensor.Sample(tensor.Spec{Name: "x", Type: tensor.Float32, Shape: tc.in}, rng())
		if diff := cmp.Diff(tc.want, v.Shape); diff != "" {
			t.Errorf("Sample(%v) shape: %s", tc.in, diff)
		}
		if want := 4 * tensor.Elements(tc.want); int64(len(v.Data)) != want {
			t.Errorf("Sample(%v) holds %d bytes, want %d", tc.in, len(v.Data), want)
		}
	}
}

func TestSampleItemIsReproducible(t *testing.T) {
	specs := []tensor.Spec{
		{Name: "x", Type: tensor.Float32, Shape: []int64{5}},
		{Name: "ids", Type: tensor.Int64, Shape: []int64{5}, Bounded: true, Max: 1000},
	}
	a, b := tensor.SampleItem(specs, rng()), tensor.SampleItem(specs, rng())
	if diff := cmp.Diff(a, b); diff != "" {
		t.Error(diff)
	}
}
