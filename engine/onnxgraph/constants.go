package onnxgraph

import (
	"maps"
	"slices"

	"sweetspot/engine/onnxgraph/onnxpb"
	"sweetspot/engine/tensor"
)

// constant is a tensor whose numbers are in the file.
type constant struct {
	dims []int64
	typ  tensor.Type
	data []byte // little endian; nil for more than keptBytes, other types and external data
}

// constantsOf returns every constant tensor of g by its name: initializers and the outputs of
// Constant nodes.
func constantsOf(g *onnxpb.GraphProto) map[string]constant {
	out := make(map[string]constant, len(g.GetInitializer()))
	for _, t := range g.GetInitializer() {
		out[t.GetName()] = newConstant(t)
	}
	for _, s := range g.GetSparseInitializer() {
		out[s.GetValues().GetName()] = constant{dims: s.GetDims()}
	}
	for _, n := range g.GetNode() {
		if n.GetOpType() != "Constant" || len(n.GetOutput()) != 1 {
			continue
		}
		if a := n.Attr("value"); a != nil {
			out[n.GetOutput()[0]] = newConstant(a.GetT())
		} else if a := n.Attr("value_int"); a != nil {
			out[n.GetOutput()[0]] = constant{dims: []int64{}, typ: tensor.Int64, data: tensor.AppendInt(nil, tensor.Int64, a.GetI())}
		}
	}
	return out
}

func newConstant(t *onnxpb.TensorProto) constant {
	c := constant{dims: t.GetDims(), typ: TypeOf(Elem(t.GetDataType()))}
	data := numbers(t, c.typ)
	if len(data) <= keptBytes && int64(len(data)) == tensor.Elements(c.dims)*int64(c.typ.Size()) {
		c.data = data
	}
	return c
}

// numbers returns the numbers of t, which are in the field for its type or in raw_data.
func numbers(t *onnxpb.TensorProto, typ tensor.Type) []byte {
	if typ.Size() == 0 || t.GetDataLocation() != 0 {
		return nil
	}
	data := slices.Clone(t.GetRawData())
	for _, v := range t.GetFloatData() {
		data = tensor.AppendFloat32(data, v)
	}
	for _, v := range t.GetDoubleData() {
		data = tensor.AppendFloat(data, tensor.Float64, v)
	}
	for _, v := range t.GetInt64Data() {
		data = tensor.AppendInt(data, tensor.Int64, v)
	}
	for _, v := range t.GetUint64Data() {
		data = appendBits(data, typ, int64(v))
	}
	for _, v := range t.GetInt32Data() { // also half floats, as their bits
		data = appendBits(data, typ, int64(v))
	}
	return data
}

// appendBits appends v with the size of typ.
func appendBits(data []byte, typ tensor.Type, v int64) []byte {
	return append(data, tensor.AppendInt(nil, tensor.Int64, v)[:typ.Size()]...)
}

// single returns the one number of an integer constant; false if it has several numbers.
func (c constant) single() (int64, bool) {
	if c.data == nil || c.typ.IsFloat() || len(c.data) == 0 {
		return 0, false
	}
	first := tensor.IntAt(c.typ, c.data, 0)
	for i := range len(c.data) / c.typ.Size() {
		if tensor.IntAt(c.typ, c.data, i) != first {
			return 0, false
		}
	}
	return first, true
}

// TypeOf returns the element type that holds e, or Invalid.
func TypeOf(e Elem) tensor.Type {
	switch e {
	case onnxpb.TensorProto_BOOL:
		return tensor.Bool
	case onnxpb.TensorProto_UINT8:
		return tensor.Uint8
	case onnxpb.TensorProto_UINT16:
		return tensor.Uint16
	case onnxpb.TensorProto_UINT32:
		return tensor.Uint32
	case onnxpb.TensorProto_UINT64:
		return tensor.Uint64
	case onnxpb.TensorProto_INT8:
		return tensor.Int8
	case onnxpb.TensorProto_INT16:
		return tensor.Int16
	case onnxpb.TensorProto_INT32:
		return tensor.Int32
	case onnxpb.TensorProto_INT64:
		return tensor.Int64
	case onnxpb.TensorProto_FLOAT16:
		return tensor.Float16
	case onnxpb.TensorProto_FLOAT:
		return tensor.Float32
	case onnxpb.TensorProto_DOUBLE:
		return tensor.Float64
	case onnxpb.TensorProto_BFLOAT16:
		return tensor.BFloat16
	case onnxpb.TensorProto_STRING:
		return tensor.String
	}
	return tensor.Invalid
}

// externalFiles returns the files that tensors of g refer to.
func externalFiles(g *onnxpb.GraphProto) []string {
	found := map[string]bool{}
	addExternal(g, found)
	return slices.Sorted(maps.Keys(found))
}

func addExternal(g *onnxpb.GraphProto, found map[string]bool) {
	for _, t := range g.GetInitializer() {
		addLocation(t, found)
	}
	for _, t := range g.GetSparseInitializer() {
		addLocation(t.GetValues(), found)
		addLocation(t.GetIndices(), found)
	}
	for _, n := range g.GetNode() {
		for _, a := range n.GetAttribute() {
			for _, t := range append([]*onnxpb.TensorProto{a.GetT()}, a.GetTensors()...) {
				addLocation(t, found)
			}
		}
		for _, body := range bodies(n) {
			addExternal(body, found)
		}
	}
}

func addLocation(t *onnxpb.TensorProto, found map[string]bool) {
	if t.GetDataLocation() == 0 {
		return
	}
	for _, e := range t.GetExternalData() {
		if e.GetKey() == "location" {
			found[e.GetValue()] = true
		}
	}
}

// knownDomains are the domains of operators that the runtime has. Which operators a domain
// has is the runtime's to say.
var knownDomains = []string{
	"", "ai.onnx", "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview", "ai.onnx.preview.training",
	"com.microsoft", "com.microsoft.nchwc", "com.microsoft.experimental", "com.microsoft.dml", "com.ms.internal.nhwc",
}

// customOperators returns the operators of unknown domains that the model does not define.
func customOperators(m *onnxpb.ModelProto) []string {
	defined, found := map[string]bool{}, map[string]bool{}
	for _, f := range m.GetFunctions() {
		defined[f.GetName()] = true
	}
	addCustom(m.GetGraph(), defined, found)
	return slices.Sorted(maps.Keys(found))
}

func addCustom(g *onnxpb.GraphProto, defined, found map[string]bool) {
	for _, n := range g.GetNode() {
		if !slices.Contains(knownDomains, n.GetDomain()) && !defined[n.GetOpType()] {
			found[n.GetDomain()+"."+n.GetOpType()] = true
		}
		for _, body := range bodies(n) {
			addCustom(body, defined, found)
		}
	}
}
