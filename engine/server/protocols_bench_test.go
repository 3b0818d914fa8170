package server_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/api/grpc/oippb"
	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
	"sweetspot/engine/server"
	"sweetspot/engine/tensor"
)

// constant is a backend whose outputs are always the same numbers, at once.
type constant struct{ out tensor.Item }

func (c constant) Open(context.Context, *engine.Model, knob.Config) (engine.Session, error) {
	return c, nil
}
func (constant) Shared() bool { return true }
func (constant) Close() error { return nil }

func (c constant) Run(_ context.Context, in []payload.Row, out []payload.Result) error {
	for i := range in {
		out[i].Outputs = c.out
	}
	return nil
}

// BenchmarkProtocols is one prediction after the other with a row of 64 numbers, over a connection of this machine. It reports the median of their
// times. Allocations are those of the server and of the client, which for HTTP writes a request that is ready.
func BenchmarkProtocols(b *testing.B) {
	numbers := make([]byte, 256)
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{"constant": constant{tensor.Item{{Type: tensor.Float32, Shape: []int64{64}, Data: numbers}}}}, Cores: 2})
	one := func(name string) []tensor.Spec {
		return []tensor.Spec{{Name: name, Type: tensor.Float32, Shape: []int64{64}}}
	}
	m := &engine.Model{Name: "m", Version: "1.0", Backend: "constant", BatchAxis: true, Inputs: one("x"), Outputs: one("y")}
	if err := e.Load(b.Context(), m, knob.Config{Settings: knob.Default(knob.Eager), Options: knob.Options{Rule: knob.Eager}}); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = e.Close(context.Background()) })
	a, _ := serve(b, server.Config{GRPC: server.GRPC{Inference: anyPort}}, e)

	const head = `{"inputs":[{"name":"x","shape":[1,64],"datatype":"FP32","parameters":{"binary_data_size":256}}],"parameters":{"binary_data_output":true}}`
	list := "[" + strings.TrimSuffix(strings.Repeat("0.5,", 64), ",") + "]"
	for _, c := range []struct{ name, path, headers, body string }{
		{"predictions/raw", "/predictions/m", "Content-Type: application/octet-stream\r\nAccept: application/octet-stream\r\n", string(numbers)},
		{"predictions/json", "/predictions/m", "Content-Type: application/json\r\n", list},
		{"oip/binary", "/v2/models/m/infer", fmt.Sprintf("Content-Type: application/octet-stream\r\nInference-Header-Content-Length: %d\r\n", len(head)), head + string(numbers)},
		{"oip/json", "/v2/models/m/infer", "Content-Type: application/json\r\n", `{"inputs":[{"name":"x","shape":[1,64],"datatype":"FP32","data":` + list + `}]}`},
	} {
		request := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\n%sContent-Length: %d\r\n\r\n%s", c.path, a.Inference, c.headers, len(c.body), c.body)
		b.Run(c.name, func(b *testing.B) { benchmarkHTTP(b, a.Inference, request) })
	}
	b.Run("oip/grpc", func(b *testing.B) {
		client := oippb.NewGRPCInferenceServiceClient(connect(b, a.GRPC))
		r := &oippb.ModelInferRequest{
			ModelName:        "m",
			Inputs:           []*oippb.ModelInferRequest_InferInputTensor{{Name: "x", Datatype: "FP32", Shape: []int64{1, 64}}},
			RawInputContents: [][]byte{numbers},
		}
		benchmarkCalls(b, func() error {
			answer, err := client.ModelInfer(b.Context(), r)
			if err == nil && !bytes.Equal(answer.GetRawOutputContents()[0], numbers) {
				err = fmt.Errorf("%v", answer)
			}
			return err
		})
	})
}

func benchmarkHTTP(b *testing.B, address string, request []byte) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	benchmarkCalls(b, func() error {
		if _, err := conn.Write(request); err != nil {
			return err
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s", resp.Status)
		}
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	})
}

// benchmarkCalls calls f again and again, and reports the median of its times.
func benchmarkCalls(b *testing.B, f func() error) {
	times := make([]time.Duration, 0, 1<<20)
	b.ReportAllocs()
	for b.Loop() {
		begin := time.Now()
		if err := f(); err != nil {
			b.Fatal(err)
		}
		times = append(times, time.Since(begin))
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Nanoseconds())/1000, "p50-us")
}
