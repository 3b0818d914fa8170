package builder_test

import (
	"bytes"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/builder"
	"sweetspot/engine/onnxgraph/onnxpb"
	"sweetspot/engine/tensor"
)

const float = onnxpb.TensorProto_FLOAT

// scaled multiplies its input by constants. The intermediate values are outputs too.
func scaled(seed uint64) *builder.Builder {
	b := builder.New("scaled", seed)
	x := b.Input("x", float, onnxgraph.Open("N"), onnxgraph.Dim{Size: 4})
	mid := b.Op("Mul", []string{x, b.Random(2, 100, 4)})
	y := b.Op("Mul", []string{mid, b.Floats([]float32{0.5})})
	y = b.Op("Unsqueeze", []string{y, b.Ints([]int64{-1}, 1)}, onnxpb.AttrInt("odd", 7))
	y = b.Op("Add", []string{y, b.Fill(3, 2)})
	b.Output("middle", mid, float, onnxgraph.Open("N"), onnxgraph.Dim{Size: 4})
	b.Output("y", y, float, onnxgraph.Fixed(1, 4)...)
	return b
}

func build(t *testing.T, b *builder.Builder) []byte {
	t.Helper()
	data, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestBuilder(t *testing.T) {
	data := build(t, scaled(1))
	info, err := onnxgraph.Inspect(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	open := []onnxgraph.Dim{{Size: -1, Name: "N"}, {Size: 4}}
	want := &onnxgraph.Info{
		Producer: "sweetspot", IR: 8, Opset: 17, Nodes: 4, Parameters: 100*4 + 1 + 1 + 2,
		Inputs: []onnxgraph.Value{{Name: "x", Kind: "tensor", Elem: float, Dims: open}},
		Outputs: []onnxgraph.Value{
			{Name: "middle", Kind: "tensor", Elem: float, Dims: open, From: []string{"x"}},
			{Name: "y", Kind: "tensor", Elem: float, Dims: []onnxgraph.Dim{{Size: 1}, {Size: 4}}, From: []string{"x"}},
		},
	}
	if diff := cmp.Diff(want, info); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	var m onnxpb.ModelProto
	if err := proto.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	g := m.GetGraph()
	if first, second := g.GetNode()[0], g.GetNode()[1]; first.GetOutput()[0] != "middle" || second.GetInput()[0] != "middle" {
		t.Errorf("an output that a node reads has two names: %v, %v", first, second)
	}
	if got := g.GetNode()[2].Attr("odd").GetI(); got != 7 {
		t.Errorf("attribute odd is %d, want 7", got)
	}
	for i, want := range []tensor.Tensor{
		1: {Type: tensor.Float32, Data: tensor.AppendFloat32(nil, 0.5)},
		2: {Type: tensor.Int64, Shape: []int64{1}, Data: tensor.AppendInt(nil, tensor.Int64, -1)},
		3: {Type: tensor.Float32, Shape: []int64{2}, Data: tensor.AppendFloat32(tensor.AppendFloat32(nil, 3), 3)},
	} {
		if c := g.GetInitializer()[i]; i > 0 && (!bytes.Equal(c.GetRawData(), want.Data) || !cmp.Equal(c.GetDims(), want.Shape)) {
			t.Errorf("constant %d is % x %v, want % x %v", i, c.GetRawData(), c.GetDims(), want.Data, want.Shape)
		}
	}
}

func TestRandom(t *testing.T) {
	if !bytes.Equal(build(t, scaled(1)), build(t, scaled(1))) {
		t.Error("the same seed makes other bytes")
	}
	if bytes.Equal(build(t, scaled(1)), build(t, scaled(2))) {
		t.Error("another seed makes the same bytes")
	}
	var m onnxpb.ModelProto
	if err := proto.Unmarshal(build(t, scaled(1)), &m); err != nil {
		t.Fatal(err)
	}
	var squares float64
	numbers := tensor.Tensor{Type: tensor.Float32, Data: m.GetGraph().GetInitializer()[0].GetRawData()}.Numbers()
	for _, v := range numbers {
		if math.Abs(v) > 2*math.Sqrt(3)+1e-6 {
			t.Errorf("%v is outside the range", v)
		}
		squares += v * v
	}
	if std := math.Sqrt(squares / float64(len(numbers))); std < 1.8 || std > 2.2 {
		t.Errorf("the standard deviation of %d numbers is %v, want 2", len(numbers), std)
	}
}
