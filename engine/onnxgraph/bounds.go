package onnxgraph

import (
	"strings"

	"sweetspot/engine/onnxgraph/onnxpb"
)

// tables maps the name of every constant tensor of g (initialisers and Constant
// nodes) to its dimensions.
func tables(g *onnxpb.GraphProto) map[string][]int64 {
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

// bound sets the Range of the integer inputs that index a constant table: an
// index beyond it fails the run, and with it every request in the batch. Masks
// are known by name only.
func bound(g *onnxpb.GraphProto, consts map[string][]int64, inputs []Value) {
	source := map[string]*Value{} // value name -> the input whose numbers it holds
	for i := range inputs {
		if integer(inputs[i].Elem) {
			source[inputs[i].Name] = &inputs[i]
		}
	}
	for _, n := range g.GetNode() {
		if in := n.GetInput(); len(in) > 0 && source[in[0]] != nil && keepsNumbers(n) && len(n.GetOutput()) > 0 {
			source[n.GetOutput()[0]] = source[in[0]]
		}
		for _, l := range lookups(n) {
			v, dims := source[l.index], consts[l.table]
			if v != nil && l.axis < len(dims) && dims[l.axis] > 0 {
				v.Range = narrow(v.Range, dims[l.axis])
			}
		}
	}
	for i := range inputs {
		v := &inputs[i]
		if v.Range == nil && integer(v.Elem) && strings.Contains(strings.ToLower(v.Name), "mask") {
			v.Range = &Range{0, 1}
		}
	}
}

// narrow adds the table of n rows to what an index is known to be legal for.
func narrow(r *Range, n int64) *Range {
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
			if axis < 0 { // counted from the end of a rank we do not have here
				return nil
			}
			return []lookup{{in[1], in[0], axis}}
		}
	case "EmbedLayerNormalization": // token, segment and the tables of both
		if len(in) >= 5 {
			return []lookup{{in[0], in[2], 0}, {in[1], in[4], 0}}
		}
	}
	return nil
}

// keepsNumbers tells whether the first output of n holds the same integers as
// its first input, in whatever arrangement.
func keepsNumbers(n *onnxpb.NodeProto) bool {
	switch n.GetOpType() {
	case "Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Expand", "Slice":
		return true
	case "Cast":
		return integer(Elem(n.Attr("to").GetI()))
	}
	return false
}

func integer(e Elem) bool {
	switch e {
	case onnxpb.TensorProto_INT8, onnxpb.TensorProto_INT16, onnxpb.TensorProto_INT32, onnxpb.TensorProto_INT64,
		onnxpb.TensorProto_UINT8, onnxpb.TensorProto_UINT16, onnxpb.TensorProto_UINT32, onnxpb.TensorProto_UINT64:
		return true
	}
	return false
}
