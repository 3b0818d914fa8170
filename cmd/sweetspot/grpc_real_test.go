//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	rpc "google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	pb "sweetspot/engine/api/grpc/torchservepb"
	"sweetspot/engine/torchservetest"
)

// rpcAnswer is what two servers must agree on: the pieces of an answer, or a code.
type rpcAnswer struct {
	pieces string // with | between them
	code   string
	text   string // of an error
}

// predictRPC makes a prediction, streamed or not.
func predictRPC(ctx context.Context, c pb.InferenceAPIsServiceClient, model string, streamed bool, input map[string][]byte) (a rpcAnswer) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute) // a guard
	defer cancel()
	r := &pb.PredictionsRequest{ModelName: model, Input: input}
	var pieces []string
	var err error
	if !streamed {
		var answer *pb.PredictionResponse
		answer, err = c.Predictions(ctx, r)
		pieces = append(pieces, string(answer.GetPrediction()))
	} else if stream, failed := c.StreamPredictions(ctx, r); failed != nil {
		err = failed
	} else {
		for {
			answer, failed := stream.Recv()
			if errors.Is(failed, io.EOF) {
				break
			}
			if err = failed; err != nil {
				break
			}
			pieces = append(pieces, string(answer.GetPrediction()))
		}
	}
	s := status.Convert(err)
	text, _, _ := strings.Cut(s.Message(), "\norg.pytorch.serve") // TorchServe adds the class of its exception
	return rpcAnswer{strings.Join(pieces, "|"), s.Code().String(), text}
}

func dialRPC(t *testing.T, address string) pb.InferenceAPIsServiceClient {
	t.Helper()
	conn, err := rpc.NewClient("passthrough:"+address, rpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return pb.NewInferenceAPIsServiceClient(conn)
}

// Archives with handlers in Python answer the same calls of gRPC as in a real TorchServe: every
// byte, every piece of a stream, and the code and text of every error.
func TestRealTorchServePythonGRPC(t *testing.T) {
	store := pythonStore(t)
	archives := []string{"custom", "stream", "status"}
	var config, ours []string
	for _, file := range archives {
		config, ours = append(config, file+"="+file), append(ours, filepath.Join(store, file))
	}
	s, err := torchservetest.Start(t, torchservetest.Options{Store: store, Config: "default_workers_per_model=1\nload_models=" + strings.Join(config, ",")})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range archives {
		if err := s.WaitReady(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	_, _, printed := startServerIn(t, "", append(ours, "--disable-token-auth")...)
	address, _ := grpcAddresses(t, printed)
	us, them := dialRPC(t, address), dialRPC(t, s.GRPCInference)
	for _, tt := range []struct {
		model    string
		streamed bool
		input    map[string][]byte
	}{
		{"custom", false, map[string][]byte{"body": []byte("größe")}},
		{"custom", false, map[string][]byte{"data": {0, 0xff}}},
		{"custom", false, map[string][]byte{"a": []byte("1"), "data": []byte("{}")}},
		{"stream", true, map[string][]byte{"body": []byte("one two three")}},
		{"stream", true, map[string][]byte{"body": []byte("one two three four five six")}},
		{"status", false, map[string][]byte{"body": []byte("plain")}},
		{"status", false, map[string][]byte{"body": []byte("status 404 no such cat")}},
		{"status", false, map[string][]byte{"body": []byte("type text/x-own of its own")}},
		{"status", false, map[string][]byte{"body": []byte("raise")}},
		{"status", false, map[string][]byte{"body": []byte("list")}},
		{"status", false, map[string][]byte{"body": []byte("none")}},
		{"status", false, map[string][]byte{"body": []byte("custom 400")}},
		{"status", false, map[string][]byte{"body": []byte("custom 401")}},
		{"status", false, map[string][]byte{"body": []byte("custom 403")}},
		{"status", false, map[string][]byte{"body": []byte("custom 404")}},
		{"status", false, map[string][]byte{"body": []byte("custom 413")}},
		{"status", false, map[string][]byte{"body": []byte("custom 416")}},
		{"status", false, map[string][]byte{"body": []byte("custom 418")}},
		{"status", false, map[string][]byte{"body": []byte("custom 429")}},
		{"status", false, map[string][]byte{"body": []byte("custom 500")}},
		{"status", false, map[string][]byte{"body": []byte("custom 501")}},
		{"status", false, map[string][]byte{"body": []byte("custom 503")}},
		{"status", false, map[string][]byte{"body": []byte("custom 504")}},
	} {
		theirs, got := predictRPC(t.Context(), them, tt.model, tt.streamed, tt.input), predictRPC(t.Context(), us, tt.model, tt.streamed, tt.input)
		if got.code == theirs.code && strings.Contains(got.text, theirs.text) {
			got.text = theirs.text // ours may say more
		}
		if got != theirs {
			t.Errorf("%s %v %q:\nTorchServe %+v\nours       %+v", tt.model, tt.streamed, tt.input, theirs, got)
		}
		t.Log(tt.model, fmt.Sprintf("%.60q", tt.input), got.code)
	}
}
