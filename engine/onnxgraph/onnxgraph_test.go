package onnxgraph_test

import (
	"bytes"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/builder"
	"sweetspot/engine/onnxgraph/builtin"
	"sweetspot/engine/onnxgraph/onnxpb"
)

const (
	float32s = onnxpb.TensorProto_FLOAT
	int64s   = onnxpb.TensorProto_INT64
)

func build(t testing.TB, b *builder.Builder) []byte {
	t.Helper()
	data, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// embedder looks up tokens in a table of 30 and positions in one of 16.
func embedder() *builder.Builder {
	b := builder.New("embedder", 1)
	shape := []onnxgraph.Dim{onnxgraph.Open("N"), onnxgraph.Open("S")}
	ids := b.Input("input_ids", int64s, shape...)
	mask := b.Input("attention_mask", int64s, shape...)
	position := b.Input("position", onnxpb.TensorProto_INT32, shape...)
	b.Input("unused", int64s)
	x := b.Op("Gather", []string{b.Random(1, 30, 4), b.Op("Identity", []string{ids})})
	p := b.Op("Cast", []string{position}, onnxpb.AttrInt("to", int64(int64s)))
	x = b.Op("Add", []string{x, b.Op("Gather", []string{b.Random(1, 16, 4), p})})
	m := b.Op("Cast", []string{mask}, onnxpb.AttrInt("to", int64(float32s)))
	x = b.Op("Mul", []string{x, b.Op("Unsqueeze", []string{m, b.Ints([]int64{2}, 1)})})
	b.Output("y", x, float32s, append(shape, onnxgraph.Dim{Size: 4})...)
	return b
}

func TestInspect(t *testing.T) {
	got, err := onnxgraph.Inspect(bytes.NewReader(build(t, embedder())))
	if err != nil {
		t.Fatal(err)
	}
	shape := []onnxgraph.Dim{{Size: -1, Name: "N"}, {Size: -1, Name: "S"}}
	want := &onnxgraph.Info{
		Producer: "sweetspot", IR: 8, Opset: 17, Nodes: 8, Parameters: 30*4 + 16*4 + 1,
		Inputs: []onnxgraph.Value{
			{Name: "input_ids", Kind: "tensor", Elem: int64s, Dims: shape, Range: &onnxgraph.Range{Min: -30, Max: 29}},
			{Name: "attention_mask", Kind: "tensor", Elem: int64s, Dims: shape},
			{Name: "position", Kind: "tensor", Elem: onnxpb.TensorProto_INT32, Dims: shape, Range: &onnxgraph.Range{Min: -16, Max: 15}},
			{Name: "unused", Kind: "tensor", Elem: int64s, Dims: []onnxgraph.Dim{}},
		},
		Outputs: []onnxgraph.Value{{
			Name: "y", Kind: "tensor", Elem: float32s, Dims: append(shape[:2:2], onnxgraph.Dim{Size: 4}),
			From: []string{"attention_mask", "input_ids", "position"},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Inspect: (-want +got)\n%s", diff)
	}
}

// TestInspectReadsUnusualGraphs covers what the builder never writes.
func TestInspectReadsUnusualGraphs(t *testing.T) {
	tensorType := func(s *onnxpb.TensorShapeProto) *onnxpb.TypeProto {
		return &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{
			TensorType: &onnxpb.TypeProto_Tensor{ElemType: int32(int64s), Shape: s},
		}}
	}
	optional := func(held *onnxpb.TypeProto) *onnxpb.TypeProto {
		return &onnxpb.TypeProto{Value: &onnxpb.TypeProto_OptionalType{OptionalType: &onnxpb.TypeProto_Optional{ElemType: held}}}
	}
	seq := &onnxpb.TypeProto{Value: &onnxpb.TypeProto_SequenceType{SequenceType: &onnxpb.TypeProto_Sequence{}}}
	table := &onnxpb.TensorProto{Name: "inner", Dims: []int64{7, 2}, RawData: make([]byte, 56)}
	m := &onnxpb.ModelProto{
		OpsetImport: []*onnxpb.OperatorSetIdProto{{Domain: "com.microsoft", Version: 1}, {Domain: "ai.onnx", Version: 9}},
		Graph: &onnxpb.GraphProto{
			Initializer: []*onnxpb.TensorProto{{Name: "default", Dims: []int64{2}, FloatData: []float32{1, 2}}},
			Node: []*onnxpb.NodeProto{
				{OpType: "Constant", Output: []string{"table"}, Attribute: []*onnxpb.AttributeProto{{Name: "value", T: table}}},
				{OpType: "Gather", Input: []string{"table", "x"}, Output: []string{"a"}},
				{OpType: "Gather", Input: []string{"table", "x"}, Output: []string{"b"}, Attribute: []*onnxpb.AttributeProto{{Name: "axis", I: -1}}},
				{OpType: "Add", Input: []string{"a", "b"}, Output: []string{"c"}},
			},
			Input: []*onnxpb.ValueInfoProto{
				{Name: "default"},
				{Name: "x", Type: tensorType(nil)},
				{Name: "list", Type: seq},
				{Name: "nothing"},
				{Name: "maybe", Type: optional(tensorType(nil))},
				{Name: "maybe list", Type: optional(seq)},
				{Name: "maybe nothing", Type: optional(nil)},
			},
			Output: []*onnxpb.ValueInfoProto{{Name: "c", Type: tensorType(&onnxpb.TensorShapeProto{
				Dim: []*onnxpb.TensorShapeProto_Dimension{
					{}, {Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: -1}},
				},
			})}},
		},
	}
	data, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	got, err := onnxgraph.Inspect(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	want := &onnxgraph.Info{
		Opset: 9, Nodes: 4, Parameters: 2,
		Inputs: []onnxgraph.Value{
			{Name: "x", Kind: "tensor", Elem: int64s, Range: &onnxgraph.Range{Min: -2, Max: 1}},
			{Name: "list", Kind: "sequence"},
			{Name: "nothing"},
			{Name: "maybe", Kind: "tensor", Elem: int64s}, // the runtime takes a tensor for it
			{Name: "maybe list", Kind: "optional"},
			{Name: "maybe nothing", Kind: "optional"},
		},
		Outputs: []onnxgraph.Value{{Name: "c", Kind: "tensor", Elem: int64s, Dims: []onnxgraph.Dim{{Size: -1}, {Size: -1}}, From: []string{"x"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Inspect: (-want +got)\n%s", diff)
	}
}

func TestInspectRefusesWhatIsNoModel(t *testing.T) {
	whole := build(t, embedder())
	deep := []byte{0x08, 0x08}
	for range 70 { // graph in attribute in node, and so on
		for _, tag := range []byte{0x32, 0x2a, 0x0a} {
			deep = append([]byte{tag, byte(len(deep)), byte(len(deep) >> 7)}, deep...)
			deep[1] |= 0x80
		}
	}
	n := len(deep)
	deep = append([]byte{0x3a, byte(n) | 0x80, byte(n >> 7)}, deep...)
	tests := []struct{ name, data, want string }{
		{"empty", "", "it has no graph"},
		{"text", "this is no model", "not an ONNX model"},
		{"cut off", string(whole[:len(whole)-3]), "ends too early"},
		{"a claim of 100 MB", "\x12\x80\x80\x80\x30", "ends too early"},
		{"a claim of 2^60 bytes", "\x12\x80\x80\x80\x80\x80\x80\x80\x80\x10", "larger than 256 MB"},
		{"a longer field than message", "\x3a\x02\x0a\x09abcdefghi", "longer than its message"},
		{"nested without end", string(deep), "nested deeper"},
		{"no graph", "\x08\x08", "it has no graph"},
		{"field number 0", "\x00\x00", "no valid number"},
		{"group", "\x0b\x0c", "wire type 3"},
		{"endless number", strings.Repeat("\xff", 12), "longer than 64 bits"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			_, err := onnxgraph.Inspect(strings.NewReader(tc.data))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Inspect = %v, want an error with %q", err, tc.want)
			}
		})
	}
}

// weights is a model file of n bytes of weights that is never in memory.
func weights(t *testing.T, n int64) io.Reader {
	t.Helper()
	varint := func(v uint64) (out []byte) {
		for ; v >= 0x80; v >>= 7 {
			out = append(out, byte(v)|0x80)
		}
		return append(out, byte(v))
	}
	raw := append([]byte{0x4a}, varint(uint64(n))...)                                          // raw_data
	tensor := append([]byte{0x2a}, varint(uint64(len(raw))+uint64(n)+4)...)                    // initializer
	tensor = append(tensor, 0x08, 0x05, 0x08, 0x03)                                            // dims 5, 3
	node := []byte{0x0a, 0x04, 0x22, 0x02, 'N', 'o'}                                           // node of type No
	graph := append([]byte{0x3a}, varint(uint64(len(tensor)+len(raw)+len(node))+uint64(n))...) // graph
	head := append(append(graph, tensor...), raw...)
	return io.MultiReader(bytes.NewReader(head), io.LimitReader(zeros{}, n), bytes.NewReader(node))
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestInspectNeverHoldsWeights(t *testing.T) {
	info, err := onnxgraph.Inspect(weights(t, 1<<20))
	if err != nil || info.Parameters != 15 || info.Nodes != 1 {
		t.Fatalf("Inspect = %+v, %v", info, err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := onnxgraph.Inspect(weights(t, 16<<20)); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
		t.Errorf("a model of 16 MB costs %d bytes", got)
	}
}

func TestDimString(t *testing.T) {
	for d, want := range map[onnxgraph.Dim]string{{Size: 3}: "3", {Size: -1}: "?", {Size: -1, Name: "N"}: "N"} {
		if got := d.String(); got != want {
			t.Errorf("String(%#v) = %q, want %q", d, got, want)
		}
	}
}

// FuzzInspect checks that no bytes make the scan panic, and that it removes only
// weights: an accepted model has the same Info after a round trip through protobuf.
func FuzzInspect(f *testing.F) {
	f.Add(build(f, embedder()))
	f.Add([]byte("\x3a\x02\x0a\x00"))
	f.Add([]byte("\x12\x80\x80\x80\x80\x80\x80\x80\x80\x10"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := onnxgraph.Inspect(bytes.NewReader(data))
		if err != nil {
			return
		}
		var m onnxpb.ModelProto
		if proto.Unmarshal(data, &m) != nil {
			return // the error is in weights, which Inspect does not read
		}
		again, err := proto.Marshal(&m)
		if err != nil {
			t.Fatal(err)
		}
		want, err := onnxgraph.Inspect(bytes.NewReader(again))
		if err != nil {
			t.Fatalf("Inspect after a round trip: %v", err)
		}
		for _, info := range []*onnxgraph.Info{want, got} { // which tensors are small depends on how they are written
			info.Optional = nil
			for i := range info.Inputs {
				info.Inputs[i].Range = nil
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-round trip +direct)\n%s", diff)
		}
	})
}

func BenchmarkInspectResNet18(b *testing.B) {
	models := builtin.Models()
	at := slices.IndexFunc(models, func(m builtin.Model) bool { return m.Name == "resnet18" })
	data, err := models[at].Build()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := onnxgraph.Inspect(bytes.NewReader(data)); err != nil {
			b.Fatal(err)
		}
	}
}
