// Package fp16 converts an ONNX model to FP16, like PyTorch's model.half().
//
// [Convert] converts weights, types and attributes, also in bodies of control flow, and adds
// a Cast wherever a value is needed in the other precision. The types of inputs and outputs
// do not change. It refuses a model that it cannot convert completely; the runtime checks
// whether the graph is valid.
package fp16

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/onnxpb"
	"sweetspot/engine/tensor"
)

// The range to which the absolute values of numbers are clipped, except zero, infinities and
// NaN. It is smaller than the range of FP16, so that sums of a few large numbers do not
// overflow and no small number becomes zero.
const (
	maxValue = 1e4
	minValue = 1e-7
)

// maxConverted is the largest model that can be converted, because protobuf messages are
// limited to 2 GB.
const maxConverted = math.MaxInt32

// Options has the nodes that stay in FP32. The zero value keeps the nodes of KeptOps.
type Options struct {
	KeepOps   []string // operator types; nil is KeptOps
	KeepNodes []string // names of further nodes
}

// Report counts what a conversion changed.
type Report struct {
	Converted int64 // numbers written as FP16
	Clipped   int64 // of them, finite numbers set to ±1e4
	Flushed   int64 // of them, numbers near 0 set to ±1e-7
	Casts     int   // nodes added
	Kept      int   // nodes that stay in FP32; a node with its bodies counts once
}

// KeptOps returns the operators that stay in FP32 by default: operators without an FP16
// implementation, operators that compute indices or sizes, for which FP16 is not exact
// enough, and operators on quantized numbers, whose scales are FP32.
func KeptOps() []string {
	return []string{
		"ArrayFeatureExtractor", "Binarizer", "CastMap", "CategoryMapper", "DictVectorizer", "FeatureVectorizer",
		"Imputer", "LabelEncoder", "LinearClassifier", "LinearRegressor", "Normalizer", "OneHotEncoder",
		"SVMClassifier", "SVMRegressor", "Scaler", "TreeEnsembleClassifier", "TreeEnsembleRegressor", "ZipMap",
		"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike",
		"NonMaxSuppression", "TopK", "RoiAlign", "Resize", "Upsample", "Range", "CumSum", "Min", "Max",
		"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul",
	}
}

// Convert converts the FP32 model in data: weights and intermediate values become FP16,
// inputs and outputs do not change. It returns an error with the reason if it cannot convert
// the model completely.
func Convert(data []byte, o Options) ([]byte, Report, error) {
	if len(data) > maxConverted {
		return nil, Report{}, fmt.Errorf("a model of %d MB is too large to convert; the limit is %d MB", len(data)>>20, maxConverted>>20)
	}
	m := &onnxpb.ModelProto{}
	if err := proto.Unmarshal(data, m); err != nil {
		return nil, Report{}, fmt.Errorf("not an ONNX model: %w", err)
	}
	if err := checkModel(m); err != nil {
		return nil, Report{}, err
	}
	c := newConverter(m.GetGraph(), o)
	if _, err := c.graph(m.GetGraph(), nil, full, nil); err != nil {
		return nil, Report{}, err
	}
	if c.floats == 0 {
		return nil, Report{}, errors.New("the model has no FP32 numbers to convert")
	}
	out, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	return out, c.report, err
}

// checkModel refuses models with parts that the conversion does not support.
func checkModel(m *onnxpb.ModelProto) error {
	if m.GetGraph() == nil {
		return errors.New("not an ONNX model: it has no graph")
	}
	if f := m.GetFunctions(); len(f) > 0 {
		return fmt.Errorf("the model defines its own operators (%s), which cannot be converted", f[0].GetName())
	}
	return checkGraph(m.GetGraph())
}

func checkGraph(g *onnxpb.GraphProto) error {
	for _, values := range [][]*onnxpb.ValueInfoProto{g.GetInput(), g.GetOutput(), g.GetValueInfo()} {
		for _, v := range values {
			if err := checkElem(elemOf(v), v.GetName()); err != nil {
				return err
			}
		}
	}
	for _, t := range g.GetInitializer() {
		if err := checkTensor(t, t.GetName()); err != nil {
			return err
		}
	}
	for _, t := range g.GetSparseInitializer() {
		if err := checkTensor(t.GetValues(), t.GetValues().GetName()); err != nil {
			return err
		}
	}
	for _, n := range g.GetNode() {
		if err := checkNode(n); err != nil {
			return err
		}
	}
	return nil
}

func checkNode(n *onnxpb.NodeProto) error {
	if slices.Contains(sequenceOps(), n.GetOpType()) {
		return fmt.Errorf("%s is a %s, and sequences cannot be converted", nodeName(n), n.GetOpType())
	}
	for _, a := range n.GetAttribute() {
		if a.GetName() == "to" || a.GetName() == "dtype" {
			if err := checkElem(onnxgraph.Elem(a.GetI()), nodeName(n)); err != nil {
				return err
			}
		}
		for _, t := range append(slices.Clone(a.GetTensors()), a.GetT(), a.GetSparseTensor().GetValues()) {
			if err := checkTensor(t, nodeName(n)); err != nil {
				return err
			}
		}
		for _, g := range append(slices.Clone(a.GetGraphs()), a.GetG()) {
			if err := checkGraph(g); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkTensor(t *onnxpb.TensorProto, name string) error {
	if external := t.GetExternalData(); len(external) > 0 || t.GetDataLocation() != 0 {
		file := "other files"
		for _, e := range external {
			if e.GetKey() == "location" {
				file = e.GetValue()
			}
		}
		return fmt.Errorf("the model has weights in %s, which cannot be converted; save it as one file", file)
	}
	return checkElem(onnxgraph.Elem(t.GetDataType()), name)
}

func checkElem(e onnxgraph.Elem, name string) error {
	if e == onnxpb.TensorProto_FLOAT16 || e == onnxpb.TensorProto_BFLOAT16 {
		return fmt.Errorf("the model already has half precision: %s is %s; with precision fp32 it is served as it is", name, e)
	}
	return nil
}

// sequenceOps returns the operators on values that are not tensors, whose types the
// conversion does not track.
func sequenceOps() []string {
	return []string{
		"SequenceConstruct", "SequenceEmpty", "SequenceInsert", "SequenceErase", "SequenceAt", "SequenceMap",
		"SplitToSequence", "ConcatFromSequence", "Optional", "OptionalGetElement",
	}
}

func nodeName(n *onnxpb.NodeProto) string {
	if n.GetName() != "" {
		return "node " + n.GetName()
	}
	return "a node without a name"
}

func elemOf(v *onnxpb.ValueInfoProto) onnxgraph.Elem {
	return onnxgraph.Elem(v.GetType().GetTensorType().GetElemType())
}

// tensor returns t, which is FP32, as FP16.
func (c *converter) tensor(t *onnxpb.TensorProto) (*onnxpb.TensorProto, error) {
	n := tensor.Elements(t.GetDims())
	raw, floats := t.GetRawData(), t.GetFloatData()
	if n < 0 {
		return nil, fmt.Errorf("the model is damaged: %q has dimensions %v", t.GetName(), t.GetDims())
	}
	if stored := int64(len(raw)/4 + len(floats)); stored != n || len(raw)%4 != 0 {
		return nil, fmt.Errorf("the model is damaged: %q should have %d numbers and has %d", t.GetName(), n, stored)
	}
	out := make([]byte, 0, 2*n)
	for ; len(raw) > 0; raw = raw[4:] {
		out = c.append(out, tensor.Float32At(raw, 0))
	}
	for _, v := range floats {
		out = c.append(out, v)
	}
	c.report.Converted += n
	return &onnxpb.TensorProto{Name: t.GetName(), Dims: t.GetDims(), DataType: int32(onnxpb.TensorProto_FLOAT16), RawData: out}, nil
}

// append appends v as FP16. It clips v to the range and counts that.
func (c *converter) append(out []byte, v float32) []byte {
	switch size := math.Abs(float64(v)); {
	case size > maxValue && !math.IsInf(size, 1):
		c.report.Clipped++
		v = float32(math.Copysign(maxValue, float64(v)))
	case size > 0 && float32(size) < minValue:
		c.report.Flushed++
		v = float32(math.Copysign(minValue, float64(v)))
	}
	return tensor.AppendFloat16(out, v)
}
