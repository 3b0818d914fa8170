package fp16

import (
	"slices"

	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/onnxpb"
)

// outputElems returns the element types of n's outputs by the rules of the operator set. Most
// operators return the type of their first input; the others are listed. The bodies of
// control flow determine the types of its outputs.
func outputElems(n *onnxpb.NodeProto, elem func(string) onnxgraph.Elem) []onnxgraph.Elem {
	in := func(i int) onnxgraph.Elem {
		if i < len(n.GetInput()) {
			return elem(n.GetInput()[i])
		}
		return onnxpb.TensorProto_UNDEFINED
	}
	out := slices.Repeat([]onnxgraph.Elem{outputElem(n, in)}, len(n.GetOutput()))
	second := func(e onnxgraph.Elem) {
		for i := 1; i < len(out); i++ {
			out[i] = e
		}
	}
	switch n.GetOpType() {
	case "TopK", "MaxPool", "Unique":
		second(onnxpb.TensorProto_INT64)
	case "Dropout":
		second(onnxpb.TensorProto_BOOL)
	case "LayerNormalization", "SVMClassifier", "LinearClassifier", "TreeEnsembleClassifier":
		second(onnxpb.TensorProto_FLOAT)
	case "EmbedLayerNormalization":
		if len(out) > 1 {
			out[1] = onnxpb.TensorProto_INT32
		}
	case "DynamicQuantizeLinear":
		if len(out) > 1 {
			out[1] = onnxpb.TensorProto_FLOAT
		}
	}
	return out
}

// outputElem returns the type of the first output, which is the default for the others; in
// returns the types of the inputs.
func outputElem(n *onnxpb.NodeProto, in func(int) onnxgraph.Elem) onnxgraph.Elem {
	const (
		float  = onnxpb.TensorProto_FLOAT
		int64s = onnxpb.TensorProto_INT64
	)
	switch n.GetOpType() {
	case "Shape", "Size", "NonZero", "ArgMax", "ArgMin", "NonMaxSuppression", "StringLength":
		return int64s
	case "Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual", "And", "Or", "Not", "Xor", "IsNaN", "IsInf":
		return onnxpb.TensorProto_BOOL
	case "ConvInteger", "MatMulInteger":
		return onnxpb.TensorProto_INT32
	case "DynamicQuantizeLinear":
		return onnxpb.TensorProto_UINT8
	case "Scaler", "Normalizer", "OneHotEncoder", "FeatureVectorizer", "LinearRegressor", "SVMRegressor", "TreeEnsembleRegressor", "TfIdfVectorizer":
		return float
	case "SVMClassifier", "LinearClassifier", "TreeEnsembleClassifier", "CategoryMapper":
		return int64s // or strings; neither is converted
	case "Where", "CastLike", "DequantizeLinear":
		return in(1)
	case "OneHot", "EmbedLayerNormalization":
		return in(2)
	case "QLinearConv", "QLinearMatMul":
		return in(7)
	case "QuantizeLinear":
		if e := in(2); e != onnxpb.TensorProto_UNDEFINED {
			return e
		}
		return onnxpb.TensorProto_UINT8
	case "Constant", "ConstantOfShape", "LabelEncoder":
		return constantElem(n)
	}
	if a := dtypeAttr(n); a != "" {
		if t := n.Attr(a); t != nil {
			return onnxgraph.Elem(t.GetI())
		} else if len(n.GetInput()) == 0 || a == "output_datatype" {
			return float
		} else if n.GetOpType() == "Multinomial" {
			return onnxpb.TensorProto_INT32
		}
	}
	return in(0)
}

// dtypeAttr returns the name of the attribute with the output type of an operator, or "".
// Without the attribute, RandomNormal, RandomUniform and operators with output_datatype
// return FP32, Multinomial returns INT32, and the others return the type of their input.
func dtypeAttr(n *onnxpb.NodeProto) string {
	switch n.GetOpType() {
	case "Cast":
		return "to"
	case "RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "EyeLike", "Bernoulli", "Multinomial":
		return "dtype"
	case "HannWindow", "HammingWindow", "BlackmanWindow", "MelWeightMatrix":
		return "output_datatype"
	}
	return ""
}

// constantElem returns the type of the constant in n's attributes.
func constantElem(n *onnxpb.NodeProto) onnxgraph.Elem {
	for _, a := range n.GetAttribute() {
		switch a.GetName() {
		case "value":
			return onnxgraph.Elem(a.GetT().GetDataType())
		case "sparse_value":
			return onnxgraph.Elem(a.GetSparseTensor().GetValues().GetDataType())
		case "value_float", "value_floats", "values_floats":
			return onnxpb.TensorProto_FLOAT
		case "value_int", "value_ints", "values_int64s":
			return onnxpb.TensorProto_INT64
		}
	}
	if n.GetOpType() == "ConstantOfShape" {
		return onnxpb.TensorProto_FLOAT
	}
	return onnxpb.TensorProto_UNDEFINED
}

// bodyOutputElems returns the types of the n outputs of a control flow node, from the types of
// its body's outputs. The first output of a Loop's body is its condition.
func bodyOutputElems(node *onnxpb.NodeProto, body []onnxgraph.Elem, n int) []onnxgraph.Elem {
	if node.GetOpType() == "Loop" && len(body) > 0 {
		body = body[1:]
	}
	out := make([]onnxgraph.Elem, n)
	copy(out, body)
	return out
}

// alwaysFP32 reports whether output i of an operator is FP32 for inputs of any type: the
// statistics of a normalization.
func alwaysFP32(op string, i int) bool { return op == "LayerNormalization" && i > 0 }

// attributes converts the attributes of n to FP16; inputElems are the original types of its
// inputs.
func (c *converter) attributes(n *onnxpb.NodeProto, inputElems []onnxgraph.Elem) error {
	for _, a := range n.GetAttribute() {
		if err := c.attribute(a); err != nil {
			return err
		}
	}
	switch op := n.GetOpType(); op {
	case "Constant":
		return c.constant(n)
	case "ConstantOfShape":
		if n.Attr("value") == nil {
			zero := &onnxpb.TensorProto{DataType: int32(half.elem()), Dims: []int64{1}, RawData: []byte{0, 0}}
			n.Attribute = append(n.Attribute, &onnxpb.AttributeProto{Name: "value", Type: onnxpb.AttributeProto_TENSOR, T: zero})
		}
	default:
		name := dtypeAttr(n)
		if name == "" {
			break
		}
		a := n.Attr(name)
		if a != nil && onnxgraph.Elem(a.GetI()) == onnxpb.TensorProto_FLOAT {
			a.I = int64(half.elem())
		} else if a == nil && (len(inputElems) == 0 || name == "output_datatype") {
			n.Attribute = append(n.Attribute, onnxpb.AttrInt(name, int64(half.elem())))
		}
	}
	return nil
}

// attribute converts the FP32 tensors in a.
func (c *converter) attribute(a *onnxpb.AttributeProto) (err error) {
	isFloat := func(t *onnxpb.TensorProto) bool { return t.GetDataType() == int32(onnxpb.TensorProto_FLOAT) }
	if a.GetT() != nil && isFloat(a.GetT()) {
		if a.T, err = c.tensor(a.GetT()); err != nil {
			return err
		}
	}
	for i, t := range a.GetTensors() {
		if isFloat(t) {
			if a.Tensors[i], err = c.tensor(t); err != nil {
				return err
			}
		}
	}
	if a.GetSparseTensor() != nil {
		a.SparseTensor, err = c.sparseTensor(a.GetSparseTensor(), half)
	}
	return err
}

// constant converts the float attributes of a Constant to an FP16 tensor, because attributes
// have no FP16 numbers.
func (c *converter) constant(n *onnxpb.NodeProto) error {
	for i, a := range n.GetAttribute() {
		t := &onnxpb.TensorProto{DataType: int32(onnxpb.TensorProto_FLOAT)}
		switch a.GetName() {
		case "value_float":
			t.FloatData = []float32{a.GetF()}
		case "value_floats":
			t.FloatData, t.Dims = a.GetFloats(), []int64{int64(len(a.GetFloats()))}
		default:
			continue
		}
		t, err := c.tensor(t)
		if err != nil {
			return err
		}
		n.Attribute[i] = &onnxpb.AttributeProto{Name: "value", Type: onnxpb.AttributeProto_TENSOR, T: t}
	}
	return nil
}
