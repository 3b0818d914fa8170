package server_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	rpc "google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"sweetspot/engine"
	"sweetspot/engine/api/grpc/oippb"
	pb "sweetspot/engine/api/grpc/torchservepb"
	"sweetspot/engine/api/management"
	"sweetspot/engine/enginetest"
	"sweetspot/engine/knob"
	"sweetspot/engine/server"
	"sweetspot/engine/tensor"
)

// surface is a server with all listeners, for bytes from anyone. It serves the model m, which doubles numbers.
type surface struct {
	engine  *engine.Engine
	server  *server.Server
	addrs   server.Addrs
	panics  *panicLog
	answers int64 // counted by the server so far
}

// openSurface opens the server until the fuzz target ends.
func openSurface(f *testing.F) *surface {
	f.Helper()
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{"doubler": newDoubler(), enginetest.Name: &enginetest.Backend{}}, Cores: 2})
	one := func(name string) []tensor.Spec {
		return []tensor.Spec{{Name: name, Type: tensor.Uint8, Shape: []int64{1}}}
	}
	c := knob.Config{Settings: knob.Default(knob.Eager), Options: knob.Options{Rule: knob.Eager}}
	m := &engine.Model{Name: "m", Version: "1.0", Backend: "doubler", BatchAxis: true, Inputs: one("x"), Outputs: one("y")}
	if err := e.Load(f.Context(), m, c); err != nil {
		f.Fatal(err)
	}
	x := &surface{engine: e, panics: &panicLog{}}
	var err error
	x.server, err = server.Open(server.Config{
		Inference: anyPort, Management: anyPort, GRPC: server.GRPC{Inference: anyPort, Management: anyPort},
		Models: management.Config{ModelAPI: true, Opener: onlyWords{wordStore{c}}}, Log: slog.New(slog.NewTextHandler(x.panics, nil)),
	}, e)
	if err != nil {
		f.Fatal(err)
	}
	x.addrs = x.server.Addrs()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- x.server.Run(ctx) }()
	f.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended, e.Close(context.Background())); err != nil {
			f.Error(err)
		}
	})
	return x
}

// panicLog is a log that keeps the first message about a panic: package http and the gRPC server catch them.
type panicLog struct {
	mu    sync.Mutex
	first string
}

func (p *panicLog) Write(line []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.first == "" && bytes.Contains(line, []byte("panic")) {
		p.first = string(line)
	}
	return len(line), nil
}

func (p *panicLog) check(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.first != "" {
		t.Errorf("a panic: %s", p.first)
	}
}

// exchange sends bytes on a new connection, ends its half, and returns all that the server sends until it closes.
func (x *surface) exchange(t *testing.T, address string, sent []byte) []byte {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute)) // a guard
	_, _ = conn.Write(sent)                           // the server may have closed it
	_ = conn.(*net.TCPConn).CloseWrite()
	got, err := io.ReadAll(conn)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("no answer and no end to %q", sent)
	}
	return got
}

// checkAlive checks that the next client gets its answer, that no handler has panicked, and that each request that
// was queued has exactly one outcome.
func (x *surface) checkAlive(t *testing.T) {
	t.Helper()
	resp, err := http.Post("http://"+x.addrs.Inference+"/predictions/m", "application/json", strings.NewReader("[21]"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 200 || string(body) != "[42]\n" {
		t.Errorf("afterwards: %d %s", resp.StatusCode, body)
	}
	x.panics.check(t)
	m, err := x.engine.Find("m", "")
	if err != nil {
		t.Fatal(err)
	}
	var s engine.Stats
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) { // an abandoned one ends a little later
		if s = m.Stats(); s.Accepted == s.OK+s.Failed+s.Cancelled+s.Expired && s.Queue == 0 && s.InFlight == 0 {
			return
		}
	}
	t.Errorf("the outcomes of the requests do not add up: %+v", s)
}

// countAnswers returns how many answers of HTTP the server has counted since the last call.
func (x *surface) countAnswers() int64 {
	var all int64
	for _, c := range x.server.Answers() {
		all += c.N
	}
	n := all - x.answers
	x.answers = all
	return n
}

// FuzzConnection sends bytes that may be no HTTP to a real listener. What comes back is nothing, or complete answers
// that are valid HTTP; the server counts no more answers than it has given, and answers the next client.
func FuzzConnection(f *testing.F) {
	for _, text := range []string{
		"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"POST /predictions/m HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n[1]",
		"POST /predictions/m HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n[1]GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"POST /predictions/m HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1]\r\n0\r\n\r\n",
		"POST /v2/models/m/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 72\r\n\r\n{\"inputs\":[{\"name\":\"x\",\"datatype\":\"UINT8\",\"shape\":[2,1],\"data\":[1,2]}]}",
		"POST /predictions/m HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n[1]",
		"POST /predictions/m HTTP/1.1\r\nHost: localhost\r\nContent-Length: 30\r\n\r\n[1]",
		"POST /predictions/m HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n[1]",
		"HEAD /ping HTTP/1.1\r\nHost: localhost\r\n\r\nHEAD /none HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"GET http://other/ping HTTP/1.0\r\n\r\n",
		"\x16\x03\x01",
		"",
	} {
		f.Add([]byte(text))
	}
	x := openSurface(f)
	f.Fuzz(func(t *testing.T, sent []byte) {
		n, err := countResponses(sent, x.exchange(t, x.addrs.Inference, sent))
		if err != nil {
			t.Errorf("%q: %v", sent, err)
		}
		x.checkAlive(t)
		if counted := x.countAnswers(); counted < 1 || counted > n+1 { // one is that of checkAlive
			t.Errorf("%q: %d answers were counted, %d were given", sent, counted-1, n)
		}
	})
}

// countResponses counts the final answers in what a server has sent. An answer that is no valid HTTP, or is not complete,
// is an error. sent has the requests, because an answer to HEAD has no body.
func countResponses(sent, got []byte) (n int64, err error) {
	requests, answers := bufio.NewReader(bytes.NewReader(sent)), bufio.NewReader(bytes.NewReader(got))
	for {
		if _, err := answers.Peek(1); err != nil {
			return n, nil
		}
		req, bad := http.ReadRequest(requests)
		if bad != nil {
			req = &http.Request{Method: http.MethodGet}
		} else if _, bad := io.Copy(io.Discard, req.Body); bad != nil {
			requests.Reset(bytes.NewReader(nil))
		}
		for interim := true; interim; {
			resp, err := http.ReadResponse(answers, req)
			if err != nil {
				return n, fmt.Errorf("answer %d: %w in %.300q", n+1, err, got)
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				return n, fmt.Errorf("body of answer %d: %w in %.300q", n+1, err, got)
			}
			if req.Method == http.MethodHead && resp.StatusCode >= 400 && resp.Close {
				_, _ = io.Copy(io.Discard, answers) // package http refuses a request before it looks at its method
			}
			interim = resp.StatusCode < 200
		}
		n++
	}
}

// FuzzGRPCConnection sends bytes that may be no HTTP/2 to the listeners of gRPC. What comes back are whole frames.
func FuzzGRPCConnection(f *testing.F) {
	const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	frame := func(kind, flags byte, stream uint32, payload string) string {
		head := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
		return string(binary.BigEndian.AppendUint32(append(head, flags), stream)) + payload
	}
	settings := frame(4, 0, 0, "")
	for _, text := range []string{
		preface + settings, preface, "GET /ping HTTP/1.1\r\n\r\n", "",
		preface + settings + frame(6, 0, 0, "12345678"),                                // ping
		preface + settings + frame(1, 5, 1, "\x83\x86\x44\x02/x\x41\x01a"),             // headers
		preface + settings + frame(1, 4, 1, "\x83\x86") + frame(0, 1, 1, "\x00\x00"),   // and data
		preface + settings + frame(8, 0, 0, "\x7f\xff\xff\xff") + frame(3, 0, 1, "12"), // a window that is too large, a reset
	} {
		f.Add([]byte(text), false)
	}
	x := openSurface(f)
	f.Fuzz(func(t *testing.T, sent []byte, management bool) {
		address := x.addrs.GRPC
		if management {
			address = x.addrs.GRPCManagement
		}
		got := x.exchange(t, address, sent)
		for rest := got; len(rest) >= 9; {
			size, kind := int(binary.BigEndian.Uint32(rest)>>8), rest[3]
			if size > 1<<14 || kind > 9 {
				t.Fatalf("a frame of kind %d with %d bytes in %q", kind, size, got)
			}
			rest = rest[min(9+size, len(rest)):]
		}
		x.checkAlive(t)
	})
}

// bytesCodec sends and receives the bytes of messages as they are.
type bytesCodec struct{}

func (bytesCodec) Name() string                       { return "proto" }
func (bytesCodec) Marshal(v any) ([]byte, error)      { return *v.(*[]byte), nil }
func (bytesCodec) Unmarshal(data []byte, v any) error { *v.(*[]byte) = bytes.Clone(data); return nil }

// FuzzGRPC calls any method with any bytes as its message. Each call ends with a code, and other clients get their answers.
func FuzzGRPC(f *testing.F) {
	predict := &pb.PredictionsRequest{ModelName: "m", Input: map[string][]byte{"data": []byte("[1]")}}
	for method, m := range map[string]proto.Message{
		pb.InferenceAPIsService_Ping_FullMethodName:               nil,
		pb.InferenceAPIsService_Predictions_FullMethodName:        predict,
		pb.InferenceAPIsService_StreamPredictions_FullMethodName:  predict,
		pb.InferenceAPIsService_StreamPredictions2_FullMethodName: predict,
		oippb.GRPCInferenceService_ModelInfer_FullMethodName:      inferBytes(true, 1, 2),
		oippb.GRPCInferenceService_ModelMetadata_FullMethodName:   &oippb.ModelMetadataRequest{Name: "m"},
		"/" + oippb.TorchServeService + "/ModelInfer":             inferBytes(false, 1, 2),
		"/grpc.health.v1.Health/Check":                            nil,
		"/none":                                                   nil,
	} {
		f.Add(method, marshalled(f, m), false)
	}
	for method, m := range map[string]proto.Message{
		pb.ManagementAPIsService_DescribeModel_FullMethodName:   &pb.DescribeModelRequest{ModelName: "words"},
		pb.ManagementAPIsService_ListModels_FullMethodName:      &pb.ListModelsRequest{Limit: 3},
		pb.ManagementAPIsService_RegisterModel_FullMethodName:   &pb.RegisterModelRequest{Url: "words-2.mar"},
		pb.ManagementAPIsService_ScaleWorker_FullMethodName:     &pb.ScaleWorkerRequest{ModelName: "words", MinWorker: 1, MaxWorker: 2},
		pb.ManagementAPIsService_SetDefault_FullMethodName:      &pb.SetDefaultRequest{ModelName: "words", ModelVersion: "2.0"},
		pb.ManagementAPIsService_UnregisterModel_FullMethodName: &pb.UnregisterModelRequest{ModelName: "words"},
	} {
		f.Add(method, marshalled(f, m), true)
	}
	x, managed := openSurface(f), openSurface(f) // calls may change or remove the models of the second one
	inference, manage := connect(f, x.addrs.GRPC), connect(f, managed.addrs.GRPCManagement)
	f.Fuzz(func(t *testing.T, method string, message []byte, management bool) {
		conn := inference
		if management {
			conn = manage
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // a guard
		defer cancel()
		var answer []byte
		err := conn.Invoke(ctx, "/"+strings.TrimPrefix(method, "/"), &message, &answer, rpc.ForceCodec(bytesCodec{}))
		if code := status.Code(err); code > codes.Unauthenticated || code == codes.DeadlineExceeded {
			t.Errorf("%q %q: %v", method, message, err)
		}
		x.checkAlive(t)
		managed.panics.check(t)
	})
}

func marshalled(f *testing.F, m proto.Message) []byte {
	f.Helper()
	data, err := proto.Marshal(m)
	if err != nil {
		f.Fatal(err)
	}
	return data
}
