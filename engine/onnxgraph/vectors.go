package onnxgraph

import (
	"slices"

	"sweetspot/engine/onnxgraph/onnxpb"
)

// setVectorSizes sets the open size of inputs that are vectors with a number for each dimension of
// another value, such as the scales of a Resize: ONNX Runtime does not check all of them, and
// writes beyond its memory.
func setVectorSizes(g *onnxpb.GraphProto, consts map[string]constant, inputs []Value) {
	r := newRanks(g, consts)
	same := map[string]*Value{} // values that are an input
	for i := range inputs {
		same[inputs[i].Name] = &inputs[i]
	}
	for _, n := range g.GetNode() {
		in := n.GetInput()
		switch n.GetOpType() {
		case "Identity", "Cast":
			if len(in) > 0 && len(n.GetOutput()) > 0 && same[in[0]] != nil {
				same[n.GetOutput()[0]] = same[in[0]]
			}
		}
		r.follow(n)
		for at, times := range perDimension(n) {
			if at >= len(in) || same[in[at]] == nil {
				continue
			}
			rank, ok := r.of[in[0]]
			if axes := n.Attr("axes").GetInts(); len(axes) > 0 {
				rank, ok = len(axes), true
			}
			switch v := same[in[at]]; {
			case len(v.Dims) != 1 || !v.Dims[0].Open():
			case ok && rank > 0:
				v.Dims, v.MaxSize = Fixed(int64(rank*times)), 0
			default:
				v.MaxSize = maxRank * int64(times)
			}
		}
	}
}

// maxRank is more dimensions than a value has.
const maxRank = 16

// perDimension returns which inputs of n have this many numbers for each dimension of its first
// input. An input that may be empty, because another one counts, is not among them.
func perDimension(n *onnxpb.NodeProto) map[int]int {
	in := n.GetInput()
	switch n.GetOpType() {
	case "Resize":
		if len(in) > 3 && in[3] != "" {
			return map[int]int{3: 1}
		}
		if len(in) > 2 {
			return map[int]int{2: 1}
		}
		return map[int]int{1: 1} // of opset 10
	case "Upsample", "Tile":
		return map[int]int{1: 1}
	case "Pad":
		if len(in) < 4 || in[3] == "" { // else the axes have the number
			return map[int]int{1: 2}
		}
	}
	return nil
}

// ranks are the numbers of dimensions of values, as far as they are known.
type ranks struct{ of map[string]int }

func newRanks(g *onnxpb.GraphProto, consts map[string]constant) ranks {
	r := ranks{map[string]int{}}
	for name, c := range consts {
		r.of[name] = len(c.dims)
	}
	for _, v := range slices.Concat(g.GetValueInfo(), g.GetInput()) {
		if dims := value(v).Dims; dims != nil {
			r.of[v.GetName()] = len(dims)
		}
	}
	return r
}

// sameRank are operators whose first output has the rank of their first input.
var sameRank = []string{
	"Abs", "AveragePool", "BatchNormalization", "Cast", "Ceil", "Clip", "Concat", "Conv", "ConvTranspose", "CumSum", "Dropout", "Elu", "Erf", "Exp", "Floor", "Gelu",
	"GlobalAveragePool", "GlobalMaxPool", "GroupNormalization", "HardSigmoid", "HardSwish", "Identity", "InstanceNormalization", "LayerNormalization", "LeakyRelu",
	"Log", "LogSoftmax", "MaxPool", "Mish", "Neg", "Pad", "PRelu", "Reciprocal", "Relu", "Resize", "Round", "Selu", "Sigmoid", "Sign", "Slice", "Softmax", "Softplus",
	"Split", "Sqrt", "Tanh", "Tile", "Transpose", "Upsample",
}

// follow adds the rank of the first output of n.
func (r ranks) follow(n *onnxpb.NodeProto) {
	in, out := n.GetInput(), n.GetOutput()
	if len(in) == 0 || len(out) == 0 {
		return
	}
	rank, ok := r.of[in[0]]
	switch op := n.GetOpType(); {
	case slices.Contains(sameRank, op):
	case slices.Contains([]string{"Add", "Sub", "Mul", "Div", "Pow"}, op) && len(in) == 2:
		other, known := r.of[in[1]]
		rank, ok = max(rank, other), ok && known
	default:
		return
	}
	if _, known := r.of[out[0]]; ok && !known {
		r.of[out[0]] = rank
	}
}
