package server_test

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	pb "sweetspot/engine/api/grpc/torchservepb"
	"sweetspot/engine/server"
)

// BenchmarkWire is a prediction with a body of 8 KB over a connection of this machine, with the
// client: its memory counts too.
func BenchmarkWire(b *testing.B) {
	text := bytes.Repeat([]byte("a"), 8192)
	a, _ := serve(b, server.Config{GRPC: server.GRPC{Inference: anyPort}}, wordEngine(b))
	b.Run("http", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			resp, err := http.Post("http://"+a.Inference+"/predictions/words", "text/plain", bytes.NewReader(text))
			if err != nil {
				b.Fatal(err)
			}
			if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != int64(len(text)) {
				b.Fatal(n, err)
			}
			resp.Body.Close()
		}
	})
	b.Run("grpc", func(b *testing.B) {
		c := pb.NewInferenceAPIsServiceClient(connect(b, a.GRPC))
		r := &pb.PredictionsRequest{ModelName: "words", Input: map[string][]byte{"data": text}}
		b.ReportAllocs()
		for b.Loop() {
			answer, err := c.Predictions(b.Context(), r)
			if err != nil || len(answer.GetPrediction()) != len(text) {
				b.Fatal(err)
			}
		}
	})
}
