package main

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/builder"
	"sweetspot/engine/onnxgraph/onnxpb"
	"sweetspot/engine/tensor"
)

// The ONNX project's own tests: no wrong answer, and at least 95% of those that the runtime
// loads are right. A short test takes each tenth of them. They are skipped where their data
// are not installed.
func TestNodes(t *testing.T) {
	needLibrary(t)
	tests, err := findNodeTests()
	if errors.Is(err, errNoNodeTests) {
		t.Skip(err)
	}
	if testing.Short() {
		checkNodeProtocols(t, tests)
		checkNodeBatches(t, tests, 12)
		return
	}
	names, fields := figureLines(t, "nodes")
	if diff := cmp.Diff([]string{"nodes.wrong", "nodes.right", "nodes.oip-wrong", "nodes.oip-right", "nodes.grpc-wrong", "nodes.grpc-right", "nodes.batches-wrong", "nodes.batches-right"}, names); diff != "" {
		t.Fatalf("figures (-want +got):\n%s", diff)
	}
	for _, name := range names {
		if status := fields[name][4]; status != "ok" {
			t.Errorf("%s: %s", name, strings.Join(fields[name], " "))
		}
	}
}

// checkNodeProtocols runs each tenth test: none is wrong, and 95% of those that are loaded are
// right. Each twentieth has the same outcome over the Open Inference Protocol, and each fortieth
// over gRPC.
func checkNodeProtocols(t *testing.T, tests []nodeTest) {
	t.Helper()
	all, counts := runNth(t, tests, 10)
	if loaded := len(all) - counts[unloaded]; float64(counts[right]) < .95*float64(loaded) {
		t.Errorf("%d of %d tests are right, want 95%%", counts[right], loaded)
	}
	outcomes := map[string]outcome{}
	for _, r := range all {
		outcomes[r.Name] = r.Outcome
	}
	for over, nth := range map[string]int{overOIP: 20, overGRPC: 40} {
		others := slices.Clone(tests)
		for i := range others {
			others[i].over = over
		}
		again, _ := runNth(t, others, nth)
		for _, r := range again {
			if want := outcomes[r.Name]; r.Outcome != want {
				t.Errorf("%s over %s: outcome %d, %s; want %d", r.Name, overNames[over], r.Outcome, r.Why, want)
			}
		}
	}
}

// checkNodeBatches runs the batched variants of each nth test that may have one: none is wrong,
// and some are right.
func checkNodeBatches(t *testing.T, tests []nodeTest, nth int) {
	t.Helper()
	tests, err := batchCandidates(tests)
	if err != nil {
		t.Fatal(err)
	}
	if _, counts := runNth(t, tests, nth); counts[right] < 2 {
		t.Errorf("%d batched variants are right", counts[right])
	}
}

// runNth runs each nth test; a wrong one is an error.
func runNth(t *testing.T, tests []nodeTest, nth int) ([]nodeResult, map[outcome]int) {
	t.Helper()
	var some []nodeTest
	for i := 0; i < len(tests); i += nth {
		some = append(some, tests[i])
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	all, err := runNodeTests(t.Context(), &env{self: self}, some)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[outcome]int{}
	for i, r := range all {
		counts[r.Outcome]++
		if r.Outcome == wrong {
			t.Errorf("%s over %s: %s", r.Name, overNames[some[i].over], r.Why)
		}
	}
	return all, counts
}

// writeNodeTest writes a test as the ONNX project has them.
func writeNodeTest(t *testing.T, root, name string, model []byte, values map[string]*onnxpb.TensorProto) {
	t.Helper()
	set := filepath.Join(root, "node", name, "test_data_set_0")
	err := os.MkdirAll(set, 0o755)
	if err == nil {
		err = os.WriteFile(filepath.Join(set, "..", "model.onnx"), model, 0o600)
	}
	for file, v := range values {
		var data []byte
		if err == nil {
			data, err = proto.Marshal(v)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(set, file+".pb"), data, 0o600)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// nodeModel is a model of two numbers x and what ops makes of them, y.
func nodeModel(t *testing.T, op string, attrs ...*onnxpb.AttributeProto) []byte {
	t.Helper()
	b := builder.New(op, 1)
	two := []onnxgraph.Dim{{Size: 1}, {Size: 2}}
	x := b.Input("x", onnxpb.TensorProto_FLOAT, two...)
	b.Output("y", b.Op(op, []string{x}, attrs...), onnxpb.TensorProto_FLOAT, two...)
	data, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func twoFloats(v ...float32) *onnxpb.TensorProto {
	return &onnxpb.TensorProto{DataType: int32(onnxpb.TensorProto_FLOAT), Dims: []int64{1, 2}, FloatData: v}
}

// Each outcome, of tests of our own.
func TestNodeOutcomes(t *testing.T) {
	needLibrary(t)
	root := t.TempDir()
	t.Setenv(nodeTestsEnv, root)
	in, negated := twoFloats(1, -2), twoFloats(-1, 2)
	writeNodeTest(t, root, "a_right", nodeModel(t, "Neg"), map[string]*onnxpb.TensorProto{"input_0": in, "output_0": negated})
	writeNodeTest(t, root, "b_deviates", nodeModel(t, "Neg"), map[string]*onnxpb.TensorProto{"input_0": in, "output_0": in})
	writeNodeTest(t, root, "c_random", nodeModel(t, "RandomUniformLike"), map[string]*onnxpb.TensorProto{"input_0": in, "output_0": negated})
	writeNodeTest(t, root, "d_unloaded", nodeModel(t, "Teleport"), map[string]*onnxpb.TensorProto{"input_0": in, "output_0": in})
	number := &onnxpb.TensorProto{DataType: int32(onnxpb.TensorProto_COMPLEX64), Dims: []int64{1}, RawData: make([]byte, 8)}
	writeNodeTest(t, root, "e_refused", nodeModel(t, "Neg"), map[string]*onnxpb.TensorProto{"input_0": number, "output_0": in})
	tests, err := findNodeTests()
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for i := range tests {
		tests[i].over = overBatches
	}
	batches, err := runNodeTests(t.Context(), &env{self: self}, tests)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][]outcome{{right}, {right}, {unloaded, refused}, {unloaded}, {unloaded}} { // random numbers are not answered
		if !slices.Contains(want, batches[i].Outcome) {
			t.Errorf("batched variant: %+v, want one of %v", batches[i], want)
		}
	}
	for i := range tests {
		tests[i].over = []string{overPredictions, overOIP, overGRPC}[i%3]
	}
	got, err := runNodeTests(t.Context(), &env{self: self}, tests)
	if err != nil {
		t.Fatal(err)
	}
	want := []nodeResult{
		{"node/a_right", right, ""},
		{"node/b_deviates", deviates, "the runtime alone has the same values as the answer, not the expected ones"},
		{"node/c_random", deviates, "the runtime's values differ from run to run"},
		{"node/d_unloaded", unloaded, got[3].Why}, // the runtime's words
		{"node/e_refused", refused, "no body can have values of type complex64"},
	}
	if diff := cmp.Diff(want, got); diff != "" || !strings.Contains(got[3].Why, "Teleport") && !strings.Contains(got[3].Why, "Load model") {
		t.Errorf("-want +got:\n%s", diff)
	}
	var printed strings.Builder
	printNodes(&printed, append(got, nodeResult{"node/f", wrong, "value 0 is 1, expected 2"}))
	for _, want := range []string{"node                       1       1         2       1           1\n", "    1 no body can have values of type complex64\n", "wrong: node/f: value 0 is 1, expected 2\n"} {
		if !strings.Contains(printed.String(), want) {
			t.Errorf("printed\n%swithout %q", printed.String(), want)
		}
	}
}

// A process that ends by itself is an error, and without data the error says what to install.
func TestNodeErrors(t *testing.T) {
	no, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := runNodeTests(t.Context(), &env{self: no + ".gone"}, []nodeTest{{name: "x"}}); err == nil {
		t.Error("a program that is not there is no error")
	}
	t.Setenv(nodeTestsEnv, t.TempDir())
	if _, err := findNodeTests(); !errors.Is(err, errNoNodeTests) || !strings.Contains(err.Error(), "libonnx-testdata") {
		t.Errorf("an empty folder: %v", err)
	}
}

func TestCompareTensors(t *testing.T) {
	floats := func(shape []int64, v ...float64) tensor.Tensor {
		out := tensor.Tensor{Type: tensor.Float32, Shape: shape}
		for _, x := range v {
			out.Data = tensor.AppendFloat(out.Data, tensor.Float32, x)
		}
		return out
	}
	two := []int64{2}
	nan, inf := math.NaN(), math.Inf(1)
	for _, tt := range []struct {
		name      string
		want, got tensor.Tensor
		diff      string
	}{
		{"equal", floats(two, 1, nan), floats(two, 1, nan), ""},
		{"within", floats(two, 1000, 0), floats(two, 1000.9, 9e-8), ""},
		{"beyond", floats(two, 1000, 0), floats(two, 1001.1, 0), "value 0 is"},
		{"beyond zero", floats(two, 1, 0), floats(two, 1, 2e-7), "value 1 is"},
		{"NaN", floats(two, 1, nan), floats(two, 1, 0), "value 1 is 0, expected NaN"},
		{"infinity", floats(two, inf, -inf), floats(two, inf, inf), "value 1 is +Inf, expected -Inf"},
		{"a leading axis of 1", floats([]int64{1, 2}, 1, 2), floats(two, 1, 2), ""},
		{"another shape", floats([]int64{2, 1}, 1, 2), floats(two, 1, 2), "shape [2], expected [2 1]"},
		{"another type", floats(two, 1, 2), tensor.Tensor{Type: tensor.Int32, Shape: two, Data: make([]byte, 8)}, "type INT32, expected FP32"},
		{
			"texts",
			tensor.Tensor{Type: tensor.String, Shape: two, Data: tensor.JoinTexts([]string{"a", "b"})},
			tensor.Tensor{Type: tensor.String, Shape: two, Data: tensor.JoinTexts([]string{"a", "c"})},
			"texts ",
		},
		{"too short", floats(two, 1, 2), tensor.Tensor{Type: tensor.Float32, Shape: two, Data: make([]byte, 4)}, "4 bytes, expected 8"},
		{
			"integers",
			tensor.Tensor{Type: tensor.Uint8, Shape: two, Data: []byte{1, 2}},
			tensor.Tensor{Type: tensor.Uint8, Shape: two, Data: []byte{1, 3}},
			"value 1 is 3, expected 2",
		},
	} {
		if got := compareTensors(tt.want, tt.got); !strings.HasPrefix(got, tt.diff) || (got == "") != (tt.diff == "") {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.diff)
		}
	}
}

// The numbers of a tensor are raw, or in the list of its type.
func TestTensorOf(t *testing.T) {
	for _, tt := range []struct {
		p    *onnxpb.TensorProto
		want string
	}{
		{&onnxpb.TensorProto{DataType: int32(onnxpb.TensorProto_INT16), Dims: []int64{2}, Int32Data: []int32{-1, 7}}, "INT16 [2] [-1 7]"},
		{&onnxpb.TensorProto{DataType: int32(onnxpb.TensorProto_BOOL), Dims: []int64{2}, Int32Data: []int32{1, 0}}, "BOOL [2] [1 0]"},
		{&onnxpb.TensorProto{DataType: int32(onnxpb.TensorProto_FLOAT16), Dims: []int64{1}, Int32Data: []int32{0x3c00}}, "FP16 [1] [1]"},
		{&onnxpb.TensorProto{DataType: int32(onnxpb.TensorProto_DOUBLE), DoubleData: []float64{.5}}, "FP64 [] [0.5]"},
		{&onnxpb.TensorProto{DataType: int32(onnxpb.TensorProto_UINT64), Dims: []int64{1}, Uint64Data: []uint64{9}}, "UINT64 [1] [9]"},
		{&onnxpb.TensorProto{DataType: int32(onnxpb.TensorProto_INT64), Dims: []int64{1, 1}, RawData: []byte{5, 0, 0, 0, 0, 0, 0, 0}}, "INT64 [1 1] [5]"},
		{&onnxpb.TensorProto{DataType: int32(onnxpb.TensorProto_FLOAT), Dims: []int64{0, 2}}, "FP32 [0 2] []"},
	} {
		got, err := tensorOf(tt.p)
		if err != nil {
			t.Errorf("%s: %v", tt.want, err)
			continue
		}
		if text := (tensor.Spec{Type: got.Type, Shape: got.Shape}).String() + " " + strings.ReplaceAll(numbersText(got.Numbers()), ",", " "); strings.TrimSpace(text) != tt.want {
			t.Errorf("%s, want %s", strings.TrimSpace(text), tt.want)
		}
	}
	if _, err := tensorOf(&onnxpb.TensorProto{DataType: int32(onnxpb.TensorProto_FLOAT), Dims: []int64{3}, FloatData: []float32{1}}); err == nil {
		t.Error("one number for three is no error")
	}
}

func numbersText(v []float64) string {
	parts := make([]string, len(v))
	for i, x := range v {
		parts[i] = strconv.FormatFloat(x, 'g', -1, 64)
	}
	return "[" + strings.Join(parts, " ") + "]"
}
