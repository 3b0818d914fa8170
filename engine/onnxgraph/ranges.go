package onnxgraph

import (
	"strings"

	"sweetspot/engine/onnxgraph/onnxpb"
)

// constantShapes maps the name of every constant tensor of g (initializers and Constant nodes)
// to its dimensions.
func constantShapes(g *onnxpb.GraphProto) map[string][]int64 {
	out := make(map[string][]int64, len(g.GetInitializer()))
	for _, t := range g.GetInitializer() {
		out[t.GetName()] = t.GetDims()
	}
	for _, s := range g.GetSparseInitializer() {
		out[s.GetValues().GetName()] = s.GetDims()
	}
	for _, n := range g.GetNode() {
		if n.GetOpType() != "Constant" || len(n.GetOutput()) != 1 {
			continue
		}
		if a := n.Attr("value"); a != nil {
			out[n.GetOutput()[0]] = a.GetT().GetDims()
		}
	}
	return out
}

// setRanges sets the Range of integer inputs that index a constant table, because a larger
// index would fail the run and every request in the batch. Masks are found only by name.
func setRanges(g *onnxpb.GraphProto, consts map[string][]int64, inputs []Value) {
	source := map[string]*Value{} // by value name: the input that has the same numbers
	for i := range inputs {
		if isInteger(inputs[i].Elem) {
			source[inputs[i].Name] = &inputs[i]
		}
	}
	for _, n := range g.GetNode() {
		if in := n.GetInput(); len(in) > 0 && source[in[0]] != nil && passesValues(n) && len(n.GetOutput()) > 0 {
			source[n.GetOutput()[0]] = source[in[0]]
		}
		for _, l := range lookups(n) {
			v, dims := source[l.index], consts[l.table]
			if v != nil && l.axis < len(dims) && dims[l.axis] > 0 {
				v.Range = narrowRange(v.Range, dims[l.axis])
			}
		}
	}
	for i := range inputs {
		v := &inputs[i]
		if v.Range == nil && isInteger(v.Elem) && strings.Contains(strings.ToLower(v.Name), "mask") {
			v.Range = &Range{0, 1}
		}
	}
}

// narrowRange limits the range r of an index to a table of n rows.
func narrowRange(r *Range, n int64) *Range {
	if r != nil && r.Max < n {
		return r
	}
	return &Range{0, n - 1}
}

// lookup is the use of a value as index into a table along one of its axes.
type lookup struct {
	index, table string
	axis         int
}

func lookups(n *onnxpb.NodeProto) []lookup {
	in := n.GetInput()
	switch n.GetOpType() {
	case "Gather":
		if len(in) == 2 {
			axis := int(n.Attr("axis").GetI())
			if axis < 0 { // counted from the end, and the rank is unknown here
				return nil
			}
			return []lookup{{in[1], in[0], axis}}
		}
	case "EmbedLayerNormalization": // tokens, segments and their tables
		if len(in) >= 5 {
			return []lookup{{in[0], in[2], 0}, {in[1], in[4], 0}}
		}
	}
	return nil
}

// passesValues reports whether the first output of n has the same integers as its first input,
// in any arrangement.
func passesValues(n *onnxpb.NodeProto) bool {
	switch n.GetOpType() {
	case "Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Expand", "Slice":
		return true
	case "Cast":
		return isInteger(Elem(n.Attr("to").GetI()))
	}
	return false
}

func isInteger(e Elem) bool {
	switch e {
	case onnxpb.TensorProto_INT8, onnxpb.TensorProto_INT16, onnxpb.TensorProto_INT32, onnxpb.TensorProto_INT64,
		onnxpb.TensorProto_UINT8, onnxpb.TensorProto_UINT16, onnxpb.TensorProto_UINT32, onnxpb.TensorProto_UINT64:
		return true
	}
	return false
}
