package onnxgraph

import (
	"math"

	"sweetspot/engine/onnxgraph/onnxpb"
)

// origin says that a value has the numbers of an input, in any arrangement, plus an offset.
type origin struct {
	input  *Value
	offset int64
	elem   Elem // of the value
}

// setRanges sets the Range of integer inputs that certainly index a constant table, because
// another index would fail the run and every request in the batch. It follows only operators
// after which every number of the input is still there, and only nodes that always run: no
// bodies, and no nodes that no output needs.
func setRanges(g *onnxpb.GraphProto, consts map[string]constant, inputs []Value) {
	from := map[string]origin{} // by value name
	for i := range inputs {
		if isInteger(inputs[i].Elem) {
			from[inputs[i].Name] = origin{input: &inputs[i], elem: inputs[i].Elem}
		}
	}
	needed := neededNodes(g)
	for _, n := range g.GetNode() {
		if o, ok := follow(n, from, consts); ok && len(n.GetOutput()) > 0 {
			from[n.GetOutput()[0]] = o
		}
		if !needed[n] {
			continue
		}
		for _, l := range lookups(n) {
			l.narrow(from, consts)
		}
	}
	for i := range inputs {
		if r := inputs[i].Range; r != nil && (r.Min > r.Max || isUnsigned(inputs[i].Elem) && r.Max < 0) {
			inputs[i].Range = nil // the graph contradicts itself
		}
	}
}

// follow returns the origin of the first output of n, if that has the numbers of an input.
func follow(n *onnxpb.NodeProto, from map[string]origin, consts map[string]constant) (origin, bool) {
	in := n.GetInput()
	if len(in) == 0 {
		return origin{}, false
	}
	o, ok := from[in[0]]
	switch op := n.GetOpType(); {
	case ok && op == "Cast":
		to := Elem(n.Attr("to").GetI())
		ok = isInteger(to) && !wraps(o.elem, to)
		o.elem = to
		return o, ok
	case ok && keepsNumbers(n):
		return o, true
	case (op == "Add" || op == "Sub") && len(in) == 2:
		other := in[1]
		if !ok && op == "Add" {
			o, ok = from[in[1]]
			other = in[0]
		}
		c, single := consts[other].single()
		if !ok || !single || c > math.MaxInt32 || c < -math.MaxInt32 {
			return origin{}, false
		}
		if op == "Sub" {
			c = -c
		}
		o.offset += c
		return o, true
	}
	return origin{}, false
}

// lookup is the use of a value as index into a table along one of its axes.
type lookup struct {
	index, table string
	axis         int
	fromEnd      bool // negative indices count from the end
}

func lookups(n *onnxpb.NodeProto) []lookup {
	in := n.GetInput()
	switch n.GetOpType() {
	case "Gather":
		if len(in) == 2 {
			return []lookup{{in[1], in[0], int(n.Attr("axis").GetI()), true}}
		}
	case "EmbedLayerNormalization": // tokens, segments and their tables
		if len(in) >= 5 {
			return []lookup{{in[0], in[2], 0, false}, {in[1], in[4], 0, false}}
		}
	}
	return nil
}

// narrow limits the range of the input that l uses as index.
func (l lookup) narrow(from map[string]origin, consts map[string]constant) {
	o, ok := from[l.index]
	dims := consts[l.table].dims
	axis := l.axis
	if axis < 0 {
		axis += len(dims)
	}
	if !ok || axis < 0 || axis >= len(dims) || dims[axis] < 1 {
		return
	}
	r := Range{Min: -o.offset, First: -o.offset, Max: dims[axis] - 1 - o.offset}
	if l.fromEnd {
		r.Min -= dims[axis]
	}
	if old := o.input.Range; old != nil {
		r = Range{max(r.Min, old.Min), max(r.First, old.First), min(r.Max, old.Max)}
	}
	if isUnsigned(o.input.Elem) {
		r.Min, r.First = max(r.Min, 0), max(r.First, 0)
	}
	o.input.Range = &r
}

// keepsNumbers reports whether the first output of n has all integers of its first input, in
// any arrangement. A Slice is not among them, because it drops some.
func keepsNumbers(n *onnxpb.NodeProto) bool {
	switch n.GetOpType() {
	case "Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Expand":
		return true
	}
	return false
}

// wraps reports whether a Cast makes other integers of large ones, of which some are legal then.
// Nobody sends numbers of more than 32 bits as an index.
func wraps(from, to Elem) bool {
	a, b := TypeOf(from).Size(), TypeOf(to).Size()
	return b < 4 && (b < a || b == a && isUnsigned(from) != isUnsigned(to))
}

// neededNodes returns the nodes from which an output is computed.
func neededNodes(g *onnxpb.GraphProto) map[*onnxpb.NodeProto]bool {
	d, needed := newDependencies(g), map[*onnxpb.NodeProto]bool{}
	for _, v := range g.GetOutput() {
		d.visit(v.GetName(), needed, map[string]bool{})
	}
	return needed
}

func isInteger(e Elem) bool {
	switch e {
	case onnxpb.TensorProto_INT8, onnxpb.TensorProto_INT16, onnxpb.TensorProto_INT32, onnxpb.TensorProto_INT64:
		return true
	}
	return isUnsigned(e)
}

func isUnsigned(e Elem) bool {
	switch e {
	case onnxpb.TensorProto_UINT8, onnxpb.TensorProto_UINT16, onnxpb.TensorProto_UINT32, onnxpb.TensorProto_UINT64:
		return true
	}
	return false
}
