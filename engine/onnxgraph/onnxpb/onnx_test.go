package onnxpb_test

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"sweetspot/engine/onnxgraph/onnxpb"
)

// message appends a length-delimited field, as the format's embedded messages,
// strings and bytes are.
func message(dst []byte, field protowire.Number, body []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(dst, field, protowire.BytesType), body)
}

func number(dst []byte, field protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(dst, field, protowire.VarintType), v)
}

// wire encodes a model with the field numbers of the published onnx.proto:
// one Relu on a FLOAT input "x", opset 17 (model: ir_version 1, graph 7,
// opset_import 8; graph: node 1, name 2, input 11; node: input 1, output 2,
// op_type 4).
func wire() []byte {
	node := message(message(message(nil, 1, []byte("x")), 2, []byte("y")), 4, []byte("Relu"))
	tensor := number(nil, 1, 1)                                                 // elem_type FLOAT
	input := message(message(nil, 1, []byte("x")), 2, message(nil, 1, tensor))  // name, type
	graph := message(message(message(nil, 1, node), 2, []byte("g")), 11, input) // in ascending order
	return message(message(number(nil, 1, 8), 7, graph), 8, number(nil, 2, 17)) // version 17 of ""
}

// The generated messages use the field numbers of the format.
func TestWireNumbers(t *testing.T) {
	var m onnxpb.ModelProto
	if err := proto.Unmarshal(wire(), &m); err != nil {
		t.Fatal(err)
	}
	if len(m.GetGraph().GetNode()) != 1 || len(m.GetGraph().GetInput()) != 1 || len(m.GetOpsetImport()) != 1 {
		t.Fatalf("read %v", &m)
	}
	node, input := m.GetGraph().GetNode()[0], m.GetGraph().GetInput()[0]
	if m.GetIrVersion() != 8 || m.GetGraph().GetName() != "g" || m.GetOpsetImport()[0].GetVersion() != 17 ||
		node.GetOpType() != "Relu" || node.GetInput()[0] != "x" || node.GetOutput()[0] != "y" ||
		input.GetName() != "x" || onnxpb.TensorProto_DataType(input.GetType().GetTensorType().GetElemType()) != onnxpb.TensorProto_FLOAT {
		t.Errorf("read %v", &m)
	}
	got, err := proto.MarshalOptions{Deterministic: true}.Marshal(&m)
	if err != nil || !bytes.Equal(got, wire()) {
		t.Errorf("wrote % x, %v\nwant  % x", got, err, wire())
	}
}

// Fields that our onnx.proto does not have are kept: model doc_string 6, graph
// doc_string 10, node doc_string 6.
func TestUnknownFieldsAreKept(t *testing.T) {
	node := message(nil, 6, []byte("of the node"))
	graph := message(message(nil, 1, node), 10, []byte("of the graph"))
	in := message(message(nil, 7, graph), 6, []byte("of the model"))
	var m onnxpb.ModelProto
	if err := proto.Unmarshal(in, &m); err != nil {
		t.Fatal(err)
	}
	out, err := proto.Marshal(&m)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"of the node", "of the graph", "of the model"} {
		if !bytes.Contains(out, []byte(want)) {
			t.Errorf("%q is lost", want)
		}
	}
}
