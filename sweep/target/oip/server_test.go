package oip_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "sweetspot/engine/api/grpc/oippb"
	protocol "sweetspot/engine/oip"
)

// triton is a server for tests that answers as the documentation of Triton's extensions says: model configuration,
// statistics, model repository. Its model m sums its input x.
type triton struct {
	*httptest.Server
	extensions []string
	explicit   bool

	mu      sync.Mutex
	config  map[string]any // in force
	loads   []map[string]any
	refuse  string // why a load is refused; "" if it is not
	unloads []string
	bodies  []*http.Request
	counts  struct{ requests, batches uint64 }
}

const onDisk = `{"name":"m","backend":"onnxruntime","max_batch_size":4,"version_policy":{"latest":{"num_versions":1}},
	"input":[{"name":"x","data_type":"TYPE_FP32","dims":[3]}],"output":[{"name":"y","data_type":"TYPE_FP32","dims":[1]}],
	"instance_group":[{"name":"m_0","kind":"KIND_CPU","count":1,"gpus":[]}],
	"dynamic_batching":{"preferred_batch_size":[4],"max_queue_delay_microseconds":500,"default_queue_policy":{"max_queue_size":100}}}`

func newTriton(t *testing.T) *triton {
	s := &triton{extensions: []string{"model_repository", "model_configuration", "statistics", "binary_tensor_data"}, explicit: true}
	if err := json.Unmarshal([]byte(onDisk), &s.config); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v2", s.about)
	mux.HandleFunc("GET /v2/models/m", s.model)
	mux.HandleFunc("GET /v2/models/m/ready", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /v2/models/m/config", s.getConfig)
	mux.HandleFunc("GET /v2/models/m/stats", s.stats)
	mux.HandleFunc("POST /v2/models/m/infer", s.infer)
	mux.HandleFunc("POST /v2/repository/index", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `[{"name":"m","version":"1","state":"READY","reason":""}]`)
	})
	mux.HandleFunc("POST /v2/repository/models/{name}/load", s.load)
	mux.HandleFunc("POST /v2/repository/models/{name}/unload", s.unload)
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func fail(w http.ResponseWriter, code int, text string) {
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": text})
}

func (s *triton) about(w http.ResponseWriter, _ *http.Request) {
	_ = json.NewEncoder(w).Encode(protocol.ServerMetadata{Name: "triton", Version: "2.50.0", Extensions: s.extensions})
}

func (s *triton) model(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprint(w, `{"name":"m","versions":["1"],"platform":"onnxruntime_onnx","inputs":[{"name":"x","datatype":"FP32","shape":[-1,3]}],"outputs":[{"name":"y","datatype":"FP32","shape":[-1,1]}]}`)
}

func (s *triton) getConfig(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = json.NewEncoder(w).Encode(s.config)
}

// load replaces the whole configuration, as the override does, and refuses unknown parameters.
func (s *triton) load(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Parameters map[string]string `json:"parameters"`
	}
	var config map[string]any
	err := json.NewDecoder(r.Body).Decode(&body)
	if err == nil {
		err = json.Unmarshal([]byte(body.Parameters["config"]), &config)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.explicit:
		fail(w, 503, "explicit model load / unload is not allowed if polling is enabled")
	case err != nil || config["name"] != r.PathValue("name") || len(body.Parameters) != 1:
		fail(w, 400, fmt.Sprintf("Invalid config override: %v", err))
	case s.refuse != "":
		fail(w, 400, s.refuse)
	default:
		s.config, s.counts.requests, s.counts.batches = config, 0, 0
		s.loads = append(s.loads, config)
	}
}

func (s *triton) unload(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unloads = append(s.unloads, r.PathValue("name"))
	if !s.explicit {
		fail(w, 503, "explicit model load / unload is not allowed if polling is enabled")
	}
}

// infer counts batches of two requests: 2 ms in the queue and 6 ms in the batch, each.
func (s *triton) infer(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(r.Body)
	head := len(data)
	if n, err := strconv.Atoi(r.Header.Get(protocol.HeaderLength)); err == nil {
		head = n
	}
	var req protocol.Request
	if err == nil {
		err = protocol.DecodeRequest(&req, data[:head], data[head:])
	}
	if err != nil || len(req.Inputs) != 1 || req.Inputs[0].Name != "x" || len(req.Inputs[0].Data) != 12 || len(req.Inputs[0].Shape) != 2 {
		fail(w, 400, fmt.Sprintf("%v, inputs %+v", err, req.Inputs))
		return
	}
	s.mu.Lock()
	s.bodies = append(s.bodies, r)
	s.counts.requests++
	if s.counts.requests%2 == 0 {
		s.counts.batches++
	}
	s.mu.Unlock()
	fmt.Fprint(w, `{"model_name":"m","outputs":[{"name":"y","datatype":"FP32","shape":[1,1],"data":[1]}]}`)
}

func (s *triton) stats(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	n, batches := s.counts.requests, s.counts.batches
	s.mu.Unlock()
	part := func(count, ms uint64) map[string]uint64 {
		return map[string]uint64{"count": count, "ns": count * ms * 1e6}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"model_stats": []any{map[string]any{
		"name": "m", "version": "1", "inference_count": 2 * batches, "execution_count": batches,
		"inference_stats": map[string]any{
			"success": part(n, 8), "fail": part(0, 0), "queue": part(n, 2), "compute_input": part(n, 1), "compute_infer": part(n, 4), "compute_output": part(n, 1),
		},
		"batch_stats": []any{map[string]any{"batch_size": 2, "compute_infer": part(batches, 4)}},
	}}})
}

// inForce returns three values of the configuration in force.
func (s *triton) inForce() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	group := s.config["instance_group"].([]any)[0].(map[string]any)
	return fmt.Sprint(group["count"], " ", s.config["max_batch_size"], " ", s.config["dynamic_batching"].(map[string]any)["max_queue_delay_microseconds"])
}

// lastHeader returns the headers of the last inference.
func (s *triton) lastHeader() http.Header {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bodies[len(s.bodies)-1].Header
}

func (s *triton) keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for k := range maps.Keys(s.config) {
		out = append(out, k)
	}
	return out
}

// rpcServer is the same model over gRPC.
type rpcServer struct {
	pb.UnimplementedGRPCInferenceServiceServer

	mu   sync.Mutex
	n    int
	fail func(n int) error // the error of the n-th request; nil for none
}

func (s *rpcServer) ServerMetadata(context.Context, *pb.ServerMetadataRequest) (*pb.ServerMetadataResponse, error) {
	return &pb.ServerMetadataResponse{Name: "rpc", Version: "1"}, nil
}

func (s *rpcServer) ModelMetadata(_ context.Context, r *pb.ModelMetadataRequest) (*pb.ModelMetadataResponse, error) {
	if r.GetName() != "m" {
		return nil, status.Error(codes.NotFound, "no such model")
	}
	tensor := func(name string, n int64) []*pb.ModelMetadataResponse_TensorMetadata {
		return []*pb.ModelMetadataResponse_TensorMetadata{{Name: name, Datatype: "FP32", Shape: []int64{-1, n}}}
	}
	return &pb.ModelMetadataResponse{Name: "m", Versions: []string{"1"}, Platform: "p", Inputs: tensor("x", 3), Outputs: tensor("y", 1)}, nil
}

func (s *rpcServer) ModelInfer(_ context.Context, r *pb.ModelInferRequest) (*pb.ModelInferResponse, error) {
	if len(r.GetRawInputContents()) != 1 || len(r.GetRawInputContents()[0]) != 12 || r.GetModelName() != "m" {
		return nil, status.Errorf(codes.InvalidArgument, "raw contents %d of %q", len(r.GetRawInputContents()), r.GetModelName())
	}
	s.mu.Lock()
	s.n++
	n := s.n
	s.mu.Unlock()
	s.mu.Lock()
	fail := s.fail
	s.mu.Unlock()
	if fail != nil {
		if err := fail(n); err != nil {
			return nil, err
		}
	}
	return &pb.ModelInferResponse{ModelName: "m"}, nil
}

// failWith sets the errors of the next requests.
func (s *rpcServer) failWith(f func(n int) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = f
}

// serveRPC starts the server and returns its address.
func serveRPC(t *testing.T, s *rpcServer) string {
	at, _ := startRPC(t, s)
	return at
}

// startRPC starts the server; stop breaks its connections.
func startRPC(t *testing.T, s *rpcServer) (at string, stop func()) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := grpc.NewServer()
	pb.RegisterGRPCInferenceServiceServer(g, s)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = g.Serve(ln)
	}()
	t.Cleanup(func() { g.Stop(); <-done })
	return "oip+grpc://" + ln.Addr().String(), g.Stop
}
