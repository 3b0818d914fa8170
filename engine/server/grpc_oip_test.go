package server_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"sweetspot/engine"
	"sweetspot/engine/api/grpc/oippb"
	"sweetspot/engine/enginetest"
	"sweetspot/engine/handler"
	"sweetspot/engine/payload"
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

// oipHandler is a handler of bytes that checks the JSON of a request and answers the protocol.
type oipHandler struct{ handler.Parts }

func (*oipHandler) Encode(dst []byte, _ payload.Format, a payload.Answer) (payload.Body, error) {
	const sent = `{"ID":"7","INPUTS":[{"NAME":"X","DATATYPE":"UINT8","SHAPE":[1,1],"DATA":[1]}]}` // in upper case, by the model
	if string(a.Bytes.Body) != sent {
		return payload.Body{Data: append(dst, a.Bytes.Body...)}, nil // no answer of the protocol
	}
	return payload.Body{Data: append(dst, `{"outputs": [{"name": "y", "datatype": "FP32", "shape": [2], "data": [2.5, -1]}]}`...)}, nil
}

// A model that takes bytes gets the JSON of the protocol and must answer it, also if the call has
// raw contents.
func TestGRPCOIPBytes(t *testing.T) {
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{enginetest.Name: &enginetest.Backend{}}, Cores: 2})
	for name, h := range map[string]engine.Handler{"m": &oipHandler{}, "words": &handler.Parts{}} {
		m := enginetest.Model(name)
		m.Handler = h
		if err := e.Load(t.Context(), m, wordConfig); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = e.Close(context.Background()) })
	a, _ := serve(t, server.Config{GRPC: server.GRPC{Inference: anyPort}}, e)
	client := oippb.NewGRPCInferenceServiceClient(connect(t, a.GRPC))
	for _, raw := range []bool{false, true} {
		got, err := client.ModelInfer(t.Context(), inferBytes(raw, 1))
		if err != nil {
			t.Error(err)
			continue
		}
		y := &oippb.ModelInferResponse_InferOutputTensor{Name: "y", Datatype: "FP32", Shape: []int64{2}}
		want := &oippb.ModelInferResponse{ModelName: "m", ModelVersion: "1.0", Id: "7", Outputs: []*oippb.ModelInferResponse_InferOutputTensor{y}}
		if raw {
			want.RawOutputContents = [][]byte{{0, 0, 0x20, 0x40, 0, 0, 0x80, 0xbf}}
		} else {
			y.Contents = &oippb.InferTensorContents{Fp32Contents: []float32{2.5, -1}}
		}
		if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
			t.Error(diff)
		}
	}
	r := inferBytes(false, 1)
	r.ModelName = "words"
	if _, err := client.ModelInfer(t.Context(), r); status.Code(err) != codes.Internal {
		t.Errorf("a handler that answers something else: %v", err)
	}
}
