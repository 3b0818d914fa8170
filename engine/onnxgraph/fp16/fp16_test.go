package fp16_test

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/x448/float16"
	"google.golang.org/protobuf/proto"

	"sweetspot/engine"
	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/builder"
	"sweetspot/engine/onnxgraph/fp16"
	"sweetspot/engine/onnxgraph/onnxpb"
	"sweetspot/engine/tensor"
)

const (
	float32s = onnxpb.TensorProto_FLOAT
	float16s = onnxpb.TensorProto_FLOAT16
	int64s   = onnxpb.TensorProto_INT64
	boolean  = onnxpb.TensorProto_BOOL
)

// op is a node; ins and outs are names with blanks between them.
func op(typ, ins, outs string, attrs ...*onnxpb.AttributeProto) *onnxpb.NodeProto {
	return &onnxpb.NodeProto{OpType: typ, Name: typ + " of " + outs, Input: strings.Fields(ins), Output: strings.Fields(outs), Attribute: attrs}
}

func named(name string, n *onnxpb.NodeProto) *onnxpb.NodeProto { n.Name = name; return n }

// decl declares a tensor; a dimension of -1 is open.
func decl(name string, e onnxgraph.Elem, dims ...int64) *onnxpb.ValueInfoProto {
	b := builder.New("", 0)
	d := make([]onnxgraph.Dim, len(dims))
	for i, n := range dims {
		d[i] = onnxgraph.Dim{Size: n, Name: "N"}
	}
	b.Input(name, e, d...)
	data, err := b.Bytes()
	if err != nil {
		panic(err)
	}
	var m onnxpb.ModelProto
	if err := proto.Unmarshal(data, &m); err != nil {
		panic(err)
	}
	return m.GetGraph().GetInput()[0]
}

func con(name string, v []float32, dims ...int64) *onnxpb.TensorProto {
	return &onnxpb.TensorProto{Name: name, DataType: int32(float32s), Dims: dims, FloatData: v}
}

func ints(name string, v ...int64) *onnxpb.TensorProto {
	return &onnxpb.TensorProto{Name: name, DataType: int32(int64s), Dims: []int64{int64(len(v))}, Int64Data: v}
}

func scalarInt(name string, v int64) *onnxpb.TensorProto {
	return &onnxpb.TensorProto{Name: name, DataType: int32(int64s), Int64Data: []int64{v}}
}

func withGraph(name string, g *onnxpb.GraphProto) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_GRAPH, G: g}
}

func withTensor(name string, t *onnxpb.TensorProto) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_TENSOR, T: t}
}

// net is a graph from x FP32 [N 4] to y FP32 of two dimensions.
func net(consts []*onnxpb.TensorProto, nodes ...*onnxpb.NodeProto) *onnxpb.GraphProto {
	return &onnxpb.GraphProto{
		Name: "net", Initializer: consts, Node: nodes,
		Input: []*onnxpb.ValueInfoProto{decl("x", float32s, -1, 4)}, Output: []*onnxpb.ValueInfoProto{decl("y", float32s, -1, -1)},
	}
}

// body is a graph inside a node.
func body(in, out []*onnxpb.ValueInfoProto, nodes ...*onnxpb.NodeProto) *onnxpb.GraphProto {
	return &onnxpb.GraphProto{Name: "body", Input: in, Output: out, Node: nodes}
}

// untyped declares a value of a body without a type.
func untyped(name string) *onnxpb.ValueInfoProto { return &onnxpb.ValueInfoProto{Name: name} }

func values(v ...*onnxpb.ValueInfoProto) []*onnxpb.ValueInfoProto { return v }

func encode(t testing.TB, m *onnxpb.ModelProto) []byte {
	t.Helper()
	data, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func modelOf(g *onnxpb.GraphProto) *onnxpb.ModelProto {
	return &onnxpb.ModelProto{IrVersion: 8, OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: 17}}, Graph: g}
}

var four = []float32{1, -2, 3, 0.5}

// branch chooses between two bodies by the sum of x; both use values of the outer graph: an
// initializer, the input, and an intermediate value.
func branch() *onnxpb.GraphProto {
	then := body(nil, values(decl("then_y", float32s, -1, 4)), op("Mul", "h k", "then_y"))
	other := body(nil, values(decl("else_y", float32s, -1, 4)), op("Constant", "", "c", &onnxpb.AttributeProto{Name: "value_float", Type: onnxpb.AttributeProto_FLOAT, F: 3}),
		op("Sub", "x h", "d"), op("Add", "d c", "else_y"))
	return net([]*onnxpb.TensorProto{con("k", four, 4), con("zero", []float32{0})},
		op("Add", "x k", "h"), op("ReduceSum", "x", "s", onnxpb.AttrInt("keepdims", 0)), op("Greater", "s zero", "cond"),
		named("choice", op("If", "cond", "y", withGraph("then_branch", then), withGraph("else_branch", other))))
}

// repeat multiplies and adds three times, in a body that uses x and k.
func repeat() *onnxpb.GraphProto {
	loopBody := body(values(decl("i", int64s), decl("go_on", boolean), untyped("v")), values(decl("still", boolean), untyped("w")),
		op("Identity", "go_on", "still"), op("Mul", "v k", "vk"), op("Add", "vk x", "w"))
	yes := &onnxpb.TensorProto{Name: "yes", DataType: int32(boolean), Int32Data: []int32{1}}
	return net([]*onnxpb.TensorProto{con("k", []float32{0.5}), scalarInt("three", 3), yes},
		op("Loop", "three yes x", "y", withGraph("body", loopBody)))
}

// running sums the columns of x one after the other.
func running() *onnxpb.GraphProto {
	step := body(values(decl("sum_in", float32s, -1), decl("column", float32s, -1)), values(decl("sum_out", float32s, -1), decl("so_far", float32s, -1)),
		op("Add", "sum_in column", "sum_out"), op("Identity", "sum_out", "so_far"))
	return net([]*onnxpb.TensorProto{ints("first", 1)},
		op("ReduceSum", "x first", "width", onnxpb.AttrInt("keepdims", 0)), op("Sub", "width width", "start"),
		op("Scan", "start x", "total y", withGraph("body", step), onnxpb.AttrInt("num_scan_inputs", 1),
			onnxpb.AttrInts("scan_input_axes", 1), onnxpb.AttrInts("scan_output_axes", 1)))
}

// crossing already uses the names that the conversion would choose.
func crossing() *onnxpb.GraphProto {
	return net([]*onnxpb.TensorProto{con("k", four, 4)}, op("Add", "x k", "x_fp16"), op("Mul", "x_fp16 x", "y_fp16"), op("Add", "y_fp16 x_fp16", "y"))
}

// passing returns its input and a constant, and uses its output.
func passing() *onnxpb.GraphProto {
	g := net([]*onnxpb.TensorProto{con("k", four, 1, 4)}, op("Add", "x k", "y"), op("Mul", "y k", "z"))
	g.Output = append(g.Output, decl("z", float32s, -1, 4), decl("k", float32s, 1, 4))
	return g
}

// replaceable has a constant that is also an input, as in old files.
func replaceable() *onnxpb.GraphProto {
	g := net([]*onnxpb.TensorProto{con("k", four, 4), scalarInt("n", 2)}, op("Add", "x k", "y"))
	g.Input = append(g.Input, decl("k", float32s, 4), decl("n", int64s))
	return g
}

func sparse() *onnxpb.GraphProto {
	g := net(nil, op("MatMul", "x k", "y"))
	g.SparseInitializer = []*onnxpb.SparseTensorProto{{
		Values: con("k", []float32{2, -1}, 2), Indices: ints("", 1, 14), Dims: []int64{4, 4},
	}}
	return g
}

func attrString(name, v string) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_STRING, S: []byte(v)}
}

type edge struct {
	name  string
	graph *onnxpb.GraphProto
	keep  []string // nodes
	want  fp16.Report
}

// edges returns graphs that are hard to convert, with their reports.
func edges() []edge {
	to := func(e onnxgraph.Elem) *onnxpb.AttributeProto { return onnxpb.AttrInt("to", int64(e)) }
	floats := func(name string, v ...float32) *onnxpb.AttributeProto {
		return &onnxpb.AttributeProto{Name: name, Type: onnxpb.AttributeProto_FLOATS, Floats: v}
	}
	k := con("k", four, 4)
	return []edge{
		{"if", branch(), nil, fp16.Report{Converted: 6, Casts: 2}},
		{"if kept", branch(), []string{"choice"}, fp16.Report{Converted: 5, Casts: 2, Kept: 1}},
		{"loop without types", repeat(), nil, fp16.Report{Converted: 1, Casts: 2}},
		{"scan", running(), nil, fp16.Report{Casts: 2}},
		{"names in use", crossing(), nil, fp16.Report{Converted: 4, Casts: 2}},
		{"values passed through", passing(), nil, fp16.Report{Converted: 4, Casts: 3}},
		{"replaceable constant", replaceable(), nil, fp16.Report{Converted: 4, Casts: 2}},
		{"sparse", sparse(), nil, fp16.Report{Converted: 2, Casts: 2}},
		{"used in both precisions", net([]*onnxpb.TensorProto{k}, op("Max", "x k", "m"), op("Add", "m k", "y")), nil, fp16.Report{Converted: 4, Casts: 2, Kept: 1}},
		{"kept to kept", net([]*onnxpb.TensorProto{k}, op("Max", "x k", "m"), op("Min", "m k", "y")), nil, fp16.Report{Kept: 2}},
		{"top", net([]*onnxpb.TensorProto{ints("two", 2), k}, op("Add", "x k", "xk"), op("TopK", "xk two", "best at"), op("Cast", "at", "place", to(float32s)), op("Mul", "best place", "y")), nil, fp16.Report{Converted: 4, Casts: 4, Kept: 1}},
		{"range", net([]*onnxpb.TensorProto{con("a", []float32{0}), con("b", []float32{4}), con("d", []float32{1})}, op("Range", "a b d", "r"), op("Add", "x r", "y")), nil, fp16.Report{Casts: 3, Kept: 1}},
		{
			"mask", net([]*onnxpb.TensorProto{con("low", []float32{-math.MaxFloat32}), con("zero", []float32{0})},
				op("Less", "x zero", "no"), op("Cast", "no", "gone", to(float32s)), op("Mul", "gone low", "bias"), op("Add", "x bias", "z"), op("Softmax", "z", "y")),
			nil,
			fp16.Report{Converted: 2, Clipped: 1, Casts: 2},
		},
		{"zeros", net(nil, op("Shape", "x", "size"), op("ConstantOfShape", "size", "z"), op("Add", "x z", "y")), nil, fp16.Report{Casts: 2}},
		{"ones", net(nil, op("Shape", "x", "size"), op("ConstantOfShape", "size", "z", withTensor("value", con("", []float32{1e-9}, 1))), op("Add", "x z", "y")), nil, fp16.Report{Converted: 1, Flushed: 1, Casts: 2}},
		{"constants", net(nil, op("Constant", "", "a", floats("value_floats", four...)), op("Constant", "", "b", withTensor("value", con("", four, 4))),
			op("Constant", "", "c", &onnxpb.AttributeProto{Name: "value_int", Type: onnxpb.AttributeProto_INT, I: 2}), op("Cast", "c", "f", to(float32s)),
			op("Mul", "a b", "ab"), op("Mul", "ab f", "abf"), op("Add", "x abf", "y")), nil, fp16.Report{Converted: 8, Casts: 2}},
		{"random", net([]*onnxpb.TensorProto{con("zero", []float32{0})}, op("RandomUniform", "", "r", onnxpb.AttrInts("shape", 1, 4)), op("RandomNormalLike", "x", "s"),
			op("Add", "r s", "rs"), op("Mul", "rs zero", "none"), op("Add", "x none", "y")), nil, fp16.Report{Converted: 1, Casts: 4, Kept: 2}},
		{"windows", net([]*onnxpb.TensorProto{scalarInt("n", 4)}, op("HannWindow", "n", "w"), op("EyeLike", "x", "e", onnxpb.AttrInt("dtype", int64(float32s))), op("Mul", "x w", "xw"), op("Add", "xw e", "y")), nil, fp16.Report{Casts: 2}},
		{"statistics", net([]*onnxpb.TensorProto{k}, op("LayerNormalization", "x k", "n mean"), op("Add", "n mean", "y")), nil, fp16.Report{Converted: 4, Casts: 3}},
		{"quantized", net([]*onnxpb.TensorProto{con("scale", []float32{.02})}, op("QuantizeLinear", "x scale", "q"), op("DequantizeLinear", "q scale", "d"), op("Relu", "d", "y")), nil, fp16.Report{Casts: 2, Kept: 2}},
		{"chosen", net([]*onnxpb.TensorProto{k}, op("Greater", "x k", "big"), op("Where", "big x k", "z"), op("CastLike", "big x", "b"), op("Add", "z b", "y")), nil, fp16.Report{Converted: 4, Casts: 2}},
		{
			"resized", net([]*onnxpb.TensorProto{ints("plane", 1, 1, -1, 4), ints("flat", -1, 8), con("scales", []float32{1, 1, 1, 2}, 4)},
				op("Reshape", "x plane", "p"), &onnxpb.NodeProto{OpType: "Resize", Input: []string{"p", "", "scales"}, Output: []string{"r"}, Attribute: []*onnxpb.AttributeProto{attrString("mode", "nearest")}}, op("Reshape", "r flat", "y")),
			nil,
			fp16.Report{Casts: 4, Kept: 1},
		},
	}
}

// TestEdgeCases converts, loads, runs and compares.
func TestEdgeCases(t *testing.T) {
	b := runtimeOf(t)
	for _, tc := range edges() {
		t.Run(tc.name, func(t *testing.T) {
			data := encode(t, modelOf(tc.graph))
			converted, report, err := fp16.Convert(data, fp16.Options{KeepNodes: tc.keep})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, report); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			m := &engine.Model{Name: "m", Bytes: data, BatchAxis: true, Inputs: []tensor.Spec{{Name: "x", Type: tensor.Float32, Shape: []int64{4}}}}
			for _, o := range tc.graph.GetOutput() {
				m.Outputs = append(m.Outputs, tensor.Spec{Name: o.GetName(), Type: tensor.Float32, Shape: []int64{-1}})
			}
			half := *m
			half.Bytes = converted
			want, got := runFour(t, b, m), runFour(t, b, &half)
			for i := range m.Outputs {
				closeTo(t, m.Outputs[i].Name, got[i].Numbers(), want[i].Numbers(), 2e-3)
			}
		})
	}
}

// closeTo compares with a tolerance relative to the largest number.
func closeTo(t *testing.T, what string, got, want []float64, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d numbers, want %d", what, len(got), len(want))
		return
	}
	largest, apart := 0.0, 0.0
	for i := range want {
		largest, apart = max(largest, math.Abs(want[i])), max(apart, math.Abs(got[i]-want[i]))
	}
	if !(apart <= tolerance*largest) {
		t.Errorf("%s: difference %g, largest number %g", what, apart, largest)
	}
}

func TestConvertRefuses(t *testing.T) {
	with := func(change func(*onnxpb.ModelProto)) []byte {
		m := modelOf(crossing())
		change(m)
		return encode(t, m)
	}
	outside := []*onnxpb.StringStringEntryProto{{Key: "location", Value: "weights.bin"}}
	inIf := func(n *onnxpb.NodeProto) []byte {
		return with(func(m *onnxpb.ModelProto) {
			m.Graph = net(nil, op("If", "x", "y", withGraph("then_branch", body(nil, nil, n))))
		})
	}
	for _, tc := range []struct {
		name string
		data []byte
		want string
	}{
		{"text", []byte("no model"), "not an ONNX model"},
		{"nothing", nil, "it has no graph"},
		{"half constant", with(func(m *onnxpb.ModelProto) { m.Graph.Initializer[0].DataType = int32(float16s) }), "already has half precision: k is FLOAT16"},
		{"half input", with(func(m *onnxpb.ModelProto) { m.Graph.Input[0] = decl("x", float16s, 4) }), "x is FLOAT16"},
		{"half cast in a body", inIf(op("Cast", "x", "h", onnxpb.AttrInt("to", int64(float16s)))), "node Cast of h is FLOAT16"},
		{"half sparse", with(func(m *onnxpb.ModelProto) {
			m.Graph.SparseInitializer = []*onnxpb.SparseTensorProto{{Values: &onnxpb.TensorProto{Name: "s", DataType: int32(onnxpb.TensorProto_BFLOAT16)}}}
		}), "s is BFLOAT16"},
		{"external", with(func(m *onnxpb.ModelProto) { m.Graph.Initializer[0].ExternalData = outside }), "has weights in weights.bin, which cannot be converted"},
		{"external without name", inIf(op("Constant", "", "c", withTensor("value", &onnxpb.TensorProto{DataLocation: 1}))), "has weights in other files"},
		{"functions", with(func(m *onnxpb.ModelProto) { m.Functions = []*onnxpb.FunctionProto{{Name: "Swish"}} }), "defines its own operators (Swish)"},
		{"sequence", inIf(op("SequenceConstruct", "x", "s")), "node SequenceConstruct of s is a SequenceConstruct"},
		{"damaged", with(func(m *onnxpb.ModelProto) { m.Graph.Initializer[0].FloatData = four[:3] }), `"k" should have 4 numbers and has 3`},
		{"order", with(func(m *onnxpb.ModelProto) { slices.Reverse(m.Graph.Node) }), `"y_fp16" is used before a node computes it`},
		{"no output", with(func(m *onnxpb.ModelProto) { m.Graph.Output[0].Name = "z" }), `no node computes the output "z"`},
		{"integers", with(func(m *onnxpb.ModelProto) {
			m.Graph = net(nil, op("Identity", "x", "y"))
			m.Graph.Input[0], m.Graph.Output[0] = decl("x", int64s, 4), decl("y", int64s, 4)
		}), "has no FP32 numbers to convert"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, _, err := fp16.Convert(tc.data, fp16.Options{})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Convert = %v, want an error with %q", err, tc.want)
			}
		})
	}
}

// halves returns v as the conversion writes it.
func halves(t *testing.T, v []float32) []uint16 {
	t.Helper()
	g := net([]*onnxpb.TensorProto{con("k", v, int64(len(v)))}, op("Add", "x k", "y"))
	converted, _, err := fp16.Convert(encode(t, modelOf(g)), fp16.Options{})
	if err != nil {
		t.Fatal(err)
	}
	raw := parse(t, converted).GetGraph().GetInitializer()[0].GetRawData()
	out := make([]uint16, len(raw)/2)
	for i := range out {
		out[i] = binary.LittleEndian.Uint16(raw[2*i:])
	}
	return out
}

// TestRoundTrip checks that every FP16 number inside the range converts to itself, and the
// others to the nearest end of the range.
func TestRoundTrip(t *testing.T) {
	var in []float32
	for code := range 1 << 16 {
		in = append(in, float16.Frombits(uint16(code)).Float32())
	}
	maxValue, minValue := float16.Fromfloat32(1e4), float16.Fromfloat32(1e-7)
	for code, got := range halves(t, in) {
		v, sign := in[code], uint16(code)&0x8000
		want := uint16(code)
		switch size := math.Abs(float64(v)); {
		case v != v:
			if !float16.Frombits(got).IsNaN() {
				t.Fatalf("NaN %04x became %04x", code, got)
			}
			continue
		case size > 1e4 && !math.IsInf(size, 0):
			want = maxValue.Bits() | sign
		case size > 0 && size < 1e-7:
			want = minValue.Bits() | sign
		}
		if got != want {
			t.Fatalf("%04x (%g) became %04x, want %04x", code, v, got, want)
		}
	}
}

// FuzzConvert checks that no model makes Convert panic, and that a converted model is refused.
func FuzzConvert(f *testing.F) {
	for _, e := range edges() {
		f.Add(encode(f, modelOf(e.graph)))
	}
	b := builder.New("lookup", 1)
	ids := b.Input("ids", int64s, onnxgraph.Open("N"))
	b.Output("y", b.Op("Gather", []string{b.Random(1, 30, 4), ids}), float32s, onnxgraph.Open("N"), onnxgraph.Dim{Size: 4})
	data, err := b.Bytes()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		converted, report, err := fp16.Convert(data, fp16.Options{})
		if err != nil {
			return
		}
		if _, _, err := fp16.Convert(converted, fp16.Options{}); report.Converted > 0 && err == nil {
			t.Error("a converted model is converted again")
		}
	})
}

func BenchmarkConvertMLPWide(b *testing.B) {
	data := inMemory(b, "mlp-wide")
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := fp16.Convert(data, fp16.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
