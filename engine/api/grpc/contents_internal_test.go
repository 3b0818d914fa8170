package grpc

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/proto"

	pb "sweetspot/engine/api/grpc/oippb"
	"sweetspot/engine/oip"
	"sweetspot/engine/tensor"
)

// allTypes are the element types of the protocol.
var allTypes = []tensor.Type{
	tensor.Bool, tensor.Uint8, tensor.Uint16, tensor.Uint32, tensor.Uint64, tensor.Int8, tensor.Int16, tensor.Int32, tensor.Int64,
	tensor.Float16, tensor.Float32, tensor.Float64, tensor.BFloat16, tensor.String,
}

// asRequest returns the outputs of an answer as the inputs of a request.
func asRequest(a *pb.ModelInferResponse) *pb.ModelInferRequest {
	r := &pb.ModelInferRequest{Id: a.GetId(), RawInputContents: a.GetRawOutputContents()}
	for _, o := range a.GetOutputs() {
		r.Inputs = append(r.Inputs, &pb.ModelInferRequest_InferInputTensor{Name: o.Name, Datatype: o.Datatype, Shape: o.Shape, Contents: o.Contents})
	}
	return r
}

// Tensors of every type are the same after they were sent as an answer and read as a request.
func TestContentsRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, typ := range allTypes {
		for _, raw := range []bool{false, true} {
			want := oip.Tensor{Name: "x", Tensor: tensor.Sample(tensor.Spec{Name: "x", Type: typ, Shape: []int64{2, 3}}, rng)}
			a := &pb.ModelInferResponse{}
			if err := encodeInfer(a, []oip.Tensor{want}, raw); err != nil {
				t.Errorf("%s: %v", typ, err)
				continue
			}
			half := typ == tensor.Float16 || typ == tensor.BFloat16
			if isRaw := len(a.GetRawOutputContents()) == 1; isRaw != (raw || half) {
				t.Errorf("%s: raw is %v", typ, isRaw)
			}
			text, err := proto.Marshal(asRequest(a))
			if err != nil {
				t.Fatal(err)
			}
			var sent pb.ModelInferRequest
			if err := proto.Unmarshal(text, &sent); err != nil {
				t.Fatal(err)
			}
			got, err := decodeInfer(&sent)
			if err != nil {
				t.Errorf("%s: %v", typ, err)
				continue
			}
			if diff := cmp.Diff(want.Tensor, got.Inputs[0].Tensor); diff != "" {
				t.Errorf("%s, raw %v: %s", typ, raw, diff)
			}
		}
	}
}

func TestDecodeInferErrors(t *testing.T) {
	input := func(datatype string, c *pb.InferTensorContents) *pb.ModelInferRequest_InferInputTensor {
		return &pb.ModelInferRequest_InferInputTensor{Name: "x", Datatype: datatype, Shape: []int64{1}, Contents: c}
	}
	one := func(in *pb.ModelInferRequest_InferInputTensor) *pb.ModelInferRequest {
		return &pb.ModelInferRequest{Inputs: []*pb.ModelInferRequest_InferInputTensor{in}}
	}
	region := map[string]*pb.InferParameter{"shared_memory_region": {}}
	class := map[string]*pb.InferParameter{"classification": {}}
	for _, tt := range []struct {
		name string
		r    *pb.ModelInferRequest
		want string
	}{
		{"no name", one(&pb.ModelInferRequest_InferInputTensor{Datatype: "FP32"}), "input 0 has no name"},
		{"datatype", one(input("FP8", nil)), `input "x": unknown datatype "FP8"`},
		{"another field", one(input("FP32", &pb.InferTensorContents{IntContents: []int32{1}})), `input "x": it has int_contents; the elements of FP32 are in fp32_contents`},
		{"half", one(input("FP16", &pb.InferTensorContents{})), `input "x": FP16 has no typed contents; send raw_input_contents`},
		{"above", one(input("UINT8", &pb.InferTensorContents{UintContents: []uint32{1, 256}})), `input "x": element 1 is 256, outside UINT8`},
		{"below", one(input("INT8", &pb.InferTensorContents{IntContents: []int32{-129}})), `input "x": element 0 is -129, outside INT8`},
		{"raw for two", &pb.ModelInferRequest{RawInputContents: [][]byte{{1}}}, "1 raw_input_contents for 0 inputs; send one for each, or contents in each input"},
		{"both", &pb.ModelInferRequest{RawInputContents: [][]byte{{1}}, Inputs: []*pb.ModelInferRequest_InferInputTensor{input("UINT8", &pb.InferTensorContents{})}}, `input "x": it has contents, and the request raw_input_contents; send one of them`},
		{"shared memory", one(&pb.ModelInferRequest_InferInputTensor{Name: "x", Datatype: "FP32", Parameters: region}), `input "x": shared memory is not supported; send the data`},
		{"classification", &pb.ModelInferRequest{Outputs: []*pb.ModelInferRequest_InferRequestedOutputTensor{{Name: "y", Parameters: class}}}, `output "y": classification is not supported; ask for the output and sort its values`},
		{"shared output", &pb.ModelInferRequest{Outputs: []*pb.ModelInferRequest_InferRequestedOutputTensor{{Name: "y", Parameters: region}}}, `output "y": shared memory is not supported`},
	} {
		if _, err := decodeInfer(tt.r); err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
	}
}

// Any message is refused with an error, or its tensors are the same after another round trip.
func FuzzDecodeInfer(f *testing.F) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, typ := range allTypes {
		for _, raw := range []bool{false, true} {
			a := &pb.ModelInferResponse{Id: "1"}
			if err := encodeInfer(a, []oip.Tensor{{Name: "x", Tensor: tensor.Sample(tensor.Spec{Type: typ, Shape: []int64{3}}, rng)}}, raw); err != nil {
				f.Fatal(err)
			}
			text, err := proto.Marshal(asRequest(a))
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var r pb.ModelInferRequest
		if proto.Unmarshal(text, &r) != nil {
			return
		}
		if decodedSize(&r) < 0 {
			t.Error("a negative size")
		}
		first, err := decodeInfer(&r)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without a text")
			}
			return
		}
		for _, in := range first.Inputs { // only legal tensors are encoded: package oip checks them
			if tensor.Count(in.Type, in.Data) < 0 {
				return
			}
		}
		a := &pb.ModelInferResponse{Id: first.ID}
		if err := encodeInfer(a, first.Inputs, first.Binary); err != nil {
			t.Fatal(err)
		}
		second, err := decodeInfer(asRequest(a))
		if err != nil {
			t.Fatal(err)
		}
		second.Outputs = first.Outputs
		if diff := cmp.Diff(first, second, cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
	})
}
