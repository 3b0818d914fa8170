package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"sweetspot/engine/onnxgraph/onnxpb"
	"sweetspot/engine/tensor"
)

// nodeTestsEnv is the variable with the folder of the test data of the ONNX project:
// folders of tests, or folders with such folders.
const nodeTestsEnv = "SWEETSPOT_ONNX_TESTS"

// nodeTestsFolder is where Debian's package libonnx-testdata puts the test data.
const nodeTestsFolder = "/usr/share/libonnx-testdata/data"

// errNoNodeTests means that the test data are not on this machine.
var errNoNodeTests = errors.New("no test data of the ONNX project: install Debian's libonnx-testdata, or set " + nodeTestsEnv + " to the folder that has node/test_abs/model.onnx")

// nodeTest is one test of the ONNX project: a model with a set of inputs and outputs.
type nodeTest struct {
	name  string // such as node/test_abs
	model string // file
	data  string // folder with the inputs and outputs
	over  string // protocol: "" is /predictions, or overOIP, or overBatches
}

// findNodeTests lists the tests below the folder of the environment, or of Debian's
// package, in the order of their names.
func findNodeTests() ([]nodeTest, error) {
	root := os.Getenv(nodeTestsEnv)
	if root == "" {
		root = nodeTestsFolder
	}
	var out []nodeTest
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "model.onnx" {
			return err
		}
		dir := filepath.Dir(path)
		name, err := filepath.Rel(root, dir)
		if err != nil {
			return err
		}
		sets, err := filepath.Glob(filepath.Join(dir, "test_data_set_*"))
		for _, set := range sets {
			out = append(out, nodeTest{name: name, model: path, data: set})
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(out) == 0 {
		return nil, errNoNodeTests
	}
	return out, err
}

// namedTensor is an input or the expected value of an output.
type namedTensor struct {
	name string
	tensor.Tensor
}

// unreadable is why a value of a test is no tensor that a body can have.
type unreadable struct{ what string }

func (u unreadable) Error() string { return u.what }

// values reads the inputs and the expected outputs of a test.
func (t nodeTest) values() (in, out []namedTensor, err error) {
	var m onnxpb.ModelProto
	if err := readProto(t.model, &m); err != nil {
		return nil, nil, err
	}
	var constants []string
	for _, c := range m.GetGraph().GetInitializer() {
		constants = append(constants, c.GetName())
	}
	inputs := slices.DeleteFunc(slices.Clone(m.GetGraph().GetInput()), func(v *onnxpb.ValueInfoProto) bool {
		return slices.Contains(constants, v.GetName())
	})
	if in, err = t.read("input", inputs); err != nil {
		return nil, nil, err
	}
	out, err = t.read("output", m.GetGraph().GetOutput())
	return in, out, err
}

// read reads the files of the values called kind.
func (t nodeTest) read(kind string, values []*onnxpb.ValueInfoProto) ([]namedTensor, error) {
	var out []namedTensor
	for i, v := range values {
		file := filepath.Join(t.data, fmt.Sprintf("%s_%d.pb", kind, i))
		x, err := readTensor(file, v.GetType())
		if errors.Is(err, errNoTensor) {
			return nil, unreadable{"an " + kind + " that is no tensor"}
		}
		if err != nil {
			return nil, err
		}
		out = append(out, namedTensor{v.GetName(), x})
	}
	return out, nil
}

// errNoTensor means that a value is no tensor, and no optional value that holds one.
var errNoTensor = errors.New("no tensor")

// readTensor reads a value of a type.
func readTensor(file string, typ *onnxpb.TypeProto) (tensor.Tensor, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return tensor.Tensor{}, err
	}
	if o, ok := typ.GetValue().(*onnxpb.TypeProto_OptionalType); ok {
		typ = o.OptionalType.GetElemType()
		if data, err = optionalValue(data); err != nil {
			return tensor.Tensor{}, err
		}
	}
	declared, ok := typ.GetValue().(*onnxpb.TypeProto_TensorType)
	if !ok {
		return tensor.Tensor{}, errNoTensor
	}
	var p onnxpb.TensorProto
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(data, &p); err != nil {
		return tensor.Tensor{}, err
	}
	x, err := tensorOf(&p)
	if declared.TensorType.GetElemType() == int32(onnxpb.TensorProto_BFLOAT16) && x.Type == tensor.Uint16 {
		x.Type = tensor.BFloat16 // the project's tests write its bits, because NumPy has no such type
	}
	return x, err
}

// optionalValue returns the tensor of an OptionalProto, its field 3.
func optionalValue(data []byte) ([]byte, error) {
	const tensorValue = 3
	for len(data) > 0 {
		field, typ, n := protowire.ConsumeTag(data)
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		data = data[n:]
		if field == tensorValue && typ == protowire.BytesType {
			value, n := protowire.ConsumeBytes(data)
			return value, protowire.ParseError(min(n, 0))
		}
		if n = protowire.ConsumeFieldValue(field, typ, data); n < 0 {
			return nil, protowire.ParseError(n)
		}
		data = data[n:]
	}
	return nil, errNoTensor
}

func readProto(path string, m proto.Message) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return proto.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(data, m)
}

// tensorTypes are the element types that bodies can have.
var tensorTypes = map[onnxpb.TensorProto_DataType]tensor.Type{
	onnxpb.TensorProto_BOOL: tensor.Bool, onnxpb.TensorProto_UINT8: tensor.Uint8, onnxpb.TensorProto_UINT16: tensor.Uint16,
	onnxpb.TensorProto_UINT32: tensor.Uint32, onnxpb.TensorProto_UINT64: tensor.Uint64, onnxpb.TensorProto_INT8: tensor.Int8,
	onnxpb.TensorProto_INT16: tensor.Int16, onnxpb.TensorProto_INT32: tensor.Int32, onnxpb.TensorProto_INT64: tensor.Int64,
	onnxpb.TensorProto_FLOAT16: tensor.Float16, onnxpb.TensorProto_FLOAT: tensor.Float32, onnxpb.TensorProto_DOUBLE: tensor.Float64,
	onnxpb.TensorProto_BFLOAT16: tensor.BFloat16, onnxpb.TensorProto_STRING: tensor.String,
}

// tensorOf converts p, whose numbers are raw bytes or in the list for its type.
func tensorOf(p *onnxpb.TensorProto) (tensor.Tensor, error) {
	elem := onnxpb.TensorProto_DataType(p.GetDataType())
	typ, ok := tensorTypes[elem]
	if !ok {
		return tensor.Tensor{}, unreadable{"values of type " + strings.ToLower(elem.String())}
	}
	t := tensor.Tensor{Type: typ, Shape: append([]int64{}, p.GetDims()...), Data: p.GetRawData()}
	if len(t.Data) == 0 {
		t.Data = listed(p, typ)
	}
	if tensor.Elements(t.Shape) != tensor.Count(typ, t.Data) {
		return t, fmt.Errorf("%d bytes for %s %v", len(t.Data), typ, t.Shape)
	}
	return t, nil
}

// listed returns the numbers of p's lists as bytes; one list is used.
func listed(p *onnxpb.TensorProto, typ tensor.Type) []byte {
	out := []byte{}
	for _, v := range p.GetStringData() {
		out = tensor.AppendText(out, string(v))
	}
	for _, v := range p.GetFloatData() {
		out = tensor.AppendFloat32(out, v)
	}
	for _, v := range p.GetDoubleData() {
		out = tensor.AppendFloat(out, tensor.Float64, v)
	}
	for _, v := range p.GetInt64Data() {
		out = tensor.AppendInt(out, tensor.Int64, v)
	}
	for _, v := range p.GetUint64Data() {
		out = tensor.AppendInt(out, typ, int64(v))
	}
	for _, v := range p.GetInt32Data() {
		if typ == tensor.Float16 || typ == tensor.BFloat16 { // the bits of the number
			out = tensor.AppendInt(out, tensor.Uint16, int64(v))
			continue
		}
		out = tensor.AppendInt(out, typ, int64(v))
	}
	return out
}

// The tolerances of the ONNX project's test runner.
const (
	nodeRelative = 1e-3
	nodeAbsolute = 1e-7
)

// compareTensors returns how got differs from want, or "". The type must be the same,
// and the shape too, but for a leading axis of 1, which an item has not. Floats may
// differ by nodeAbsolute + nodeRelative x |want|; NaN equals NaN.
func compareTensors(want, got tensor.Tensor) string {
	switch {
	case want.Type != got.Type:
		return fmt.Sprintf("type %s, expected %s", got.Type, want.Type)
	case !slices.Equal(want.Shape, got.Shape) && !(len(want.Shape) > 0 && want.Shape[0] == 1 && slices.Equal(want.Shape[1:], got.Shape)):
		return fmt.Sprintf("shape %v, expected %v", got.Shape, want.Shape)
	case want.Type == tensor.String:
		if !bytes.Equal(want.Data, got.Data) {
			return fmt.Sprintf("texts % q, expected % q", got.Data, want.Data)
		}
		return ""
	case len(want.Data) != len(got.Data):
		return fmt.Sprintf("%d bytes, expected %d", len(got.Data), len(want.Data))
	}
	for i := range len(want.Data) / want.Type.Size() {
		if !sameNumber(want, got, i) {
			return fmt.Sprintf("value %d is %v, expected %v", i, tensor.At(got.Type, got.Data, i), tensor.At(want.Type, want.Data, i))
		}
	}
	return ""
}

func sameNumber(want, got tensor.Tensor, i int) bool {
	if !want.Type.IsFloat() {
		return tensor.IntAt(want.Type, want.Data, i) == tensor.IntAt(got.Type, got.Data, i)
	}
	x, y := tensor.At(want.Type, want.Data, i), tensor.At(got.Type, got.Data, i)
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return x == y || math.IsNaN(x) && math.IsNaN(y)
	}
	return math.Abs(x-y) <= nodeAbsolute+nodeRelative*math.Abs(x)
}
