package server_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	rpc "google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	health "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"sweetspot/engine/api/grpc/oippb"
	pb "sweetspot/engine/api/grpc/torchservepb"
	"sweetspot/engine/api/token"
	"sweetspot/engine/api/wire"
	"sweetspot/engine/server"
)

// withKey adds a key to the metadata of calls.
func withKey(ctx context.Context, key string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "protocol", "gRPC", "authorization", "Bearer "+key)
}

func connect(t testing.TB, address string) *rpc.ClientConn {
	t.Helper()
	c, err := rpc.NewClient("passthrough:"+address, rpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// Calls need the key of their listener, but for health checks and reflection.
func TestGRPCTokens(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys.json")
	tokens, err := token.New(file, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tokens.Close() })
	a, c := grpcServer(t, func(c *server.Config) { c.Tokens = tokens })
	keys := readKeys(t, file)
	predictions := predictWords("", "data", "a")
	models := manage(list, &pb.ListModelsRequest{})
	for _, tt := range []struct {
		name string
		call func(context.Context, rpcClients) (string, error)
		key  string
		want codes.Code
	}{
		{"predict without", predictions, "", codes.PermissionDenied},
		{"predict", predictions, keys["inference"], codes.OK},
		{"predict with another", predictions, keys["management"], codes.PermissionDenied},
		{"ping without", ping, "", codes.PermissionDenied},
		{"manage", models, keys["management"], codes.OK},
		{"manage with another", models, keys["inference"], codes.PermissionDenied},
	} {
		ctx := t.Context()
		if tt.key != "" {
			ctx = withKey(ctx, tt.key)
		}
		if _, err := tt.call(ctx, c); status.Code(err) != tt.want {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
	}
	for _, address := range []string{a.GRPC, a.GRPCManagement} {
		conn := connect(t, address)
		if address == a.GRPC {
			if r, err := oippb.NewGRPCInferenceServiceClient(conn).ServerReady(t.Context(), &oippb.ServerReadyRequest{}); err != nil || !r.GetReady() {
				t.Errorf("ready: %v %v", r, err)
			}
			if _, err := oippb.NewGRPCInferenceServiceClient(conn).ServerMetadata(t.Context(), &oippb.ServerMetadataRequest{}); status.Code(err) != codes.PermissionDenied {
				t.Errorf("metadata without a key: %v", err)
			}
		}
		h, err := health.NewHealthClient(conn).Check(t.Context(), &health.HealthCheckRequest{})
		if err != nil || h.Status != health.HealthCheckResponse_SERVING {
			t.Errorf("health: %v %v", h, err)
		}
		if names := reflected(t, conn); len(names) < 4 {
			t.Errorf("services: %v", names)
		}
	}
}

// reflected returns the services of a server.
func reflected(t *testing.T, conn *rpc.ClientConn) []string {
	t.Helper()
	stream, err := grpc_reflection_v1.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{}}); err != nil {
		t.Fatal(err)
	}
	r, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range r.GetListServicesResponse().GetService() {
		names = append(names, s.GetName())
	}
	return names
}

// Web pages may not call.
func TestGRPCOrigin(t *testing.T) {
	_, c := grpcServer(t, nil)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "origin", "http://evil.example")
	if _, err := ping(ctx, c); status.Code(err) != codes.PermissionDenied {
		t.Error(err)
	}
}

func TestGRPCLimits(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*server.Config)
		send   int
		want   codes.Code
	}{
		{"request", func(c *server.Config) { c.MaxRequestSize = 1000 }, 2000, codes.ResourceExhausted},
		{"within", func(c *server.Config) { c.MaxRequestSize = 1000 }, 900, codes.OK},
		{"default", func(*server.Config) {}, 5 << 20, codes.OK}, // the library has 4 MiB
		{"above the default", func(*server.Config) {}, 7 << 20, codes.ResourceExhausted},
		{"answer", func(c *server.Config) { c.MaxResponseSize = 1000 }, 2000, codes.Internal},
		{"memory", func(c *server.Config) { c.RequestMemory = 1500 }, 2000, codes.ResourceExhausted},
	} {
		_, c := grpcServer(t, func(c *server.Config) {
			c.BodyTime = 5 * time.Minute // a busy machine may need more than the default for 5 MB
			tt.change(c)
		})
		r := &pb.PredictionsRequest{ModelName: "words", Input: map[string][]byte{"data": bytes.Repeat([]byte("a"), tt.send)}}
		_, err := c.inference.Predictions(t.Context(), r, rpc.MaxCallRecvMsgSize(64<<20))
		if status.Code(err) != tt.want {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
	}
}

// Calls count as answers of the route and the status that they would have over HTTP.
func TestGRPCCounts(t *testing.T) {
	e := wordEngine(t)
	s := open(t, server.Config{GRPC: server.GRPC{Inference: anyPort, Management: anyPort}}, e)
	stop := run(t, s)
	a := s.Addrs()
	c := dial(t, a.GRPC, a.GRPCManagement)
	for _, call := range []func(context.Context, rpcClients) (string, error){
		ping, predictWords("", "data", "a"), predictWords("", "data", "b"), predictWords("9", "data", "c"), predictWords("", "data", "fail"),
		streamModel(&pb.PredictionsRequest{ModelName: "words", Input: map[string][]byte{"body": []byte("stream a b")}}),
		manage(list, &pb.ListModelsRequest{}), manage(register, &pb.RegisterModelRequest{Url: "words.mar"}),
	} {
		_, _ = call(t.Context(), c) // the counts are tested
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	want := []wire.Count{
		{Route: wire.RoutePing, Status: 200, N: 1},
		{Route: wire.RoutePredictions, Status: 200, N: 3},
		{Route: wire.RoutePredictions, Status: 404, N: 1},
		{Route: wire.RoutePredictions, Status: 500, N: 1},
		{Route: wire.RouteModels, Status: 200, N: 1},
		{Route: wire.RouteModels, Status: 403, N: 1},
	}
	if diff := cmp.Diff(want, s.Answers()); diff != "" {
		t.Error(diff)
	}
}

// A stream of pieces has each piece as an answer, and the times are in the trailer.
func TestGRPCStream(t *testing.T) {
	_, c := grpcServer(t, nil)
	r := &pb.PredictionsRequest{ModelName: "words", Input: map[string][]byte{"body": []byte("stream a b")}}
	if got, err := streamModel(r)(t.Context(), c); got != "a|b|." || err != nil {
		t.Errorf("%q %v", got, err)
	}
	var trailer metadata.MD
	if a, err := c.inference.Predictions(t.Context(), r, rpc.Trailer(&trailer)); err != nil || string(a.GetPrediction()) != "STREAM A B" {
		t.Errorf("%v %v", a, err)
	}
	if times := trailer.Get("server-timing"); len(times) != 1 || !bytes.Contains([]byte(times[0]), []byte("execution;dur=")) {
		t.Errorf("trailer %v", trailer)
	}
}

// A call whose message does not come is ended.
func TestGRPCSlowClient(t *testing.T) {
	a, _ := grpcServer(t, func(c *server.Config) { c.BodyTime = time.Second })
	stream, err := connect(t, a.GRPC).NewStream(t.Context(), &rpc.StreamDesc{ClientStreams: true}, pb.InferenceAPIsService_Predictions_FullMethodName)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.RecvMsg(new(pb.PredictionResponse)); status.Code(err) != codes.Canceled {
		t.Error(err)
	}
}

// gRPC has TLS if the configuration says so, and answers on a socket too.
func TestGRPCSecure(t *testing.T) {
	for name, tt := range map[string]struct {
		at     server.GRPC
		secure bool
	}{
		"flag":   {server.GRPC{Inference: anyPort, Secure: true}, true},
		"https":  {server.GRPC{Inference: "https://" + anyPort}, true},
		"http":   {server.GRPC{Inference: "http://" + anyPort}, false},
		"socket": {server.GRPC{Inference: "unix:" + filepath.Join(t.TempDir(), "s")}, false},
	} {
		a, _ := serve(t, server.Config{GRPC: tt.at}, wordEngine(t))
		address, with := "passthrough:"+a.GRPC, insecure.NewCredentials()
		if filepath.IsAbs(a.GRPC) {
			address = "unix:" + a.GRPC
		}
		if tt.secure {
			with = credentials.NewTLS(&tls.Config{InsecureSkipVerify: true}) //nolint:gosec // its own certificate
		}
		conn, err := rpc.NewClient(address, rpc.WithTransportCredentials(with))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pb.NewInferenceAPIsServiceClient(conn).Ping(t.Context(), &emptypb.Empty{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		conn.Close()
	}
}

// A server that ends answers the running calls, and refuses others.
func TestGRPCDrain(t *testing.T) {
	d := newDoubler()
	d.held = true
	s := open(t, server.Config{GRPC: server.GRPC{Inference: anyPort}}, newEngine(t, d))
	stop := run(t, s)
	a := s.Addrs()
	c := dial(t, a.GRPC, a.GRPC)
	watch, err := health.NewHealthClient(connect(t, a.GRPC)).Watch(t.Context(), &health.HealthCheckRequest{}) // does not delay the end
	if err != nil {
		t.Fatal(err)
	}
	if h, err := watch.Recv(); err != nil || h.Status != health.HealthCheckResponse_SERVING {
		t.Errorf("health: %v %v", h, err)
	}
	type result struct {
		text string
		err  error
	}
	answered, ended := make(chan result, 1), make(chan error, 1)
	go func() {
		text, err := predictModel(&pb.PredictionsRequest{ModelName: "m", Input: map[string][]byte{"data": {7}}})(context.Background(), c)
		answered <- result{text, err}
	}()
	<-d.entered
	go func() { ended <- stop() }()
	for { // until calls are refused
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, err := ping(ctx, dial(t, a.GRPC, a.GRPC))
		cancel()
		if err != nil {
			break
		}
	}
	close(d.gate)
	if r := <-answered; r.err != nil || r.text != "[14]\n" {
		t.Errorf("%q %v", r.text, r.err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// A client that leaves takes its request out of the queue.
func TestGRPCCancel(t *testing.T) {
	d := newDoubler()
	d.held = true
	e := newEngine(t, d)
	a, _ := serve(t, server.Config{GRPC: server.GRPC{Inference: anyPort}}, e)
	c := dial(t, a.GRPC, a.GRPC)
	first := make(chan error, 1)
	go func() {
		_, err := predictModel(&pb.PredictionsRequest{ModelName: "m", Input: map[string][]byte{"data": {7}}})(context.Background(), c)
		first <- err
	}()
	<-d.entered
	ctx, cancel := context.WithCancel(t.Context())
	second := make(chan error, 1)
	go func() {
		_, err := predictModel(&pb.PredictionsRequest{ModelName: "m", Input: map[string][]byte{"data": {1}}})(ctx, c)
		second <- err
	}()
	service, err := e.Find("m", "")
	if err != nil {
		t.Fatal(err)
	}
	for service.Stats().Queue == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-second; status.Code(err) != codes.Canceled {
		t.Error(err)
	}
	for service.Stats().Queue > 0 {
		time.Sleep(time.Millisecond)
	}
	close(d.gate)
	if err := <-first; err != nil {
		t.Error(err)
	}
}

// readKeys returns the keys of a key file.
func readKeys(t *testing.T, path string) map[string]string {
	t.Helper()
	var file map[string]struct{ Key string }
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &file)
	}
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]string{}
	for name, k := range file {
		keys[name] = k.Key
	}
	return keys
}
