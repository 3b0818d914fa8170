package server_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	rpc "google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"sweetspot/engine/api/grpc/oippb"
	"sweetspot/engine/server"
)

// inferBytes is a request to the model m with one row for each byte.
func inferBytes(raw bool, rows ...byte) *oippb.ModelInferRequest {
	in := &oippb.ModelInferRequest_InferInputTensor{Name: "x", Datatype: "UINT8", Shape: []int64{int64(len(rows)), 1}}
	r := &oippb.ModelInferRequest{ModelName: "m", Id: "7", Inputs: []*oippb.ModelInferRequest_InferInputTensor{in}}
	if raw {
		r.RawInputContents = [][]byte{rows}
		return r
	}
	in.Contents = &oippb.InferTensorContents{}
	for _, b := range rows {
		in.Contents.UintContents = append(in.Contents.UintContents, uint32(b))
	}
	return r
}

// The service of the Open Inference Protocol answers under both of its names; a raw request gets
// a raw answer and a typed one a typed answer.
func TestGRPCOIP(t *testing.T) {
	a, _ := serve(t, server.Config{Version: "v1", GRPC: server.GRPC{Inference: anyPort}}, newEngine(t, newDoubler()))
	conn := connect(t, a.GRPC)
	output := &oippb.ModelInferResponse_InferOutputTensor{Name: "y", Datatype: "UINT8", Shape: []int64{3, 1}}
	typed := proto.CloneOf(output)
	typed.Contents = &oippb.InferTensorContents{UintContents: []uint32{2, 4, 6}}
	meta := func(name string) []*oippb.ModelMetadataResponse_TensorMetadata {
		return []*oippb.ModelMetadataResponse_TensorMetadata{{Name: name, Datatype: "UINT8", Shape: []int64{-1, 1}}}
	}
	for _, service := range []string{"inference.GRPCInferenceService", oippb.TorchServeService} {
		for _, tt := range []struct {
			method        string
			request, want proto.Message
		}{
			{"ServerLive", &oippb.ServerLiveRequest{}, &oippb.ServerLiveResponse{Live: true}},
			{"ServerReady", &oippb.ServerReadyRequest{}, &oippb.ServerReadyResponse{Ready: true}},
			{"ModelReady", &oippb.ModelReadyRequest{Name: "m"}, &oippb.ModelReadyResponse{Ready: true}},
			{"ServerMetadata", &oippb.ServerMetadataRequest{}, &oippb.ServerMetadataResponse{Name: "sweetspot", Version: "v1", Extensions: []string{"binary_tensor_data"}}},
			{"ModelMetadata", &oippb.ModelMetadataRequest{Name: "m"}, &oippb.ModelMetadataResponse{Name: "m", Versions: []string{"1.0"}, Platform: "doubler", Inputs: meta("x"), Outputs: meta("y")}},
			{"ModelInfer", inferBytes(false, 1, 2, 3), &oippb.ModelInferResponse{ModelName: "m", ModelVersion: "1.0", Id: "7", Outputs: []*oippb.ModelInferResponse_InferOutputTensor{typed}}},
			{"ModelInfer", inferBytes(true, 1, 2, 3), &oippb.ModelInferResponse{
				ModelName: "m", ModelVersion: "1.0", Id: "7", Outputs: []*oippb.ModelInferResponse_InferOutputTensor{output}, RawOutputContents: [][]byte{{2, 4, 6}},
			}},
		} {
			got := tt.want.ProtoReflect().New().Interface()
			if err := conn.Invoke(t.Context(), "/"+service+"/"+tt.method, tt.request, got); err != nil {
				t.Errorf("%s: %v", tt.method, err)
			} else if diff := cmp.Diff(tt.want, got, protocmp.Transform()); diff != "" {
				t.Errorf("%s %s: %s", service, tt.method, diff)
			}
		}
	}
}

func TestGRPCOIPErrors(t *testing.T) {
	a, _ := serve(t, server.Config{GRPC: server.GRPC{Inference: anyPort}}, newEngine(t, newDoubler()))
	client := oippb.NewGRPCInferenceServiceClient(connect(t, a.GRPC))
	change := func(f func(*oippb.ModelInferRequest)) *oippb.ModelInferRequest {
		r := inferBytes(false, 1)
		f(r)
		return r
	}
	for _, tt := range []struct {
		name string
		r    *oippb.ModelInferRequest
		code codes.Code
		want string
	}{
		{"model", change(func(r *oippb.ModelInferRequest) { r.ModelName = "none" }), codes.NotFound, "Model not found: none; served here: m"},
		{"version", change(func(r *oippb.ModelInferRequest) { r.ModelVersion = "2" }), codes.NotFound, "Model version: 2 does not exist for model: m; its version is 1.0"},
		{"no inputs", change(func(r *oippb.ModelInferRequest) { r.Inputs = nil }), codes.InvalidArgument, `input "x" is missing: UINT8 [-1 1]`},
		{"input", change(func(r *oippb.ModelInferRequest) { r.Inputs[0].Name = "z" }), codes.InvalidArgument, `unknown input "z"; the model has "x"`},
		{"type", change(func(r *oippb.ModelInferRequest) { r.Inputs[0].Datatype = "INT64" }), codes.InvalidArgument, `input "x": it has uint_contents; the elements of INT64 are in int64_contents`},
		{"shape", change(func(r *oippb.ModelInferRequest) { r.Inputs[0].Shape = []int64{1, 2} }), codes.InvalidArgument, `input "x": shape [1 2], expected [-1 1], where dimension 0 counts the rows: it is 1 for a single one`},
		{"elements", change(func(r *oippb.ModelInferRequest) { r.Inputs[0].Contents.UintContents = nil }), codes.InvalidArgument, `input "x": 0 bytes, expected 1 for UINT8 [1 1]`},
		{"output", change(func(r *oippb.ModelInferRequest) {
			r.Outputs = []*oippb.ModelInferRequest_InferRequestedOutputTensor{{Name: "z"}}
		}), codes.InvalidArgument, `unknown output "z"; the model has "y"`},
	} {
		_, err := client.ModelInfer(t.Context(), tt.r)
		if s := status.Convert(err); s.Code() != tt.code || s.Message() != tt.want {
			t.Errorf("%s: %v, want %s: %s", tt.name, err, tt.code, tt.want)
		}
	}
	if _, err := client.ModelMetadata(t.Context(), &oippb.ModelMetadataRequest{Name: "none"}); status.Code(err) != codes.NotFound {
		t.Error(err)
	}
}

// A model that takes bytes gets the JSON of the protocol and must answer it.
func TestGRPCOIPBytes(t *testing.T) {
	a, _ := grpcServer(t, nil)
	client := oippb.NewGRPCInferenceServiceClient(connect(t, a.GRPC))
	r := inferBytes(false, 1)
	r.ModelName = "words"
	_, err := client.ModelInfer(t.Context(), r, rpc.WaitForReady(true))
	if status.Code(err) != codes.Internal {
		t.Error(err)
	}
}
