package onnx

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/builder"
	"sweetspot/engine/onnxgraph/onnxpb"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// TestTranslate has texts of ONNX Runtime 1.27 as the wrapper returns them.
func TestTranslate(t *testing.T) {
	for _, tc := range []struct{ raw, want string }{
		{
			"Load model from a.onnx failed:/onnxruntime_src/onnxruntime/core/graph/model.cc:192 onnxruntime::Model::Model(onnx::ModelProto&&, const onnxruntime::PathString&, const onnxruntime::IOnnxRuntimeOpSchemaRegistryList*, const onnxruntime::logging::Logger&, const onnxruntime::ModelOptions&) Unsupported model IR version: 14, max supported IR version: 13",
			"its file format is IR version 14, and this ONNX Runtime reads up to 13; export it again with an older onnx package, or save it with ir_version = 13",
		},
		{
			"Load model from a.onnx failed:/onnxruntime_src/onnxruntime/core/graph/model_load_utils.h:46 void onnxruntime::model_load_utils::ValidateOpsetForDomain(const std::unordered_map<std::__cxx11::basic_string<char>, int>&, const onnxruntime::logging::Logger&, bool, const std::string&, int) ONNX Runtime only *guarantees* support for models stamped with official released onnx opset versions. Opset 28 is under development and support for this is limited. The operator schemas and or other functionality may change before next ONNX release and in this case ONNX Runtime will not guarantee backward compatibility. Current official support for domain ai.onnx is till opset 26",
			"it uses opset 28 of the domain ai.onnx, and this ONNX Runtime reads up to 26; export it again with opset_version=26 or lower",
		},
		{
			"Load model from a.onnx failed:Fatal error: my.company:MyOp(-1) is not a registered function/op",
			"it uses the operator my.company.MyOp, which is neither in ONNX nor in ONNX Runtime; export it without custom operators",
		},
		{
			"Load model from a.onnx failed:Error: Duplicate definition-site for (x)",
			`its graph defines the name "x" twice; give each input and output its own name and export it again`,
		},
		{
			`External data path validation failed for initializer: W. Error: tensorprotoutils.cc:453 ValidateExternalDataPathFromDir External data path does not exist: "/models/gone.data"`,
			"its external weights are missing: there is no file /models/gone.data; copy it beside the model, under that name",
		},
		{
			`External data path validation failed for initializer: W. Error: External data path escapes model directory. External data path: "a.data" resolved path: "/blobs/b" allowed directory: "/snap"`,
			"its external weights are outside the folder of the model; put both into one folder",
		},
		{
			"Exception during initialization: /onnxruntime_src/onnxruntime/core/providers/cpu/text/string_normalizer.cc:235 onnxruntime::StringNormalizer::Locale::Locale(const std::string&)::<lambda()> Failed to construct locale with name:en_US.UTF-8:locale::facet::_S_create_c_locale name not valid:Please, install necessary language-pack-XX and configure locales",
			"it compares strings by the locale en_US.UTF-8, which this machine does not have; install it, such as with locale-gen en_US.UTF-8",
		},
		{
			"Non-zero status code returned while running Reshape node. Name:'node_1' Status Message: /onnxruntime_src/onnxruntime/core/providers/cpu/tensor/reshape_helper.h:47 onnxruntime::ReshapeHelper::ReshapeHelper(const onnxruntime::TensorShape&, onnxruntime::TensorShapeVector&, bool) input_shape_size == size was false. The input tensor cannot be reshaped to the requested shape. Input shape:{2,64}, requested shape:{1,64}",
			"operator Reshape (node_1) failed: a tensor of shape [2,64] cannot become [1,64]",
		},
		{
			"Non-zero status code returned while running Gather node. Name:'' Status Message: indices element out of data bounds, idx=99 must be within the inclusive range [-10,9]",
			"operator Gather failed: an index is 99, and the table has -10 to 9",
		},
		{
			"Got invalid dimensions for input: x for the following indices index: 1 Got: 63 Expected: 64 Please fix either the inputs/outputs or the model",
			"dimension 1 of input x is 63, and the graph has it fixed to 64",
		},
		{
			"Non-zero status code returned while running Dropout node. Name:'d' Status Message: ratio must be in the range [0, 1)",
			"operator Dropout (d) failed: ratio must be in the range [0, 1)",
		},
		{
			"This is an invalid model. In Node, (\"a\", MatMul, \"\", -1) : (\"x\": tensor(float),) -> (\"y\",) , Error Unrecognized attribute: q for operator MatMul",
			`operator MatMul (a) is not valid: Unrecognized attribute: q for operator MatMul`,
		},
		{
			"Load model from toofew.onnx failed:This is an invalid model. In Node, (\"\", Add, \"\", -1) : (\"x\": tensor(float),) -> (\"y\": tensor(float),) , Error Node with schema(::Add:14) has input size 1 not in range [min=2, max=2]",
			"an operator Add has 1 inputs, and since opset 14 it has at least 2 and at most 2; export it again",
		},
		{
			"Load model from badattr.onnx failed:This is an invalid model. In Node, (\"\", Concat, \"\", -1) : (\"x\": tensor(float),\"x\": tensor(float),) -> (\"y\": tensor(float),) , Error Required attribute 'axis' is missing",
			"operator Concat is not valid: Required attribute 'axis' is missing",
		},
		{
			"Load model from cycle.onnx failed:This is an invalid model. Error: the graph is not acyclic",
			"the graph is not acyclic",
		},
		{
			"Deserialize tensor W failed.tensorprotoutils.cc:1760 GetExtDataFromTensorProto External initializer: W offset: 0 size to read: 256 given file_length: 128 are out of bounds or can not be read in full",
			"its external weights are not complete: the tensor W has 256 bytes from byte 0 on, and the file has 128 bytes; copy or download it again",
		},
		{
			"Deserialize tensor W failed.tensorprotoutils.cc:584 GetExternalDataInfo TensorProto: W external data size mismatch. Computed size: 256, external_data.length: 100",
			"the tensor W has 256 bytes, and the model says that 100 of them are in its external weights; export it again",
		},
		{
			"Load model from bad/nooutput.onnx failed:/onnxruntime_src/onnxruntime/core/graph/graph.cc:1544 void onnxruntime::Graph::InitializeStateFromModelFileGraphProto() This is an invalid model. Graph output (y) does not exist in the graph",
			"Graph output (y) does not exist in the graph",
		},
		{
			"Load model from bad/undef.onnx failed:Invalid model. Node input 'nope' is not a graph input, initializer, or output of a previous node",
			"Node input 'nope' is not a graph input, initializer, or output of a previous node",
		},
		{
			"Load model from bad/outtype.onnx failed:Type Error: Type (tensor(int64)) of output arg (y) of node () does not match expected type (tensor(float))",
			"Type (tensor(int64)) of output arg (y) of node () does not match expected type (tensor(float))",
		},
		{
			"parse_string.h:116 ParseStringWithClassicLocale Failed to parse value: \"0\"",
			"a number in the file cannot be read, such as the offset of external weights; export it again",
		},
		{
			"model format error! Missing 'location'",
			"a tensor has external weights, and the model does not name their file; export it again",
		},
		{
			"Non-zero status code returned while running ConstantOfShape node. Name:'' Status Message: tensor.cc:57 CalculateTensorStorageSize Tensor shape.Size() must be >= 0",
			"operator ConstantOfShape failed: Tensor shape.Size() must be >= 0",
		},
		{
			"Exception during initialization: /a/c_api.cc:7 OrtStatus* OrtApis::CreateSession(const OrtEnv*, int) the session has no inputs",
			"the session has no inputs",
		},
		{
			"Non-zero status code returned while running MatMul node. Name:'m' Status Message: matmul_helper.h:142 Compute MatMul dimension mismatch",
			"operator MatMul (m) failed: MatMul dimension mismatch",
		},
		{
			"Non-zero status code returned while running Mod node. Name:'' Status Message: /onnxruntime_src/onnxruntime/core/providers/cpu/math/mod.cc:88 operator() Integer modulo by zero",
			"operator Mod failed: Integer modulo by zero",
		},
		{
			"Non-zero status code returned while running Resize node. Name:'' Status Message: upsamplebase.h:352 ScalesValidation scale >= 1 was false. Scale value should be greater than or equal to 1.",
			"operator Resize failed: Scale value should be greater than or equal to 1",
		},
		{
			"Non-zero status code returned while running Cast node. Name:'' Status Message: stod",
			"operator Cast failed: a text is not a number of the type that it becomes",
		},
		{
			"[ONNXRuntimeError] : 1 : FAIL : Node (n) Op (MatMul) [ShapeInferenceError] Incompatible dimensions",
			"operator MatMul (n) is not valid: Incompatible dimensions",
		},
		{
			"Exception during initialization: /onnxruntime_src/onnxruntime/core/framework/x.cc:12 bool onnxruntime::A<T>::B(std::pair<int, C>) const [with T = float] it does not work",
			"it does not work",
		},
		{
			"Exception during initialization: /onnxruntime_src/a/b.cc:35 onnxruntime::OnnxRuntimeException: std::bad_variant onnxruntime::X",
			"the runtime gives a reason only in its own words, which --verbose shows",
		},
	} {
		if got := translate(tc.raw); got != tc.want {
			t.Errorf("translate(%q)\n  = %q,\nwant %q", tc.raw, got, tc.want)
		}
	}
}

// FuzzTranslate: no text of a runtime panics, and none leaves code in an error.
func FuzzTranslate(f *testing.F) {
	f.Add("Non-zero status code returned while running A node. Name:'' Status Message: /a/b.cc:1 a::b(c<d>) const e was false. f")
	f.Add("x.h:1 (((")
	f.Add("Load model from a failed:This is an invalid model. In Node, (\"\", Add, \"\", -1) : () -> () , Error Node with schema(::Add:14) has input size 1 not in range [min=2, max=2]")
	f.Add("Deserialize tensor W failed.a.cc:1 F External initializer: W offset: 0 size to read: 2 given file_length: 1")
	f.Fuzz(func(t *testing.T, raw string) {
		if got := translate(raw); got == "" || strings.Contains(got, "onnxruntime::") && !failedNode.MatchString(raw) && !badNode.MatchString(raw) {
			t.Errorf("translate(%q) = %q", raw, got)
		}
	})
}

// TestPlainErrorsLogTheirRawText: what the runtime said itself is in the log at Debug.
func TestPlainErrorsLogTheirRawText(t *testing.T) {
	var text strings.Builder
	log := slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug}))
	raw := errors.New("Error running network: x.cc:1 a::b() The output OrtValue provided for output 'y' has shape {1,4}")
	err := plain(raw, log)
	if strings.Contains(err.Error(), "a::b") || !isOutputMismatch(err) || !strings.Contains(text.String(), "x.cc:1 a::b()") {
		t.Errorf("error %q, log %q", err, text.String())
	}
	if plain(nil, log) != nil || isOutputMismatch(errors.New("output OrtValue provided")) {
		t.Error("an error that is not the runtime's counts as one")
	}
}

// TestProbe runs whole tensors, of which the graph declares too little or the wrong thing.
func TestProbe(t *testing.T) {
	b := builder.New("undeclared", 1)
	x := b.Input("x", float, batchDim, dim(2))
	axes := b.Input("axes", onnxpb.TensorProto_INT64, onnxgraph.Open("A"))
	sum := b.Op("ReduceSum", []string{x, axes}, onnxpb.AttrInt("keepdims", 0))
	b.Output("sum", sum, float, onnxgraph.Open("M")) // declared with 1 dimension
	b.Output("half", b.Op("Cast", []string{"sum"}, onnxpb.AttrInt("to", int64(onnxpb.TensorProto_FLOAT16))), onnxpb.TensorProto_FLOAT16, onnxgraph.Open("M"))
	b.Output("x", x, float, batchDim, dim(2))
	m := modelOf(t, b, []tensor.Spec{{Name: "x", Type: tensor.Float32}, {Name: "axes", Type: tensor.Int64}},
		[]tensor.Spec{spec("sum", tensor.Float32, -1), spec("half", tensor.Float16, -1), spec("x", tensor.Float32, -1, 2)})
	p, err := backend(t).Probe(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close() //nolint:errcheck // checked below
	in := floats([]int64{3, 2}, 1, 2, 3, 4, 5, 6)
	longs := func(v ...int64) tensor.Tensor {
		out := tensor.Tensor{Type: tensor.Int64, Shape: []int64{int64(len(v))}, Data: []byte{}}
		for _, x := range v {
			out.Data = tensor.AppendInt(out.Data, tensor.Int64, x)
		}
		return out
	}
	for _, tc := range []struct {
		axes tensor.Tensor
		want tensor.Tensor
	}{
		{longs(1), floats([]int64{3}, 3, 7, 11)},
		{longs(0), floats([]int64{2}, 9, 12)},
		{longs(0, 1), floats([]int64{}, 21)}, // no dimensions, against the declaration
		{longs(0), floats([]int64{2}, 9, 12)},
	} {
		out, err := p.Run(t.Context(), []tensor.Tensor{in, tc.axes})
		if err != nil {
			t.Fatalf("axes %v: %v", tc.axes.Numbers(), err)
		}
		for i, want := range []tensor.Tensor{tc.want, tc.want, in} {
			if len(out[i].Shape) != len(want.Shape) || !equalNumbers(out[i], want) {
				t.Errorf("axes %v: output %d is %v of shape %v, want %v", tc.axes.Numbers(), i, out[i].Numbers(), out[i].Shape, want.Numbers())
			}
		}
	}
	if _, err := p.Run(t.Context(), []tensor.Tensor{in}); err == nil {
		t.Error("a run with an input missing")
	}
	served := *m
	served.Inputs = []tensor.Spec{spec("x", tensor.Float32, 2), spec("axes", tensor.Int64, 1)}
	served.Outputs, served.BatchAxis, served.Unbatched = []tensor.Spec{{Name: "sum", Type: tensor.Float32}, {Name: "half", Type: tensor.Float16}, spec("x", tensor.Float32, 2)}, false, []string{"axes", "sum", "half"}
	s, err := p.Session(t.Context(), &served)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]payload.Result, 1)
	if err := s.Run(t.Context(), payload.OfItems(tensor.Item{floats([]int64{2}, 1, 2), longs(1)}), got); err != nil || got[0].Outputs[0].Numbers()[0] != 3 {
		t.Errorf("an item of the served model: %v, %v", got[0].Outputs, err)
	}
	if err := errors.Join(s.Close(), p.Close(), p.Close()); err != nil {
		t.Error(err)
	}
}

func equalNumbers(a, b tensor.Tensor) bool {
	x, y := a.Numbers(), b.Numbers()
	for i := range x {
		if x[i] != y[i] {
			return false
		}
	}
	return len(x) == len(y)
}
