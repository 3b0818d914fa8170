package onnx

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"sweetspot/engine"
	"sweetspot/engine/knob"
	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/builder"
	"sweetspot/engine/onnxgraph/onnxpb"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// TestOutputsThatTheRuntimeOnlyPassesOn: it writes neither an output that is an input nor the
// second output of one name into a buffer. Outputs that are constants are the same for all rows.
func TestOutputsThatTheRuntimeOnlyPassesOn(t *testing.T) {
	for _, typ := range []struct {
		tensor.Type
		onnxgraph.Elem
	}{{tensor.Float32, float}, {tensor.Float16, onnxpb.TensorProto_FLOAT16}, {tensor.String, onnxpb.TensorProto_STRING}} {
		b := builder.New("passes on", 1)
		x := b.Input("x", typ.Elem, batchDim, dim(3))
		b.Output("y", b.Op("Identity", []string{x}), typ.Elem, batchDim, dim(3))
		b.Output("x", x, typ.Elem, batchDim, dim(3))
		b.Output("y", "y", typ.Elem, batchDim, dim(3))
		anchors := b.Floats([]float32{5, 6}, 2)
		b.Output(anchors, anchors, float, dim(2))
		side := b.Input("side", float)
		b.Output("side", side, float)
		m := modelOf(t, b,
			[]tensor.Spec{spec("x", typ.Type, 3), spec("side", tensor.Float32)},
			[]tensor.Spec{spec("y", typ.Type, 3), spec("x", typ.Type, 3), spec("y", typ.Type, 3), spec(anchors, tensor.Float32, 2), spec("side", tensor.Float32)})
		m.Unbatched = []string{"side", anchors}
		items := samples(m, 3)
		for i := range items {
			items[i][1] = items[0][1]
		}
		s := open(t, m, config(3))
		for n := 1; n <= 3; n++ {
			for i, got := range run(t, s, items[:n]...) {
				x, two := items[i][0], floats([]int64{2}, 5, 6)
				if diff := cmp.Diff(tensor.Item{x, x, x, two, items[0][1]}, got.Outputs); diff != "" {
					t.Errorf("%s: item %d of %d: %s", typ.Type, i, n, diff)
				}
			}
		}
	}
	b := builder.New("only inputs", 1)
	x := b.Input("x", float, batchDim, dim(2))
	b.Op("Identity", []string{x})
	b.Output("x", x, float, batchDim, dim(2))
	m := modelOf(t, b, []tensor.Spec{spec("x", tensor.Float32, 2)}, []tensor.Spec{spec("x", tensor.Float32, 2)})
	item := samples(m, 1)[0]
	if diff := cmp.Diff(item, run(t, open(t, m, config(1)), item)[0].Outputs); diff != "" {
		t.Errorf("without another output: %s", diff)
	}
}

// TestOtherBatchAxes: x [2 N 3] and s [N], with outputs that have the batch in any place.
func TestOtherBatchAxes(t *testing.T) {
	for _, sizes := range []string{"known", "of the run", "wrong"} {
		t.Run("sizes "+sizes, func(t *testing.T) {
			b := builder.New("axes", 1)
			x := b.Input("x", float, dim(2), batchDim, dim(3))
			s := b.Input("s", float, batchDim)
			y := b.Op("Add", []string{x, b.Op("Unsqueeze", []string{s, b.Ints([]int64{1}, 1)})})
			b.Output("y", y, float, dim(2), batchDim, dim(3))
			b.Output("last", b.Op("Transpose", []string{"y"}, onnxpb.AttrInts("perm", 2, 0, 1)), float, dim(3), dim(2), batchDim)
			b.Output("first", b.Op("ReduceSum", []string{"y", b.Ints([]int64{0}, 1)}, onnxpb.AttrInt("keepdims", 0)), float, batchDim, dim(3))
			m := modelOf(t, b, []tensor.Spec{spec("x", tensor.Float32, 2, 3), spec("s", tensor.Float32)},
				[]tensor.Spec{spec("y", tensor.Float32, 2, 3), spec("last", tensor.Float32, 3, 2), spec("first", tensor.Float32, 3)})
			m.Axes = map[string]int{"x": 1, "y": 1, "last": 2}
			for i := range m.Outputs {
				for k := range m.Outputs[i].Shape {
					switch sizes {
					case "of the run":
						m.Outputs[i].Shape[k] = -1
					case "wrong":
						m.Outputs[i].Shape[k]++
					}
				}
			}
			session := open(t, m, config(3))
			items := samples(m, 5)
			for n := 1; n <= 5; n++ {
				for k, got := range run(t, session, items[:n]...) {
					in, add := items[k][0].Numbers(), items[k][1].Numbers()[0]
					want := tensor.Item{floats([]int64{2, 3}), floats([]int64{3, 2}), floats([]int64{3})}
					for i := range 2 {
						for j := range 3 {
							want[0].Data = tensor.AppendFloat32(want[0].Data, float32(in[3*i+j])+float32(add))
						}
					}
					sum := want[0].Numbers()
					for j := range 3 {
						want[1].Data = tensor.AppendFloat32(tensor.AppendFloat32(want[1].Data, float32(sum[j])), float32(sum[3+j]))
						want[2].Data = tensor.AppendFloat32(want[2].Data, float32(sum[j])+float32(sum[3+j]))
					}
					if diff := cmp.Diff(want, got.Outputs); diff != "" {
						t.Fatalf("item %d of %d: (-want +got)\n%s", k, n, diff)
					}
				}
			}
		})
	}
}

func TestTextsInAnyAxis(t *testing.T) {
	b := builder.New("texts", 1)
	texts := onnxpb.TensorProto_STRING
	s := b.Input("s", texts, dim(2), batchDim)
	b.Output("same", b.Op("Identity", []string{s}), texts, dim(2), batchDim)
	b.Output("turned", b.Op("Transpose", []string{s}), texts, batchDim, dim(2))
	m := modelOf(t, b, []tensor.Spec{spec("s", tensor.String, 2)}, []tensor.Spec{spec("same", tensor.String, 2), spec("turned", tensor.String, 2)})
	m.Axes = map[string]int{"s": 1, "same": 1}
	value := func(a, b string) tensor.Tensor {
		return tensor.Tensor{Type: tensor.String, Shape: []int64{2}, Data: tensor.JoinTexts([]string{a, b})}
	}
	items := []tensor.Item{{value("", "größe")}, {value("b", "")}, {value("long enough", "c")}}
	session := open(t, m, config(3))
	for n := 1; n <= 3; n++ {
		for k, got := range run(t, session, items[:n]...) {
			if diff := cmp.Diff(tensor.Item{items[k][0], items[k][0]}, got.Outputs); diff != "" {
				t.Errorf("item %d of %d: %s", k, n, diff)
			}
		}
	}
	cut := tensor.Item{value("a\x00b", "")}
	err := session.Run(t.Context(), payload.OfItems(cut), make([]payload.Result, 1))
	if err == nil || !strings.Contains(err.Error(), `input "s": a text has a NUL`) {
		t.Errorf("a NUL: %v", err)
	}
}

// scaled is y = x k + row + column, with x [N 2], k a scalar, row [2] and column [N 1].
func scaled(t testing.TB) *engine.Model {
	b := builder.New("scaled", 1)
	x := b.Input("x", float, batchDim, dim(2))
	k := b.Input("k", float)
	row := b.Input("row", float, dim(2))
	column := b.Input("column", float, batchDim, dim(1))
	y := b.Op("Add", []string{b.Op("Mul", []string{x, k}), row})
	b.Output("y", b.Op("Add", []string{y, column}), float, batchDim, dim(2))
	m := modelOf(t, b, []tensor.Spec{spec("x", tensor.Float32, 2), spec("k", tensor.Float32), spec("row", tensor.Float32, 2), spec("column", tensor.Float32, 1)},
		[]tensor.Spec{spec("y", tensor.Float32, 2)})
	m.Unbatched = []string{"k", "row"}
	return m
}

func TestConstantsOfEveryKind(t *testing.T) {
	m := scaled(t)
	m.Inputs = m.Inputs[:1]
	m.Constants = []engine.Constant{
		{Name: "k", Tensor: floats([]int64{}, 10)}, {Name: "row", Tensor: floats([]int64{2}, 1, 2)}, {Name: "column", Tensor: floats([]int64{1}, .5)},
	}
	items := []tensor.Item{{floats([]int64{2}, 1, 2)}, {floats([]int64{2}, 3, 4)}, {floats([]int64{2}, 5, 6)}}
	s := open(t, m, config(2))
	for range 2 {
		for n := 1; n <= 3; n++ {
			for k, got := range run(t, s, items[:n]...) {
				want := floats([]int64{2}, float32(20*k)+11.5, float32(20*k)+22.5)
				if diff := cmp.Diff(want, got.Outputs[0]); diff != "" {
					t.Errorf("item %d of %d: %s", k, n, diff)
				}
			}
		}
	}
}

// TestConstantsFollowLengths: a constant with an open dimension has the size that the item has.
func TestConstantsFollowLengths(t *testing.T) {
	b := builder.New("texts", 1)
	length := onnxgraph.Open("S")
	ids := b.Input("ids", onnxpb.TensorProto_INT64, batchDim, length)
	kind := b.Input("kind", onnxpb.TensorProto_INT64, batchDim, length)
	b.Output("y", b.Op("Add", []string{ids, kind}), onnxpb.TensorProto_INT64, batchDim, length)
	m := modelOf(t, b, []tensor.Spec{spec("ids", tensor.Int64, -1)}, []tensor.Spec{spec("y", tensor.Int64, -1)})
	seven := tensor.Tensor{Type: tensor.Int64, Shape: []int64{-1}, Data: tensor.AppendInt(nil, tensor.Int64, 7)}
	m.Constants = []engine.Constant{{Name: "kind", Tensor: seven, Follows: []tensor.Dim{{}}}}
	s := open(t, m, config(2))
	for _, n := range []int{1, 5, 3, 40, 2} {
		item := tensor.Item{tensor.Sample(spec("ids", tensor.Int64, int64(n)), rand1())}
		for k, got := range run(t, s, item, item) {
			for i, v := range got.Outputs[0].Numbers() {
				if want := item[0].Numbers()[i] + 7; v != want {
					t.Errorf("item %d of length %d: %v, want %v", k, n, v, want)
				}
			}
			if len(got.Outputs[0].Data) != 8*n {
				t.Errorf("item %d of length %d: %d bytes", k, n, len(got.Outputs[0].Data))
			}
		}
	}
}

func TestSideInputsNeverMix(t *testing.T) {
	m := scaled(t)
	s := open(t, m, config(4))
	items := samples(m, 2)
	out := make([]payload.Result, 2)
	err := s.Run(t.Context(), payload.OfItems(items...), out)
	if err == nil || !strings.Contains(err.Error(), `item 1: input "k" differs from that of item 0`) {
		t.Errorf("two factors in a run: %v", err)
	}
	items[1][1], items[1][2] = items[0][1], items[0][2]
	want := singles(t, s, items)
	for i, got := range run(t, s, items...) {
		if !same(got, want[i]) {
			t.Errorf("item %d differs from its own run", i)
		}
	}
}

func TestOptionalInputsHaveDefaults(t *testing.T) {
	m := scaled(t)
	m.Inputs[1].Optional, m.Inputs[2].Optional = true, true
	m.Defaults = map[string]tensor.Tensor{"k": floats([]int64{}, 3), "row": floats([]int64{2}, 0, 1)}
	s := open(t, m, config(2))
	item := func(k, row tensor.Tensor) tensor.Item {
		return tensor.Item{floats([]int64{2}, 1, 2), k, row, floats([]int64{1}, 0)}
	}
	none := tensor.Tensor{}
	for _, tc := range []struct {
		items []tensor.Item
		want  tensor.Tensor
	}{
		{[]tensor.Item{item(none, none)}, floats([]int64{2}, 3, 7)},
		{[]tensor.Item{item(floats([]int64{}, 10), none)}, floats([]int64{2}, 10, 21)},
		{[]tensor.Item{item(none, none), item(floats([]int64{}, 3), floats([]int64{2}, 0, 1))}, floats([]int64{2}, 3, 7)},
	} {
		for i, got := range run(t, s, tc.items...) {
			if diff := cmp.Diff(tc.want, got.Outputs[0]); diff != "" {
				t.Errorf("item %d of %d: %s", i, len(tc.items), diff)
			}
		}
	}
}

// TestHalfOutputsOfUnknownSize: the wrapper cannot take such outputs from the runtime, so they
// are read as FP32, which is exact.
func TestHalfOutputsOfUnknownSize(t *testing.T) {
	for _, typ := range []struct {
		tensor.Type
		onnxgraph.Elem
	}{{tensor.Float16, onnxpb.TensorProto_FLOAT16}, {tensor.BFloat16, onnxpb.TensorProto_BFLOAT16}} {
		b := builder.New("half", 1)
		x := b.Input("x", typ.Elem, batchDim, dim(4))
		b.Output("y", b.Op("Identity", []string{x}), typ.Elem, batchDim, onnxgraph.Open("M"))
		sum := b.Op("ReduceSum", []string{b.Op("Cast", []string{x}, onnxpb.AttrInt("to", int64(float)))}, onnxpb.AttrInt("keepdims", 0))
		b.Output("sum", b.Op("Cast", []string{sum}, onnxpb.AttrInt("to", int64(typ.Elem))), typ.Elem)
		m := modelOf(t, b, []tensor.Spec{spec("x", typ.Type, 4)}, []tensor.Spec{spec("y", typ.Type, -1), spec("sum", typ.Type)})
		m.BatchAxis, m.Unbatched = false, []string{"sum"}
		item := samples(m, 1)[0]
		got := run(t, open(t, m, config(1)), item)[0].Outputs
		if diff := cmp.Diff(item[0], got[0]); diff != "" {
			t.Errorf("%s: %s", typ.Type, diff)
		}
		total := 0.0
		for _, v := range item[0].Numbers() {
			total += v
		}
		if v := got[1].Numbers(); len(got[1].Shape) != 0 || len(v) != 1 || v[0] < total-.05 || v[0] > total+.05 {
			t.Errorf("%s: sum %v of shape %v, want %v", typ.Type, v, got[1].Shape, total)
		}
	}
}

// TestWrongDescriptions: sizes that only a run shows are believed, at every batch size, without
// a failure that the caller sees.
func TestWrongDescriptions(t *testing.T) {
	b := builder.New("declared for one", 1)
	x := b.Input("x", float, batchDim, dim(4))
	b.Output("y", b.Op("Concat", []string{x, x}, onnxpb.AttrInt("axis", 1)), float, onnxgraph.Fixed(1, 8)...)
	for _, shape := range [][]int64{{8}, {4}, {-1}} {
		m := modelOf(t, b, []tensor.Spec{spec("x", tensor.Float32, 4)}, []tensor.Spec{spec("y", tensor.Float32, shape...)})
		s := open(t, m, config(2))
		items := samples(m, 4)
		for _, n := range []int{4, 1, 3} {
			for i, got := range run(t, s, items[:n]...) {
				in := items[i][0].Data
				if want := string(in) + string(in); string(got.Outputs[0].Data) != want || !cmp.Equal(got.Outputs[0].Shape, []int64{8}) {
					t.Errorf("described as %v: item %d of %d is %v", shape, i, n, got.Outputs[0])
				}
			}
		}
	}
}

// norms is two normalizations with one weight, for whose FP16 version ONNX Runtime 1.27 makes
// an invalid graph.
func norms(t testing.TB) *engine.Model {
	b := builder.New("norms", 3)
	y := b.Input("x", float, batchDim, dim(16))
	weight := b.Op("Add", []string{b.Fill(1, 16), b.Fill(.5, 16)})
	for range 2 {
		y = b.Op("MatMul", []string{y, b.Random(.3, 16, 16)})
		mean := b.Op("ReduceMean", []string{b.Op("Pow", []string{y, b.Floats([]float32{2})})}, onnxpb.AttrInts("axes", -1))
		root := b.Op("Sqrt", []string{b.Op("Add", []string{mean, b.Floats([]float32{1e-3})})})
		y = b.Op("Mul", []string{weight, b.Op("Div", []string{y, root})})
	}
	b.Output("y", y, float, batchDim, dim(16))
	return modelOf(t, b, []tensor.Spec{spec("x", tensor.Float32, 16)}, []tensor.Spec{spec("y", tensor.Float32, 16)})
}

func TestFaultyFusionIsTurnedOff(t *testing.T) {
	m := norms(t)
	items := samples(m, 3)
	want := singles(t, open(t, m, config(1)), items)
	c := config(3)
	c.Precision = knob.HalfPrecision
	s := open(t, m, c)
	note := conversionNote(s.(engine.PrecisionReporter))
	if !strings.Contains(note, "SimplifiedLayerNormFusion") {
		t.Logf("this runtime has no such fault: %q", note)
	}
	for i, got := range run(t, s, items...) {
		for j, v := range got.Outputs[0].Numbers() {
			if w := want[i].Outputs[0].Numbers()[j]; v < w-.05 || v > w+.05 {
				t.Fatalf("item %d: number %d is %v, want %v", i, j, v, w)
			}
		}
	}
	if b := backend(t); strings.HasPrefix(b.version, "1.27.") && !strings.HasSuffix(note, "; without the runtime's SimplifiedLayerNormFusion, which fails") {
		t.Errorf("note %q does not say what was changed", fmt.Sprint(note))
	}
}

func conversionNote(r engine.PrecisionReporter) string {
	_, note := r.ConversionReport()
	return note
}

// TestScalarsOfEveryType: the wrapper cannot make scalars in FP16 and of texts, so they get a
// dimension in the loaded model; those of requests, defaults and constants.
func TestScalarsOfEveryType(t *testing.T) {
	half := tensor.Tensor{Type: tensor.Float16, Shape: []int64{}, Data: tensor.AppendFloat16(nil, 3)}
	text := tensor.Tensor{Type: tensor.String, Shape: []int64{}, Data: tensor.AppendText(nil, "b")}
	b := builder.New("scalars", 1)
	x := b.Input("x", float, batchDim, dim(2))
	k := b.Input("k", onnxpb.TensorProto_FLOAT16)
	s, name := b.Input("s", onnxpb.TensorProto_STRING, batchDim, dim(2)), b.Input("name", onnxpb.TensorProto_STRING)
	b.Output("y", b.Op("Mul", []string{x, b.Op("Cast", []string{k}, onnxpb.AttrInt("to", int64(float)))}), float, batchDim, dim(2))
	b.Output("same", b.Op("Equal", []string{s, name}), onnxpb.TensorProto_BOOL, batchDim, dim(2))
	b.Output("name", name, onnxpb.TensorProto_STRING)
	m := modelOf(t, b,
		[]tensor.Spec{spec("x", tensor.Float32, 2), spec("k", tensor.Float16), spec("s", tensor.String, 2), spec("name", tensor.String)},
		[]tensor.Spec{spec("y", tensor.Float32, 2), spec("same", tensor.Bool, 2), spec("name", tensor.String)})
	var decoded onnxpb.ModelProto // Equal of texts is in opset 19
	if err := proto.Unmarshal(m.Bytes, &decoded); err != nil {
		t.Fatal(err)
	}
	decoded.OpsetImport[0].Version = 19
	var err error
	if m.Bytes, err = proto.Marshal(&decoded); err != nil {
		t.Fatal(err)
	}
	m.Unbatched = []string{"k", "name"}
	texts := func(a, b string) tensor.Tensor {
		return tensor.Tensor{Type: tensor.String, Shape: []int64{2}, Data: tensor.JoinTexts([]string{a, b})}
	}
	bools := func(v ...byte) tensor.Tensor { return tensor.Tensor{Type: tensor.Bool, Shape: []int64{2}, Data: v} }
	items := []tensor.Item{{floats([]int64{2}, 1, 2), half, texts("a", "b"), text}, {floats([]int64{2}, 3, 4), half, texts("b", "c"), text}}
	want := []tensor.Item{{floats([]int64{2}, 3, 6), bools(0, 1), text}, {floats([]int64{2}, 9, 12), bools(1, 0), text}}
	check := func(what string, m *engine.Model, items []tensor.Item) {
		session := open(t, m, config(2))
		for n := 1; n <= 2; n++ {
			for i, got := range run(t, session, items[:n]...) {
				if diff := cmp.Diff(want[i], tensor.Item(got.Outputs)); diff != "" {
					t.Errorf("%s: item %d of %d: %s", what, i, n, diff)
				}
			}
		}
	}
	check("of requests", m, items)
	optional := *m
	optional.Inputs = slices.Clone(m.Inputs)
	optional.Inputs[1].Optional, optional.Defaults = true, map[string]tensor.Tensor{"k": half}
	check("a default", &optional, []tensor.Item{{items[0][0], {}, items[0][2], text}, {items[1][0], {}, items[1][2], text}})
	constant := *m
	constant.Inputs = []tensor.Spec{m.Inputs[0], m.Inputs[2]}
	constant.Constants = []engine.Constant{{Name: "k", Tensor: half}, {Name: "name", Tensor: text}}
	check("constants", &constant, []tensor.Item{{items[0][0], items[0][2]}, {items[1][0], items[1][2]}})
	probe, err := backend(t).Probe(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	defer probe.Close()
	whole, err := probe.Run(t.Context(), []tensor.Tensor{floats([]int64{1, 2}, 1, 2), half, {Type: tensor.String, Shape: []int64{1, 2}, Data: items[0][2].Data}, text})
	if err != nil || cmp.Diff(want[0][0].Data, whole[0].Data) != "" || cmp.Diff(text, whole[2]) != "" {
		t.Errorf("probe: %v, %v", whole, err)
	}
}

// TestSqueezedOutputs: an output whose batch axis a single item does not have.
func TestSqueezedOutputs(t *testing.T) {
	b := builder.New("squeezed", 1)
	b.Output("y", b.Op("Squeeze", []string{b.Input("x", float, batchDim, dim(1), dim(3))}), float, onnxgraph.Open("A"))
	m := modelOf(t, b, []tensor.Spec{spec("x", tensor.Float32, 1, 3)}, []tensor.Spec{spec("y", tensor.Float32, -1)})
	s := open(t, m, config(3))
	items := samples(m, 3)
	for _, n := range []int{1, 3, 2, 1} {
		for i, got := range run(t, s, items[:n]...) {
			if y := got.Outputs[0]; !cmp.Equal(y.Data, items[i][0].Data) || !cmp.Equal(y.Shape, []int64{3}) {
				t.Errorf("item %d of %d: %v", i, n, y)
			}
		}
	}
}
