package onnxgraph_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/builder"
	"sweetspot/engine/onnxgraph/onnxpb"
	"sweetspot/engine/tensor"
)

// TestRangesAreProven checks the range of an input ids that is used as index into a table of
// 10 rows, behind other operators.
func TestRangesAreProven(t *testing.T) {
	direct := &onnxgraph.Range{Min: -10, Max: 9}
	for _, tc := range []struct {
		name string
		elem onnxgraph.Elem
		// index makes the index of the table from ids.
		index func(b *builder.Builder, ids string) string
		want  *onnxgraph.Range
	}{
		{"ids themselves", int64s, func(_ *builder.Builder, ids string) string { return ids }, direct},
		{"another arrangement", int64s, func(b *builder.Builder, ids string) string {
			return b.Op("Transpose", []string{b.Op("Reshape", []string{ids, b.Ints([]int64{-1, 2}, 2)})})
		}, direct},
		{"cast", onnxpb.TensorProto_INT32, func(b *builder.Builder, ids string) string {
			return b.Op("Cast", []string{ids}, onnxpb.AttrInt("to", int64(int64s)))
		}, direct},
		{"cast to fewer bits", int64s, func(b *builder.Builder, ids string) string { // 256 is the row 0
			few := b.Op("Cast", []string{ids}, onnxpb.AttrInt("to", int64(onnxpb.TensorProto_UINT8)))
			return b.Op("Cast", []string{few}, onnxpb.AttrInt("to", int64(int64s)))
		}, nil},
		{"cast to 32 bits", int64s, func(b *builder.Builder, ids string) string {
			return b.Op("Cast", []string{ids}, onnxpb.AttrInt("to", int64(onnxpb.TensorProto_INT32)))
		}, direct},
		{"unsigned", onnxpb.TensorProto_UINT8, func(b *builder.Builder, ids string) string {
			return b.Op("Cast", []string{ids}, onnxpb.AttrInt("to", int64(int64s)))
		}, &onnxgraph.Range{Max: 9}},
		{"added", int64s, func(b *builder.Builder, ids string) string {
			return b.Op("Add", []string{b.Ints([]int64{5}), ids})
		}, &onnxgraph.Range{Min: -15, First: -5, Max: 4}},
		{"subtracted", int64s, func(b *builder.Builder, ids string) string {
			return b.Op("Sub", []string{ids, b.Ints([]int64{1000, 1000}, 2)})
		}, &onnxgraph.Range{Min: 990, First: 1000, Max: 1009}},
		{"different numbers added", int64s, func(b *builder.Builder, ids string) string {
			return b.Op("Add", []string{ids, b.Ints([]int64{0, 1}, 2)})
		}, nil},
		{"subtracted from a number", int64s, func(b *builder.Builder, ids string) string {
			return b.Op("Sub", []string{b.Ints([]int64{9}), ids})
		}, nil},
		{"only a part", int64s, func(b *builder.Builder, ids string) string {
			return b.Op("Slice", []string{ids, b.Ints([]int64{0}, 1), b.Ints([]int64{1}, 1), b.Ints([]int64{1}, 1)})
		}, nil},
		{"clipped", int64s, func(b *builder.Builder, ids string) string {
			return b.Op("Clip", []string{ids, b.Ints([]int64{0}), b.Ints([]int64{9})})
		}, nil},
		{"never negative", int64s, func(b *builder.Builder, ids string) string { return b.Op("Abs", []string{ids}) }, nil},
		{"a float", float32s, func(b *builder.Builder, ids string) string {
			return b.Op("Cast", []string{ids}, onnxpb.AttrInt("to", int64(int64s)))
		}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := builder.New("lookup", 1)
			index := tc.index(b, b.Input("ids", tc.elem, onnxgraph.Open("N"), onnxgraph.Dim{Size: 2}))
			b.Output("y", b.Op("Gather", []string{b.Random(1, 10, 3), index}), float32s)
			info, err := onnxgraph.Inspect(bytes.NewReader(build(t, b)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, info.Inputs[0].Range); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestRangesOfSeveralLookups: a lookup that no output needs
// proves nothing; of two that are needed the smaller table counts.
func TestRangesOfSeveralLookups(t *testing.T) {
	b := builder.New("lookups", 1)
	ids := b.Input("ids", int64s, onnxgraph.Open("N"))
	b.Op("Gather", []string{b.Random(1, 3, 2), ids})
	wide := b.Op("Gather", []string{b.Random(1, 50, 2), ids})
	narrow := b.Op("Gather", []string{b.Random(1, 2, 20), ids}, onnxpb.AttrInt("axis", -1))
	b.Output("wide", wide, float32s)
	b.Output("narrow", narrow, float32s)
	info, err := onnxgraph.Inspect(bytes.NewReader(build(t, b)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&onnxgraph.Range{Min: -20, Max: 19}, info.Inputs[0].Range); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func i64(name string, v ...int64) *onnxpb.TensorProto {
	return &onnxpb.TensorProto{Name: name, DataType: int32(int64s), Dims: []int64{int64(len(v))}, Int64Data: v}
}

func valueInfo(name string, e onnxgraph.Elem, dims ...int64) *onnxpb.ValueInfoProto {
	shape := &onnxpb.TensorShapeProto{}
	for _, d := range dims {
		shape.Dim = append(shape.Dim, &onnxpb.TensorShapeProto_Dimension{Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: d}})
	}
	return &onnxpb.ValueInfoProto{Name: name, Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{
		TensorType: &onnxpb.TypeProto_Tensor{ElemType: int32(e), Shape: shape},
	}}}
}

func inspect(t *testing.T, m *onnxpb.ModelProto) *onnxgraph.Info {
	t.Helper()
	data, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	info, err := onnxgraph.Inspect(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// TestOptionalInputs: an initializer that is an input too may be overridden from IR 4 on, if
// it is no weight.
func TestOptionalInputs(t *testing.T) {
	raw := func(name string, e onnxgraph.Elem, dims []int64, data []byte) *onnxpb.TensorProto {
		return &onnxpb.TensorProto{Name: name, DataType: int32(e), Dims: dims, RawData: data}
	}
	model := func(ir int64) *onnxpb.ModelProto {
		return &onnxpb.ModelProto{IrVersion: ir, Graph: &onnxpb.GraphProto{
			Input: []*onnxpb.ValueInfoProto{
				valueInfo("x", float32s), valueInfo("k", int64s, 2), valueInfo("half", onnxpb.TensorProto_FLOAT16, 1),
				valueInfo("weight", float32s, 2048), valueInfo("cut", int64s, 2), valueInfo("other", float32s, 1),
				valueInfo("outside", int64s, 0), valueInfo("open", int64s, -1),
			},
			Initializer: []*onnxpb.TensorProto{
				i64("k", 7, -1),
				{Name: "half", DataType: int32(onnxpb.TensorProto_FLOAT16), Dims: []int64{1}, Int32Data: []int32{0x3e00}},
				raw("weight", float32s, []int64{2048}, make([]byte, 8192)),
				raw("cut", int64s, []int64{2}, make([]byte, 8)),
				i64("other", 1), // declared as float
				{Name: "outside", DataType: int32(int64s), Dims: []int64{0}, DataLocation: 1},
				i64("open", 1, 2),
				i64("not an input", 1),
			},
			Node:   []*onnxpb.NodeProto{{OpType: "Sum", Input: []string{"x", "k"}, Output: []string{"y"}}},
			Output: []*onnxpb.ValueInfoProto{valueInfo("y", float32s)},
		}}
	}
	got := map[string][]byte{}
	for _, o := range inspect(t, model(4)).Optional {
		got[o.Name] = o.Default
	}
	want := map[string][]byte{"k": tensor.AppendInt(tensor.AppendInt(nil, tensor.Int64, 7), tensor.Int64, -1), "half": {0, 0x3e}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if info := inspect(t, model(3)); info.Optional != nil || len(info.Inputs) != 1 {
		t.Errorf("IR 3: optional %v, inputs %v", info.Optional, info.Inputs)
	}
	many := model(8)
	for i := range 16 {
		name := string(rune('a' + i))
		many.Graph.Input = append(many.Graph.Input, valueInfo(name, int64s, 1))
		many.Graph.Initializer = append(many.Graph.Initializer, i64(name, 1))
	}
	if info := inspect(t, many); info.Optional != nil {
		t.Errorf("%d small weights count as optional inputs", len(info.Optional))
	}
}

// TestInspectKnowsVectorSizes: an input with a number for each dimension of another value has that
// size, even if the graph declares it open.
func TestInspectKnowsVectorSizes(t *testing.T) {
	x, p := valueInfo("x", float32s, -1, 3), valueInfo("p", float32s, -1)
	node := func(op string, in ...string) *onnxpb.NodeProto {
		return &onnxpb.NodeProto{OpType: op, Input: in, Output: []string{"y"}}
	}
	axes := node("Resize", "x", "", "p")
	axes.Attribute = []*onnxpb.AttributeProto{{Name: "axes", Ints: []int64{1}}}
	for _, tc := range []struct {
		name  string
		nodes []*onnxpb.NodeProto
		want  int64
		most  int64
	}{
		{"scales", []*onnxpb.NodeProto{node("Resize", "x", "", "p")}, 2, 0},
		{"scales of some axes", []*onnxpb.NodeProto{axes}, 1, 0},
		{"scales or sizes", []*onnxpb.NodeProto{node("Resize", "x", "", "p", "s")}, -1, 0},
		{"sizes", []*onnxpb.NodeProto{node("Resize", "x", "", "", "p")}, 2, 0},
		{"repeats", []*onnxpb.NodeProto{node("Tile", "x", "p")}, 2, 0},
		{"pads", []*onnxpb.NodeProto{node("Pad", "x", "p")}, 4, 0},
		{"pads of some axes", []*onnxpb.NodeProto{node("Pad", "x", "p", "", "s")}, -1, 0},
		{"a value whose rank follows, and a cast", []*onnxpb.NodeProto{
			{OpType: "Relu", Input: []string{"x"}, Output: []string{"r"}}, {OpType: "Cast", Input: []string{"p"}, Output: []string{"q"}}, node("Tile", "r", "q"),
		}, 2, 0},
		{"a value of unknown rank", []*onnxpb.NodeProto{{OpType: "Reshape", Input: []string{"x", "s"}, Output: []string{"r"}}, node("Tile", "r", "p")}, -1, 16},
		{"data", []*onnxpb.NodeProto{node("Add", "x", "p")}, -1, 0},
	} {
		m := &onnxpb.ModelProto{Graph: &onnxpb.GraphProto{
			Input: []*onnxpb.ValueInfoProto{x, p}, Node: tc.nodes, Output: []*onnxpb.ValueInfoProto{valueInfo("y", float32s)},
		}}
		p := inspect(t, m).Inputs[1]
		if got := p.Dims[0].Size; got != tc.want {
			t.Errorf("%s: p has the size %d, want %d", tc.name, got, tc.want)
		}
		if want := tc.most; p.MaxSize != want {
			t.Errorf("%s: p has at most %d numbers, want %d", tc.name, p.MaxSize, want)
		}
	}
}

// TestInspectFindsForeignParts: custom operators, external files, and what an output is
// computed from, also in bodies.
func TestInspectFindsForeignParts(t *testing.T) {
	outside := func(name, file string) *onnxpb.TensorProto {
		return &onnxpb.TensorProto{Name: name, DataLocation: 1, ExternalData: []*onnxpb.StringStringEntryProto{{Key: "offset", Value: "0"}, {Key: "location", Value: file}}}
	}
	body := &onnxpb.GraphProto{
		Initializer: []*onnxpb.TensorProto{outside("inner", "b.bin")},
		Node:        []*onnxpb.NodeProto{{OpType: "Odd", Domain: "my.inner", Input: []string{"b", "inner"}, Output: []string{"v"}}},
		Output:      []*onnxpb.ValueInfoProto{valueInfo("v", float32s)},
	}
	m := &onnxpb.ModelProto{
		Functions: []*onnxpb.FunctionProto{{Name: "Own"}},
		Graph: &onnxpb.GraphProto{
			Input:       []*onnxpb.ValueInfoProto{valueInfo("a", float32s), valueInfo("b", float32s), valueInfo("c", onnxpb.TensorProto_BOOL)},
			Initializer: []*onnxpb.TensorProto{outside("w", "w.bin"), outside("w2", "w.bin"), i64("table", 1, 2)},
			Node: []*onnxpb.NodeProto{
				{OpType: "MyOp", Domain: "my.company", Input: []string{"a", "w"}, Output: []string{"x"}},
				{OpType: "MyOp", Domain: "my.company", Input: []string{"x", "w"}, Output: []string{"y"}},
				{OpType: "Own", Domain: "my.own", Input: []string{"y"}, Output: []string{"z"}},
				{OpType: "Gelu", Domain: "com.microsoft", Input: []string{"z"}, Output: []string{"out"}},
				{OpType: "If", Input: []string{"c"}, Output: []string{"chosen"}, Attribute: []*onnxpb.AttributeProto{{Name: "then_branch", G: body}}},
				{OpType: "LSTM", Input: []string{"a"}, Output: []string{"", "state"}}, // an output left out is no value
				{OpType: "Resize", Input: []string{"table", "", "w"}, Output: []string{"anchors"}},
				{OpType: "ZipMap", Domain: "ai.onnx.ml", Input: []string{"out"}, Output: []string{"maps"}, Attribute: []*onnxpb.AttributeProto{{Name: "classlabels_int64s", Ints: []int64{0, 7}}}},
				{OpType: "ZipMap", Domain: "ai.onnx.ml", Input: []string{"out"}, Output: []string{"names"}, Attribute: []*onnxpb.AttributeProto{{Name: "classlabels_strings", Strings: [][]byte{[]byte("cat")}}}},
			},
			Output: []*onnxpb.ValueInfoProto{valueInfo("out", float32s), valueInfo("chosen", float32s), valueInfo("anchors", int64s), valueInfo("a", float32s), valueInfo("maps", 0), valueInfo("names", 0)},
		},
	}
	info := inspect(t, m)
	if diff := cmp.Diff([]string{"my.company.MyOp", "my.inner.Odd"}, info.Custom); diff != "" {
		t.Errorf("custom operators: %s", diff)
	}
	if diff := cmp.Diff([]string{"b.bin", "w.bin"}, info.External); diff != "" {
		t.Errorf("external files: %s", diff)
	}
	from := map[string][]string{}
	for _, o := range info.Outputs {
		from[o.Name] = o.From
	}
	want := map[string][]string{"out": {"a"}, "chosen": {"b", "c"}, "anchors": nil, "a": {"a"}, "maps": {"a"}, "names": {"a"}}
	if diff := cmp.Diff(want, from); diff != "" {
		t.Errorf("dependencies: %s", diff)
	}
	for i, p := range map[int]*onnxgraph.Probabilities{3: nil, 4: {Tensor: "out", Labels: []string{"0", "7"}}, 5: {Tensor: "out", Labels: []string{"cat"}}} {
		if diff := cmp.Diff(p, info.Outputs[i].Probabilities); diff != "" {
			t.Errorf("probabilities of %s: %s", info.Outputs[i].Name, diff)
		}
	}
}
