package oip_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine"
	"sweetspot/engine/oip"
	"sweetspot/engine/tensor"
)

// model has a batch axis in several places, a side input, and outputs of each kind.
func model() *engine.Model {
	return &engine.Model{
		Name: "m", Backend: "onnx", BatchAxis: true,
		Inputs: []tensor.Spec{
			{Name: "x", Type: tensor.Float32, Shape: []int64{2}},
			{Name: "t", Type: tensor.Int16, Shape: []int64{2, 3}},
			{Name: "s", Type: tensor.String, Shape: []int64{2}},
			{Name: "side", Type: tensor.Uint8, Shape: []int64{-1}},
			{Name: "maybe", Type: tensor.Bool, Shape: []int64{}, Optional: true},
		},
		Outputs: []tensor.Spec{
			{Name: "y", Type: tensor.Float32, Shape: []int64{2}},
			{Name: "turned", Type: tensor.Int16, Shape: []int64{2, 3}},
			{Name: "text", Type: tensor.String, Shape: []int64{2}},
			{Name: "same", Type: tensor.Uint8, Shape: []int64{-1}},
			{Name: "box", Type: tensor.Float32, Shape: []int64{-1, 4}},
			{Name: "batch_idx", Type: tensor.Int64, Shape: []int64{-1}},
			{Name: "unknown", Type: tensor.Int8},
		},
		Axes:      map[string]int{"t": 1, "turned": 2, "s": 1, "text": 1},
		Unbatched: []string{"side", "same"},
		Ragged:    engine.RaggedOutputs{Index: "batch_idx", Outputs: []string{"box", "batch_idx"}},
	}
}

func ints(typ tensor.Type, shape []int64, v ...int64) tensor.Tensor {
	t := tensor.Tensor{Type: typ, Shape: shape, Data: []byte{}}
	for _, x := range v {
		t.Data = tensor.AppendInt(t.Data, typ, x)
	}
	return t
}

func floats(shape []int64, v ...float32) tensor.Tensor {
	t := tensor.Tensor{Type: tensor.Float32, Shape: shape, Data: []byte{}}
	for _, x := range v {
		t.Data = tensor.AppendFloat32(t.Data, x)
	}
	return t
}

func texts(shape []int64, v ...string) tensor.Tensor {
	return tensor.Tensor{Type: tensor.String, Shape: shape, Data: tensor.JoinTexts(v)}
}

func named(name string, t tensor.Tensor) oip.Tensor { return oip.Tensor{Name: name, Tensor: t} }

// twoRows are inputs of two rows for model.
func twoRows() []oip.Tensor {
	return []oip.Tensor{
		named("side", ints(tensor.Uint8, []int64{3}, 7, 8, 9)),
		named("x", floats([]int64{2, 2}, 1, 2, 3, 4)),
		named("t", ints(tensor.Int16, []int64{2, 2, 3}, 1, 2, 3, -1, -2, -3, 4, 5, 6, -4, -5, -6)),
		named("s", texts([]int64{2, 2}, "a", "b", "", "größe")),
	}
}

func TestRows(t *testing.T) {
	rows, err := oip.NewSignature(model()).Rows(nil, twoRows())
	if err != nil {
		t.Fatal(err)
	}
	side := ints(tensor.Uint8, []int64{3}, 7, 8, 9)
	want := []tensor.Item{
		{floats([]int64{2}, 1, 2), ints(tensor.Int16, []int64{2, 3}, 1, 2, 3, 4, 5, 6), texts([]int64{2}, "a", ""), side, {}},
		{floats([]int64{2}, 3, 4), ints(tensor.Int16, []int64{2, 3}, -1, -2, -3, -4, -5, -6), texts([]int64{2}, "b", "größe"), side, {}},
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Each wrong input has an error that says what is expected.
func TestRowsErrors(t *testing.T) {
	change := func(name string, to tensor.Tensor) func([]oip.Tensor) []oip.Tensor {
		return func(in []oip.Tensor) []oip.Tensor {
			for i := range in {
				if in[i].Name == name {
					in[i].Tensor = to
				}
			}
			return in
		}
	}
	for _, tt := range []struct {
		name   string
		change func([]oip.Tensor) []oip.Tensor
		want   string
	}{
		{"missing", func(in []oip.Tensor) []oip.Tensor { return in[:3] }, `input "s" is missing: BYTES [2 -1]`},
		{"twice", func(in []oip.Tensor) []oip.Tensor { return append(in, in[1]) }, `input "x" is given twice`},
		{"unknown", func(in []oip.Tensor) []oip.Tensor { return append(in, oip.Tensor{Name: "z"}) }, `unknown input "z"; the model has "x", "t", "s", "side", "maybe"`},
		{"datatype", change("x", ints(tensor.Int32, []int64{2, 2}, 1, 2, 3, 4)), `input "x": datatype INT32, expected FP32`},
		{"without rows", change("x", floats([]int64{2}, 1, 2)), `input "x": shape [2], expected [-1 2], where dimension 0 counts the rows: it is 1 for a single one`},
		{"size", change("x", floats([]int64{2, 3}, 1, 2, 3, 4, 5, 6)), `input "x": shape [2 3], expected [-1 2]`},
		{"other rows", change("x", floats([]int64{1, 2}, 1, 2)), `input "t" has 2 rows and input "x" 1`},
		{"no rows", change("x", floats([]int64{0, 2})), `input "x" has no rows`},
		{"too many rows", change("x", floats([]int64{10001, 2}, make([]float32, 20002)...)), `input "x" has 10001 rows, above the limit of 10000`},
		{"negative", change("side", ints(tensor.Uint8, []int64{-3}, 1, 2, 3)), `input "side": shape [-3], expected [-1]`},
		{"bytes", change("x", floats([]int64{2, 2}, 1, 2, 3)), `input "x": 12 bytes, expected 16 for FP32 [2 2]`},
		{"huge", change("side", ints(tensor.Uint8, []int64{1 << 62}, 1)), `input "side": 1 bytes`},
		{"texts", change("s", texts([]int64{2, 2}, "a")), `input "s": 1 texts, expected 4`},
		{"no texts", change("s", tensor.Tensor{Type: tensor.String, Shape: []int64{2, 2}, Data: []byte("abc")}), `input "s": 3 bytes are no BYTES`},
		{"bool", func(in []oip.Tensor) []oip.Tensor {
			return append(in, named("maybe", ints(tensor.Bool, []int64{2}, 1, 2)))
		}, `input "maybe": value 2 at [1] is not a bool`},
	} {
		_, err := oip.NewSignature(model()).Rows(nil, tt.change(twoRows()))
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
	}
	single := model()
	single.BatchAxis = false
	_, err := oip.NewSignature(single).Rows(nil, twoRows())
	if want := `input "x": shape [2 2], expected [1 2]: this model has no batch axis`; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestJoin(t *testing.T) {
	row := func(v int64, entries int) tensor.Item {
		boxes := make([]float32, 4*entries)
		boxes = slices.Repeat([]float32{float32(v)}, len(boxes))
		index := make([]int64, entries)
		return tensor.Item{
			floats([]int64{2}, float32(v), float32(v)+.5), ints(tensor.Int16, []int64{2, 3}, v, v+1, v+2, v+3, v+4, v+5),
			texts([]int64{2}, fmt.Sprint("a", v), fmt.Sprint("b", v)), ints(tensor.Uint8, []int64{1}, 5),
			floats([]int64{int64(entries), 4}, boxes...), ints(tensor.Int64, []int64{int64(entries)}, index...), ints(tensor.Int8, []int64{}, v),
		}
	}
	rows := []tensor.Item{row(10, 2), row(20, 0), row(30, 1)}
	s := oip.NewSignature(model())
	want := []tensor.Tensor{
		floats([]int64{3, 2}, 10, 10.5, 20, 20.5, 30, 30.5),
		ints(tensor.Int16, []int64{2, 3, 3}, 10, 11, 12, 20, 21, 22, 30, 31, 32, 13, 14, 15, 23, 24, 25, 33, 34, 35),
		texts([]int64{2, 3}, "a10", "a20", "a30", "b10", "b20", "b30"),
		ints(tensor.Uint8, []int64{1}, 5),
		floats([]int64{3, 4}, 10, 10, 10, 10, 10, 10, 10, 10, 30, 30, 30, 30),
		ints(tensor.Int64, []int64{3}, 0, 0, 2),
		ints(tensor.Int8, []int64{3}, 10, 20, 30),
	}
	// The axis of turned is 2 of an item of rank 2: [2 3 n].
	want[1] = ints(tensor.Int16, []int64{2, 3, 3}, 10, 20, 30, 11, 21, 31, 12, 22, 32, 13, 23, 33, 14, 24, 34, 15, 25, 35)
	for i, w := range want {
		got, err := s.Join(rows, i)
		if err != nil {
			t.Errorf("%s: %v", got.Name, err)
		}
		if diff := cmp.Diff(w, got.Tensor); diff != "" {
			t.Errorf("%s: -want +got:\n%s", got.Name, diff)
		}
	}
	rows[1][6] = ints(tensor.Int8, []int64{2}, 1, 2)
	if _, err := s.Join(rows, 6); err == nil || !strings.Contains(err.Error(), "do not make one tensor") {
		t.Errorf("rows of different shapes: %v", err)
	}
	rows[1][0].Data = nil
	if _, err := s.Join(rows, 0); err == nil || !strings.Contains(err.Error(), "do not fit") {
		t.Errorf("an output without its data: %v", err)
	}
}

// TestRowsThenJoin: of a model that returns its inputs, the answer is the request, for any axis
// and any number of rows.
func TestRowsThenJoin(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		rank := rng.IntN(4)
		shape := make([]int64, rank)
		for i := range shape {
			shape[i] = rng.Int64N(4)
		}
		axis, typ := rng.IntN(rank+1), []tensor.Type{tensor.Uint8, tensor.Float32, tensor.String}[rng.IntN(3)]
		spec := []tensor.Spec{{Name: "x", Type: typ, Shape: shape}}
		s := oip.NewSignature(&engine.Model{BatchAxis: true, Inputs: spec, Outputs: spec, Axes: map[string]int{"x": axis}})
		whole := tensor.Sample(tensor.Spec{Name: "x", Type: typ, Shape: slices.Insert(slices.Clone(shape), axis, 1+rng.Int64N(4))}, rng)
		if whole.Data == nil {
			whole.Data = []byte{}
		}
		rows, err := s.Rows(nil, []oip.Tensor{named("x", whole)})
		if err != nil {
			t.Fatalf("%v at %d: %v", whole.Shape, axis, err)
		}
		got, err := s.Join(rows, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got.Data == nil {
			got.Data = []byte{}
		}
		if diff := cmp.Diff(whole, got.Tensor); diff != "" {
			t.Fatalf("%v at %d: -want +got:\n%s", whole.Shape, axis, diff)
		}
	}
}

func TestMetadata(t *testing.T) {
	got := oip.NewSignature(model()).Metadata("m", "1.0")
	want := oip.ModelMetadata{
		Name: "m", Versions: []string{"1.0"}, Platform: "onnxruntime_onnx",
		Inputs: []oip.TensorMetadata{{"x", "FP32", []int64{-1, 2}}, {"t", "INT16", []int64{2, -1, 3}}, {"s", "BYTES", []int64{2, -1}}, {"side", "UINT8", []int64{-1}}, {"maybe", "BOOL", []int64{-1}}},
		Outputs: []oip.TensorMetadata{
			{"y", "FP32", []int64{-1, 2}},
			{"turned", "INT16", []int64{2, 3, -1}},
			{"text", "BYTES", []int64{2, -1}},
			{"same", "UINT8", []int64{-1}},
			{"box", "FP32", []int64{-1, 4}},
			{"batch_idx", "INT64", []int64{-1}},
			{"unknown", "INT8", []int64{-1}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	single := &engine.Model{Backend: "simulated", Inputs: []tensor.Spec{{Name: "x", Type: tensor.Int64, Shape: []int64{3}}}}
	if got := oip.NewSignature(single).Metadata("s"); !slices.Equal(got.Inputs[0].Shape, []int64{1, 3}) || got.Platform != "simulated" || got.Versions != nil {
		t.Errorf("without a batch axis: %+v", got)
	}
}
