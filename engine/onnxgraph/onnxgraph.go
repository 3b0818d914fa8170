// Package onnxgraph reads ONNX models without running them.
//
// [Inspect] returns the inputs and outputs of a model: names, element types, dimensions with
// the names of the open ones, the legal range of an integer input, if the graph proves one,
// and the inputs from which an output is computed. It streams the file and keeps only tensors
// of a few numbers, so that the memory for a model of gigabytes depends only on its graph.
//
// The package checks only what it reads; the runtime checks whether the graph is valid. It
// names external weight files and never opens them.
//
// Package builder makes models, builtin has the built-in models, fp16 converts a model to
// FP16.
package onnxgraph

import (
	"fmt"
	"io"
	"strings"

	"google.golang.org/protobuf/proto"

	"sweetspot/engine/onnxgraph/onnxpb"
	"sweetspot/engine/tensor"
)

// Elem is a tensor's element type, with the numbers of the ONNX format. Unknown numbers are
// possible.
type Elem = onnxpb.TensorProto_DataType

// Info describes a model.
type Info struct {
	Producer   string // the program that wrote it, with its version
	IR         int64  // version of the file format
	Opset      int64  // of the standard operators; 0 if the model has none
	Nodes      int    // operators of the main graph
	Parameters int64  // numbers in the initializers of the main graph
	Inputs     []Value
	Outputs    []Value
	// Optional are the inputs with a default value that a caller may override, and that
	// are small enough to be no weights.
	Optional []Optional
	// Custom are the operators that neither the ONNX standard nor ONNX Runtime nor the
	// model itself defines, as domain.Type, sorted.
	Custom []string
	// External are the files of weights that the model refers to, relative to its own
	// folder, sorted.
	External []string
}

// Value is an input or output of a model. An input with a default value (an initializer) is
// not an input of the model, but perhaps an [Optional] one.
type Value struct {
	Name string
	Kind string // tensor, sequence, map, optional, sparse tensor; "" if the graph does not declare it
	Elem Elem   // of a tensor
	// Dims is nil if the graph does not declare the rank, empty for a scalar.
	Dims []Dim
	// Range is the range of legal values of an integer input; nil if the graph does not
	// prove one.
	Range *Range
	// MaxSize is the largest size of the open dimension of a vector that has a number for each
	// dimension of a value of unknown rank; 0 for other inputs.
	MaxSize int64
	// From are the inputs from which an output is computed, optional ones too, sorted.
	From []string
	// Probabilities is the tensor that an output of maps (a ZipMap node) is made of; nil
	// for all other outputs.
	Probabilities *Probabilities
}

// Optional is an input with a default value.
type Optional struct {
	Value
	Default []byte // little endian, in the value's type
}

// Probabilities is the tensor of a ZipMap node: a row per item, a column per label.
type Probabilities struct {
	Tensor string // the name of the tensor in the graph
	Labels []string
}

// Dim is one dimension: its size, or -1 if it is open, perhaps with a name.
type Dim struct {
	Size int64
	Name string
}

// Open returns an open dimension with a name, such as the batch.
func Open(name string) Dim { return Dim{Size: -1, Name: name} }

// Fixed returns dimensions with fixed sizes.
func Fixed(sizes ...int64) []Dim {
	out := make([]Dim, len(sizes))
	for i, n := range sizes {
		out[i] = Dim{Size: n}
	}
	return out
}

// Open reports whether the caller chooses the size.
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

// Range is a range of values with inclusive ends. Those below First are legal too, but count
// from the end of a table.
type Range struct{ Min, First, Max int64 }

// Inspect reads the model in r to its end. The error says why the bytes are not an ONNX
// model.
func Inspect(r io.Reader) (*Info, error) {
	graphOnly, err := stripWeights(r)
	if err != nil {
		return nil, fmt.Errorf("not an ONNX model: %w", err)
	}
	var m onnxpb.ModelProto
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(graphOnly, &m); err != nil {
		return nil, fmt.Errorf("not an ONNX model: %w", err)
	}
	g := m.GetGraph()
	if len(g.GetNode()) == 0 && len(g.GetOutput()) == 0 {
		return nil, fmt.Errorf("not an ONNX model: it has no graph")
	}
	info := &Info{
		Producer: strings.TrimSpace(m.GetProducerName() + " " + m.GetProducerVersion()),
		IR:       m.GetIrVersion(),
		Nodes:    len(g.GetNode()),
		Custom:   customOperators(&m),
		External: externalFiles(g),
	}
	for _, o := range m.GetOpsetImport() {
		if d := o.GetDomain(); d == "" || d == "ai.onnx" {
			info.Opset = o.GetVersion()
		}
	}
	for _, t := range g.GetInitializer() {
		info.Parameters += max(tensor.Elements(t.GetDims()), 0)
	}
	constants := constantsOf(g)
	info.readInputs(g, constants)
	info.readOutputs(g)
	setRanges(g, constants, info.Inputs)
	setVectorSizes(g, constants, info.Inputs)
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

// dim converts one dimension. It is open if it has no value or a negative one, which some
// exporters write.
func dim(d *onnxpb.TensorShapeProto_Dimension) Dim {
	if v, ok := d.GetValue().(*onnxpb.TensorShapeProto_Dimension_DimValue); ok && v.DimValue >= 0 {
		return Dim{Size: v.DimValue}
	}
	return Dim{Size: -1, Name: d.GetDimParam()}
}
