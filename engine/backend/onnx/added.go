package onnx

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/onnxpb"
	"sweetspot/engine/tensor"
)

// An addition is a few nodes with one new output, which are appended to a model before it is
// loaded: the wrapper cannot take a value of unknown size in FP16 or BF16, a value without
// dimensions whose rank is unknown, or a map, but it can take what these nodes make of it.
type addition struct {
	output string
	elem   onnxgraph.Elem
	nodes  []*onnxpb.NodeProto
}

// prefix of the names of added nodes and values.
const prefix = "sweetspot/"

func node(op, out string, in []string, attrs ...*onnxpb.AttributeProto) *onnxpb.NodeProto {
	return &onnxpb.NodeProto{OpType: op, Name: out, Input: in, Output: []string{out}, Attribute: attrs}
}

// addRead reads the value called from in the type typ, as an output for name.
func addRead(name, from string, typ tensor.Type) addition {
	out, elem := prefix+name, bindings[typ].graph
	return addition{out, elem, []*onnxpb.NodeProto{node("Cast", out, []string{from}, onnxpb.AttrInt("to", int64(elem)))}}
}

// addFlat reads the value called name, or from if that is not empty, as its shape and as
// numbers without a shape: FP32 instead of FP16 and BF16, which is exact.
func addFlat(name, from string, typ tensor.Type) (shape, flat addition) {
	if from == "" {
		from = name
	}
	at := prefix + name
	shape = addition{at + "/shape", onnxpb.TensorProto_INT64, []*onnxpb.NodeProto{node("Shape", at+"/shape", []string{from})}}
	elem := bindings[flatType(typ)].graph
	one := &onnxpb.TensorProto{DataType: int32(onnxpb.TensorProto_INT64), Dims: []int64{1}, Int64Data: []int64{-1}}
	flat = addition{at + "/flat", elem, []*onnxpb.NodeProto{
		node("Cast", at+"/cast", []string{from}, onnxpb.AttrInt("to", int64(elem))),
		node("Constant", at+"/size", nil, &onnxpb.AttributeProto{Name: "value", Type: onnxpb.AttributeProto_TENSOR, T: one}),
		node("Reshape", at+"/flat", []string{at + "/cast", at + "/size"}),
	}}
	return shape, flat
}

// flatType is the type in which flat numbers are read.
func flatType(t tensor.Type) tensor.Type {
	if bindings[t].bytesOf == nil {
		return tensor.Float32
	}
	return t
}

// appendTo appends the additions to the bytes of a model. Appended messages are merged with
// the first ones by every reader of the format: lists continue.
func appendTo(model []byte, added []addition) ([]byte, error) {
	g := &onnxpb.GraphProto{}
	for _, a := range added {
		g.Node = append(g.Node, a.nodes...)
		g.Output = append(g.Output, &onnxpb.ValueInfoProto{Name: a.output, Type: &onnxpb.TypeProto{
			Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{ElemType: int32(a.elem)}},
		}})
	}
	more, err := proto.MarshalOptions{Deterministic: true}.Marshal(&onnxpb.ModelProto{Graph: g})
	if err != nil {
		return nil, err
	}
	return append(model[:len(model):len(model)], more...), nil
}

// liftInputs gives scalar inputs the shape [1] and another name, and makes scalars of their old name from
// them. It decodes the whole model, since an input cannot be taken away by appending.
func liftInputs(model []byte, names []string) ([]byte, error) {
	var m onnxpb.ModelProto
	if err := proto.Unmarshal(model, &m); err != nil {
		return nil, err
	}
	g := m.GetGraph()
	var nodes []*onnxpb.NodeProto
	for _, name := range names {
		i := slices.IndexFunc(g.Input, func(v *onnxpb.ValueInfoProto) bool { return v.GetName() == name })
		if i < 0 {
			return nil, fmt.Errorf("the graph has no input %q", name)
		}
		elem := int32(value(g.Input[i]))
		one := &onnxpb.TensorShapeProto{Dim: []*onnxpb.TensorShapeProto_Dimension{{Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: 1}}}}
		g.Input[i] = &onnxpb.ValueInfoProto{Name: prefix + name, Type: &onnxpb.TypeProto{
			Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{ElemType: elem, Shape: one}},
		}}
		g.Initializer = slices.DeleteFunc(g.Initializer, func(t *onnxpb.TensorProto) bool { return t.GetName() == name }) // its default is the engine's
		none := &onnxpb.TensorProto{DataType: int32(onnxpb.TensorProto_INT64), Dims: []int64{0}}
		shape := node("Constant", prefix+name+"/none", nil, &onnxpb.AttributeProto{Name: "value", Type: onnxpb.AttributeProto_TENSOR, T: none})
		reshape := node("Reshape", name, []string{prefix + name, prefix + name + "/none"})
		reshape.Name = prefix + name + "/scalar"
		nodes = append(nodes, shape, reshape)
	}
	g.Node = append(nodes, g.Node...)
	return proto.MarshalOptions{Deterministic: true}.Marshal(&m)
}

// value is the element type of a tensor, also of an optional one.
func value(v *onnxpb.ValueInfoProto) onnxgraph.Elem {
	t := v.GetType()
	if o := t.GetOptionalType(); o != nil {
		t = o.GetElemType()
	}
	return onnxgraph.Elem(t.GetTensorType().GetElemType())
}

// toHalf converts FP32 numbers to the 2-byte type typ; those that were of that type before
// do not change.
func toHalf(data []byte, typ tensor.Type) []byte {
	n := len(data) / tensor.Float32.Size()
	out := make([]byte, 0, n*typ.Size())
	for i := range n {
		v := tensor.Float32At(data, i)
		if typ == tensor.Float16 {
			out = tensor.AppendFloat16(out, v)
		} else {
			out = tensor.AppendBFloat16(out, v)
		}
	}
	return out
}
