package builtin

import (
	"math"

	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/onnxpb"
)

// The size of the encoder, as of BERT-mini.
const (
	encoderLayers = 4
	encoderWidth  = 256
	encoderHeads  = 4
	encoderInner  = 4 * encoderWidth // width between the two dense layers
	encoderVocab  = 8192
	encoderTokens = 512 // the longest text
)

// encoder is the transformer encoder of BERT: token and position embeddings, layers of
// attention and two dense layers, each followed by a shortcut and a normalization; two
// classes from the first token. Attention ignores tokens whose mask is 0.
func encoder() network {
	const int64s = onnxpb.TensorProto_INT64
	b := newNetwork("encoder", 4)
	ids := b.Input("input_ids", int64s, onnxgraph.Open("N"), onnxgraph.Open("S"))
	mask := b.Input("attention_mask", int64s, onnxgraph.Open("N"), onnxgraph.Open("S"))

	tokens := b.Op("Gather", []string{b.Random(0.5, encoderVocab, encoderWidth), ids})
	length := b.Op("Gather", []string{b.Op("Shape", []string{ids}), b.Ints([]int64{1}, 1)})
	positions := b.Op("Slice", []string{b.Random(0.1, encoderTokens, encoderWidth), b.Ints([]int64{0}, 1), length, b.Ints([]int64{0}, 1)})
	x := b.norm(b.Op("Add", []string{tokens, positions}))

	hidden := b.Op("Sub", []string{b.scalar(1), b.Op("Cast", []string{mask}, onnxpb.AttrInt("to", int64(float)))})
	bias := b.Op("Unsqueeze", []string{b.Op("Mul", []string{hidden, b.scalar(-1e4)}), b.Ints([]int64{1, 2}, 2)})
	for range encoderLayers {
		x = b.norm(b.Op("Add", []string{x, b.attention(x, bias)}))
		inner := b.gelu(b.linear(x, encoderWidth, encoderInner))
		x = b.norm(b.Op("Add", []string{x, b.linear(inner, encoderInner, encoderWidth)}))
	}
	first := b.Op("Gather", []string{x, b.Ints([]int64{0})}, onnxpb.AttrInt("axis", 1))
	b.Output("logits", b.dense(first, encoderWidth, 2), float, onnxgraph.Open("N"), onnxgraph.Dim{Size: 2})
	return b
}

// attention is multi-head self-attention over x; bias, [N 1 1 S], masks tokens.
func (b network) attention(x, bias string) string {
	const each = encoderWidth / encoderHeads
	heads := func(order ...int64) string { // [N S width] to [N heads S each] in the given order
		y := b.Op("Reshape", []string{b.linear(x, encoderWidth, encoderWidth), b.Ints([]int64{0, 0, encoderHeads, each}, 4)})
		return b.Op("Transpose", []string{y}, onnxpb.AttrInts("perm", order...))
	}
	query, key, value := heads(0, 2, 1, 3), heads(0, 2, 3, 1), heads(0, 2, 1, 3)
	scores := b.Op("Mul", []string{b.Op("MatMul", []string{query, key}), b.scalar(float32(1 / math.Sqrt(each)))})
	weights := b.Op("Softmax", []string{b.Op("Add", []string{scores, bias})}, onnxpb.AttrInt("axis", -1))
	y := b.Op("Transpose", []string{b.Op("MatMul", []string{weights, value})}, onnxpb.AttrInts("perm", 0, 2, 1, 3))
	y = b.Op("Reshape", []string{y, b.Ints([]int64{0, 0, encoderWidth}, 3)})
	return b.linear(y, encoderWidth, encoderWidth)
}

// linear is a dense layer over the last axis of x, for any rank.
func (b network) linear(x string, in, out int64) string {
	y := b.Op("MatMul", []string{x, b.Random(1/math.Sqrt(float64(in)), in, out)})
	return b.Op("Add", []string{y, b.Random(0.01, out)})
}

// gelu is x times the cumulative normal distribution at x.
func (b network) gelu(x string) string {
	below := b.Op("Add", []string{b.Op("Erf", []string{b.Op("Div", []string{x, b.scalar(math.Sqrt2)})}), b.scalar(1)})
	return b.Op("Mul", []string{b.Op("Mul", []string{x, below}), b.scalar(0.5)})
}

func (b network) norm(x string) string {
	in := []string{x, b.Fill(1, encoderWidth), b.Random(0.01, encoderWidth)}
	return b.Op("LayerNormalization", in, onnxpb.AttrInt("axis", -1), onnxpb.AttrFloat("epsilon", 1e-5))
}

func (b network) scalar(v float32) string { return b.Floats([]float32{v}) }
