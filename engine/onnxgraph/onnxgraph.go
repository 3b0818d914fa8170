// Package onnxgraph reads ONNX models without running them.
//
// [Inspect] tells what a model takes and gives: names, element types,
// dimensions with the names of the open ones, and the legal range of an integer
// input where the graph shows it. It streams the file and never holds the
// weights, so a model of gigabytes costs what its graph costs.
//
// The package does not check a model beyond what it reads: whether the graph is
// valid is the runtime's to say. External weight files are never opened.
//
// Package builder makes models, builtin those that we ship, fp16 the FP16 twin of
// a model.
package onnxgraph

import (
	"fmt"
	"io"
	"strings"

	"google.golang.org/protobuf/proto"

	"sweetspot/engine/onnxgraph/onnxpb"
	"sweetspot/engine/tensor"
)

// Elem is a tensor's element type in the format's own numbers. Unknown numbers
// are possible.
type Elem = onnxpb.TensorProto_DataType

// Info is what a model says about itself.
type Info struct {
	Producer   string // the program that wrote it, with its version
	Opset      int64  // of the standard operators; 0 if the model names none
	Nodes      int    // operators of the main graph
	Parameters int64  // numbers in the main graph's initialisers
	Inputs     []Value
	Outputs    []Value
}

// Value is an input or output of a model. Inputs that an initialiser gives a
// default are not among a model's inputs.
type Value struct {
	Name string
	Kind string // tensor, sequence, map, optional, sparse tensor; "" if the graph does not tell
	Elem Elem   // of a tensor
	// Dims is nil when the graph does not tell the rank, empty for a scalar.
	Dims []Dim
	// Range holds the legal values of an integer input, nil when unknown.
	Range *Range
}

// Dim is one dimension: its size, or -1 and perhaps a name when it is open.
type Dim struct {
	Size int64
	Name string
}

// Open is an open dimension with a name, such as the batch.
func Open(name string) Dim { return Dim{Size: -1, Name: name} }

// Fixed are dimensions of known size.
func Fixed(sizes ...int64) []Dim {
	out := make([]Dim, len(sizes))
	for i, n := range sizes {
		out[i] = Dim{Size: n}
	}
	return out
}

// Open tells whether the size is left to the caller.
func (d Dim) Open() bool { return d.Size < 0 }

func (d Dim) String() string {
	switch {
	case !d.Open():
		return fmt.Sprint(d.Size)
	case d.Name == "":
		return "?"
	}
	return d.Name
}

// Range bounds values, both ends included.
type Range struct{ Min, Max int64 }

// Inspect reads the model in r to its end. The error says in what way the bytes
// are no ONNX model.
func Inspect(r io.Reader) (*Info, error) {
	bare, err := skeleton(r)
	if err != nil {
		return nil, fmt.Errorf("no ONNX model: %w", err)
	}
	var m onnxpb.ModelProto
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(bare, &m); err != nil {
		return nil, fmt.Errorf("no ONNX model: %w", err)
	}
	g := m.GetGraph()
	if len(g.GetNode()) == 0 && len(g.GetOutput()) == 0 {
		return nil, fmt.Errorf("no ONNX model: it holds no graph")
	}
	info := &Info{
		Producer: strings.TrimSpace(m.GetProducerName() + " " + m.GetProducerVersion()),
		Nodes:    len(g.GetNode()),
	}
	for _, o := range m.GetOpsetImport() {
		if d := o.GetDomain(); d == "" || d == "ai.onnx" {
			info.Opset = o.GetVersion()
		}
	}
	given := tables(g)
	for _, t := range g.GetInitializer() {
		info.Parameters += max(tensor.Elements(t.GetDims()), 0)
	}
	for _, v := range g.GetInput() {
		if _, ok := given[v.GetName()]; !ok {
			info.Inputs = append(info.Inputs, value(v))
		}
	}
	for _, v := range g.GetOutput() {
		info.Outputs = append(info.Outputs, value(v))
	}
	bound(g, given, info.Inputs)
	return info, nil
}

func value(v *onnxpb.ValueInfoProto) Value {
	out := Value{Name: v.GetName()}
	switch t := v.GetType().GetValue().(type) {
	case *onnxpb.TypeProto_TensorType:
		out.Kind, out.Elem = "tensor", Elem(t.TensorType.GetElemType())
		if s := t.TensorType.GetShape(); s != nil {
			out.Dims = make([]Dim, len(s.GetDim()))
			for i, d := range s.GetDim() {
				out.Dims[i] = dim(d)
			}
		}
	case *onnxpb.TypeProto_SequenceType:
		out.Kind = "sequence"
	case *onnxpb.TypeProto_MapType:
		out.Kind = "map"
	case *onnxpb.TypeProto_OptionalType:
		out.Kind = "optional"
	case *onnxpb.TypeProto_SparseTensorType:
		out.Kind = "sparse tensor"
	}
	return out
}

// dim reads one dimension. A dimension without value is open, and so is a
// negative one, which some exporters write.
func dim(d *onnxpb.TensorShapeProto_Dimension) Dim {
	if v, ok := d.GetValue().(*onnxpb.TensorShapeProto_Dimension_DimValue); ok && v.DimValue >= 0 {
		return Dim{Size: v.DimValue}
	}
	return Dim{Size: -1, Name: d.GetDimParam()}
}
