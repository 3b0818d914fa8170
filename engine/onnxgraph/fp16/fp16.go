// Package fp16 makes the FP16 twin of an ONNX model, the ONNX answer to PyTorch's
// model.half().
//
// [Convert] rewrites weights, types and attributes, in bodies of control flow too,
// and puts a Cast where FP32 and FP16 meet. Inputs and outputs stay what they are.
// What it cannot convert whole it refuses; whether the graph is valid is the
// runtime's to say.
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

// The range that converted numbers are moved into, leaving zero, infinities and
// NaN as they are. It is narrower than what FP16 holds, so that sums of a few
// large numbers do not overflow and no small one becomes zero.
const (
	most  = 1e4
	least = 1e-7
)

// maxConverted is the largest model that is converted; protobuf messages end at
// 2 GB.
const maxConverted = math.MaxInt32

// Options say what of a model stays in FP32. The zero value keeps the nodes
// of KeptOps.
type Options struct {
	KeepOps   []string // operator types; nil is KeptOps
	KeepNodes []string // names of nodes, beside those
}

// Report tells what a conversion did.
type Report struct {
	Converted int64 // numbers written as FP16
	Clipped   int64 // of them, finite ones moved to ±1e4
	Flushed   int64 // of them, ones other than 0 moved to ±1e-7
	Casts     int   // nodes added
	Kept      int   // nodes left in FP32; one with its bodies counts once
}

// KeptOps are the operators that stay in FP32 unless Options say otherwise:
// those that runtimes have in no other type, those whose results are indices or
// sizes that half the digits get wrong, and those on quantised numbers, whose
// scales are FP32.
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

// Convert returns the FP16 twin of the FP32 model in data: weights and values in
// between are FP16, inputs and outputs are what they were. It refuses models
// that it cannot convert whole, in words that say why.
func Convert(data []byte, o Options) ([]byte, Report, error) {
	if len(data) > maxConverted {
		return nil, Report{}, fmt.Errorf("a model of %d MB is too large to convert; the limit is %d MB", len(data)>>20, maxConverted>>20)
	}
	m := &onnxpb.ModelProto{}
	if err := proto.Unmarshal(data, m); err != nil {
		return nil, Report{}, fmt.Errorf("no ONNX model: %w", err)
	}
	if err := convertible(m); err != nil {
		return nil, Report{}, err
	}
	c := newHalving(m.GetGraph(), o)
	if _, err := c.graph(m.GetGraph(), nil, full, nil); err != nil {
		return nil, Report{}, err
	}
	if c.floats == 0 {
		return nil, Report{}, errors.New("the model has no FP32 numbers to convert")
	}
	out, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	return out, c.report, err
}

// convertible refuses models that hold what the conversion does not look into.
func convertible(m *onnxpb.ModelProto) error {
	if m.GetGraph() == nil {
		return errors.New("no ONNX model: it holds no graph")
	}
	if f := m.GetFunctions(); len(f) > 0 {
		return fmt.Errorf("the model defines operators of its own (%s), which are not converted", f[0].GetName())
	}
	return convertibleGraph(m.GetGraph())
}

func convertibleGraph(g *onnxpb.GraphProto) error {
	for _, values := range [][]*onnxpb.ValueInfoProto{g.GetInput(), g.GetOutput(), g.GetValueInfo()} {
		for _, v := range values {
			if err := convertibleElem(elemOf(v), v.GetName()); err != nil {
				return err
			}
		}
	}
	for _, t := range g.GetInitializer() {
		if err := convertibleTensor(t, t.GetName()); err != nil {
			return err
		}
	}
	for _, t := range g.GetSparseInitializer() {
		if err := convertibleTensor(t.GetValues(), t.GetValues().GetName()); err != nil {
			return err
		}
	}
	for _, n := range g.GetNode() {
		if err := convertibleNode(n); err != nil {
			return err
		}
	}
	return nil
}

func convertibleNode(n *onnxpb.NodeProto) error {
	if slices.Contains(sequenceOps(), n.GetOpType()) {
		return fmt.Errorf("%s is a %s, and sequences are not converted", nodeName(n), n.GetOpType())
	}
	for _, a := range n.GetAttribute() {
		if a.GetName() == "to" || a.GetName() == "dtype" {
			if err := convertibleElem(onnxgraph.Elem(a.GetI()), nodeName(n)); err != nil {
				return err
			}
		}
		for _, t := range append(slices.Clone(a.GetTensors()), a.GetT(), a.GetSparseTensor().GetValues()) {
			if err := convertibleTensor(t, nodeName(n)); err != nil {
				return err
			}
		}
		for _, g := range append(slices.Clone(a.GetGraphs()), a.GetG()) {
			if err := convertibleGraph(g); err != nil {
				return err
			}
		}
	}
	return nil
}

func convertibleTensor(t *onnxpb.TensorProto, name string) error {
	if external := t.GetExternalData(); len(external) > 0 || t.GetDataLocation() != 0 {
		file := "other files"
		for _, e := range external {
			if e.GetKey() == "location" {
				file = e.GetValue()
			}
		}
		return fmt.Errorf("the model keeps numbers in %s, which is not converted; save it as one file", file)
	}
	return convertibleElem(onnxgraph.Elem(t.GetDataType()), name)
}

func convertibleElem(e onnxgraph.Elem, name string) error {
	if e == onnxpb.TensorProto_FLOAT16 || e == onnxpb.TensorProto_BFLOAT16 {
		return fmt.Errorf("the model is of half precision already: %s is %s", name, e)
	}
	return nil
}

// sequenceOps handle values that are no tensors, whose types we do not follow.
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
func (c *halving) tensor(t *onnxpb.TensorProto) (*onnxpb.TensorProto, error) {
	n := tensor.Elements(t.GetDims())
	raw, floats := t.GetRawData(), t.GetFloatData()
	if n < 0 {
		return nil, fmt.Errorf("the model is damaged: %q has dimensions %v", t.GetName(), t.GetDims())
	}
	if stored := int64(len(raw)/4 + len(floats)); stored != n || len(raw)%4 != 0 {
		return nil, fmt.Errorf("the model is damaged: %q should hold %d numbers and holds %d", t.GetName(), n, stored)
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

// append adds v as FP16, moved into the range and counted if it is outside.
func (c *halving) append(out []byte, v float32) []byte {
	switch size := math.Abs(float64(v)); {
	case size > most && !math.IsInf(size, 1):
		c.report.Clipped++
		v = float32(math.Copysign(most, float64(v)))
	case size > 0 && float32(size) < least:
		c.report.Flushed++
		v = float32(math.Copysign(least, float64(v)))
	}
	return tensor.AppendFloat16(out, v)
}
