package catalog_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"sweetspot/engine/catalog"
	"sweetspot/engine/onnxgraph/builder"
	"sweetspot/engine/onnxgraph/onnxpb"
)

// changed writes the model after a change of its message.
func changed(t *testing.T, b *builder.Builder, change func(*onnxpb.ModelProto)) string {
	t.Helper()
	data, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	var m onnxpb.ModelProto
	if err := proto.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	change(&m)
	if data, err = proto.Marshal(&m); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "m.onnx")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestOpenNamesOtherKinds: a value that is no tensor is refused as what it is.
func TestOpenNamesOtherKinds(t *testing.T) {
	sequence := &onnxpb.TypeProto{Value: &onnxpb.TypeProto_SequenceType{SequenceType: &onnxpb.TypeProto_Sequence{
		ElemType: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{ElemType: int32(floats)}}},
	}}}
	for want, change := range map[string]func(*onnxpb.ModelProto){
		`input "x" is a sequence and not a tensor; only tensors can be served`:  func(m *onnxpb.ModelProto) { m.Graph.Input[0].Type = sequence },
		`output "y" is a sequence and not a tensor; only tensors can be served`: func(m *onnxpb.ModelProto) { m.Graph.Output[0].Type = sequence },
	} {
		_, err := catalog.Open(t.Context(), changed(t, identity(dims(n, four), dims(n, four)), change), catalog.Options{})
		fails(t, err, want)
	}
}

// TestManyInputsAreCounted: of many inputs a sentence names the first ones only.
func TestManyInputsAreCounted(t *testing.T) {
	b := builder.New("many", 1)
	var all []string
	for i := range 200 {
		all = append(all, b.Input(fmt.Sprintf("in_%d", i), floats, n, four))
	}
	b.Output("y", b.Op("Sum", all), floats, n, four)
	m, err := catalog.Open(t.Context(), file(t, b, "many.onnx"), catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want := "dim 0 of in_0, in_1, in_2 and 197 others is open"; !strings.HasPrefix(m.BatchWhy, want) {
		t.Errorf("%q, want %q", m.BatchWhy, want)
	}
}
