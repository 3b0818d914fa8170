// Package builder makes ONNX models in memory: the built-in models, and models for tests.
//
// A [Builder] builds a graph node by node and encodes it. It knows the format but not the
// operators: only the runtime finds an invalid graph. The same calls make the same bytes on
// every machine.
package builder

import (
	"fmt"
	"math"
	"math/rand/v2"

	"google.golang.org/protobuf/proto"

	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/onnxpb"
	"sweetspot/engine/tensor"
)

// A Builder writes opset 17 and IR version 8, which all recent runtimes read.
const (
	opset     = 17
	irVersion = 8
)

// Builder makes a model node by node. Names identify values: Input, the constants and Op
// return a name, Op and Output take names. It is not safe for concurrent use.
type Builder struct {
	graph onnxpb.GraphProto
	rng   *rand.Rand
	names int
}

// New starts a model. The seed determines the numbers of Random.
func New(name string, seed uint64) *Builder {
	b := &Builder{rng: rand.New(rand.NewPCG(seed, 0))}
	b.graph.Name = name
	return b
}

// Input declares an input of the model and returns its name.
func (b *Builder) Input(name string, e onnxgraph.Elem, dims ...onnxgraph.Dim) string {
	b.graph.Input = append(b.graph.Input, declare(name, e, dims))
	return name
}

// Output makes v an output of the model and renames it to name.
func (b *Builder) Output(name, v string, e onnxgraph.Elem, dims ...onnxgraph.Dim) {
	for _, n := range b.graph.GetNode() {
		replace(n.GetInput(), v, name)
		replace(n.GetOutput(), v, name)
	}
	b.graph.Output = append(b.graph.Output, declare(name, e, dims))
}

// Op adds a node with one output and returns the output's name.
func (b *Builder) Op(op string, in []string, attrs ...*onnxpb.AttributeProto) string {
	out := b.name(op)
	b.graph.Node = append(b.graph.Node, &onnxpb.NodeProto{
		OpType: op, Name: "node_" + out, Input: in, Output: []string{out}, Attribute: attrs,
	})
	return out
}

// Floats adds a constant. dims empty makes it a scalar.
func (b *Builder) Floats(data []float32, dims ...int64) string {
	raw := make([]byte, 0, 4*len(data))
	for _, v := range data {
		raw = tensor.AppendFloat32(raw, v)
	}
	return b.constant(onnxpb.TensorProto_FLOAT, raw, dims)
}

// Ints adds a constant of INT64. dims empty makes it a scalar.
func (b *Builder) Ints(data []int64, dims ...int64) string {
	raw := make([]byte, 0, 8*len(data))
	for _, v := range data {
		raw = tensor.AppendInt(raw, tensor.Int64, v)
	}
	return b.constant(onnxpb.TensorProto_INT64, raw, dims)
}

// Fill adds a constant with n numbers v.
func (b *Builder) Fill(v float32, n int64) string {
	data := make([]float32, n)
	for i := range data {
		data[i] = v
	}
	return b.Floats(data, n)
}

// Random adds a constant of random numbers from a uniform distribution with mean 0 and
// standard deviation std. Each uses 24 random bits and one rounding, so that every machine
// makes the same bytes.
func (b *Builder) Random(std float64, dims ...int64) string {
	limit := float32(std * math.Sqrt(3))
	n := tensor.Elements(dims)
	raw := make([]byte, 0, 4*n)
	for range n {
		u := float32(b.rng.Uint64()>>40) / (1 << 24)
		raw = tensor.AppendFloat32(raw, float32(2*u-1)*limit)
	}
	return b.constant(onnxpb.TensorProto_FLOAT, raw, dims)
}

// Bytes encodes the model.
func (b *Builder) Bytes() ([]byte, error) {
	return proto.MarshalOptions{Deterministic: true}.Marshal(&onnxpb.ModelProto{
		IrVersion: irVersion, ProducerName: "sweetspot", OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: opset}}, Graph: &b.graph,
	})
}

func (b *Builder) constant(e onnxgraph.Elem, raw []byte, dims []int64) string {
	name := b.name("const")
	b.graph.Initializer = append(b.graph.Initializer, &onnxpb.TensorProto{
		Name: name, DataType: int32(e), Dims: dims, RawData: raw,
	})
	return name
}

func (b *Builder) name(what string) string {
	b.names++
	return fmt.Sprintf("%s_%d", what, b.names)
}

func declare(name string, e onnxgraph.Elem, dims []onnxgraph.Dim) *onnxpb.ValueInfoProto {
	shape := &onnxpb.TensorShapeProto{}
	for _, d := range dims {
		pd := &onnxpb.TensorShapeProto_Dimension{Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: d.Size}}
		if d.Open() {
			pd.Value = &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: d.Name}
		}
		shape.Dim = append(shape.Dim, pd)
	}
	return &onnxpb.ValueInfoProto{Name: name, Type: &onnxpb.TypeProto{
		Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{ElemType: int32(e), Shape: shape}},
	}}
}

func replace(names []string, from, to string) {
	for i, n := range names {
		if n == from {
			names[i] = to
		}
	}
}
