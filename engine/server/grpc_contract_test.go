package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	rpc "google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	pb "sweetspot/engine/api/grpc/torchservepb"
	"sweetspot/engine/api/management"
	"sweetspot/engine/server"
)

// rpcStep is a call with what answers it. The steps of a list run in their order, against our
// server and against a real TorchServe, whose known differences they list.
type rpcStep struct {
	name string
	call func(context.Context, rpcClients) (string, error)
	rpcAnswer
	torchServe *rpcAnswer // where it differs
	why        string     // reason of the difference
}

// rpcAnswer is the code of a call and its text: that of the answer, or the message of the error.
// It is a regular expression of the whole text if it begins with ~, and JSON that must be part of the answer if it begins with
// { or [; see matchJSON.
type rpcAnswer struct {
	code codes.Code
	text string
}

type rpcClients struct {
	inference  pb.InferenceAPIsServiceClient
	management pb.ManagementAPIsServiceClient
}

func (a rpcAnswer) check(t *testing.T, text string, err error) {
	t.Helper()
	if err != nil {
		text = status.Convert(err).Message()
	}
	if got := status.Code(err); got != a.code {
		t.Errorf("code %s, want %s: %q", got, a.code, text)
	}
	if strings.HasPrefix(a.text, "{") || strings.HasPrefix(a.text, "[") {
		var want, got any
		if err := errors.Join(json.Unmarshal([]byte(a.text), &want), json.Unmarshal([]byte(text), &got)); err != nil {
			t.Errorf("%v: %s", err, text)
		} else if err := matchJSON("", want, got); err != nil {
			t.Errorf("%v in %s", err, text)
		}
		return
	}
	if pattern, ok := strings.CutPrefix(a.text, "~"); ok {
		if !regexp.MustCompile("(?s)^(" + pattern + ")$").MatchString(text) {
			t.Errorf("%q does not match %s", text, pattern)
		}
	} else if text != a.text {
		t.Errorf("%q, want %q", text, a.text)
	}
}

// runRPC sends all steps to a server.
func runRPC(t *testing.T, steps []rpcStep, c rpcClients, real bool) {
	for _, s := range steps {
		if (s.torchServe == nil) != (s.why == "") {
			t.Errorf("%s: a difference needs a reason, and only a difference", s.name)
		}
		t.Run(s.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // a guard
			defer cancel()
			text, err := s.call(ctx, c)
			want := s.rpcAnswer
			if real && s.torchServe != nil {
				want = *s.torchServe
			}
			want.check(t, text, err)
		})
	}
}

// dial connects to the gRPC listeners of a server.
func dial(t *testing.T, inference, management string) rpcClients {
	t.Helper()
	connect := func(address string) *rpc.ClientConn {
		c, err := rpc.NewClient("passthrough:"+address, rpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	return rpcClients{pb.NewInferenceAPIsServiceClient(connect(inference)), pb.NewManagementAPIsServiceClient(connect(management))}
}

// grpcServer serves the model of the contract with gRPC.
func grpcServer(t *testing.T, change func(*server.Config)) (server.Addrs, rpcClients) {
	t.Helper()
	e := wordEngine(t)
	cfg := server.Config{
		Models: management.Config{ModelAPI: true, Opener: wordStore{wordConfig}, InitialWorkers: 1},
		GRPC:   server.GRPC{Inference: anyPort, Management: anyPort},
	}
	if change != nil {
		change(&cfg)
	}
	a, _ := serve(t, cfg, e)
	return a, dial(t, a.GRPC, a.GRPCManagement)
}

func TestGRPCContract(t *testing.T) {
	_, c := grpcServer(t, nil)
	runRPC(t, rpcContract, c, false)
}

// predictWords is a prediction of the model words.
func predictWords(version, key, text string) func(context.Context, rpcClients) (string, error) {
	return predictModel(&pb.PredictionsRequest{ModelName: "words", ModelVersion: version, Input: map[string][]byte{key: []byte(text)}})
}

func predictModel(r *pb.PredictionsRequest) func(context.Context, rpcClients) (string, error) {
	return func(ctx context.Context, c rpcClients) (string, error) {
		a, err := c.inference.Predictions(ctx, r)
		return string(a.GetPrediction()), err
	}
}

// streamModel is a prediction with a streamed answer; the text has | between its pieces.
func streamModel(r *pb.PredictionsRequest) func(context.Context, rpcClients) (string, error) {
	return func(ctx context.Context, c rpcClients) (string, error) {
		stream, err := c.inference.StreamPredictions(ctx, r)
		if err != nil {
			return "", err
		}
		var pieces []string
		for {
			a, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				return strings.Join(pieces, "|"), nil
			}
			if err != nil {
				return "", err
			}
			pieces = append(pieces, string(a.GetPrediction()))
		}
	}
}

// manage makes a step of a call of the management service.
func manage[R any](f func(pb.ManagementAPIsServiceClient, context.Context, R, ...rpc.CallOption) (*pb.ManagementResponse, error), r R) func(context.Context, rpcClients) (string, error) {
	return func(ctx context.Context, c rpcClients) (string, error) {
		a, err := f(c.management, ctx, r)
		return a.GetMsg(), err
	}
}

func ping(ctx context.Context, c rpcClients) (string, error) {
	a, err := c.inference.Ping(ctx, &emptypb.Empty{})
	return a.GetHealth(), err
}

// converse sends requests on one stream of StreamPredictions2, each after the answer to the one
// before, and returns the answers.
func converse(ctx context.Context, c rpcClients, requests ...*pb.PredictionsRequest) ([]string, error) {
	stream, err := c.inference.StreamPredictions2(ctx)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, r := range requests {
		if err := stream.Send(r); err != nil {
			return out, err
		}
		a, err := stream.Recv()
		if err != nil {
			return out, err
		}
		text := a.GetSequenceId() + ": " + string(a.GetPrediction())
		if a.Status != nil {
			text += codes.Code(a.GetStatus().GetCode()).String() + " " + a.GetStatus().GetMessage()
		}
		out = append(out, text)
	}
	if err := stream.CloseSend(); err != nil {
		return out, err
	}
	if a, err := stream.Recv(); !errors.Is(err, io.EOF) {
		return out, errors.Join(err, errors.New("more than one answer: "+a.String()))
	}
	return out, nil
}

// Requests of a stream are answered in their order, and an error does not end the stream.
func TestGRPCStream2(t *testing.T) {
	_, c := grpcServer(t, nil)
	sequence := "one"
	ask := func(model, text string) *pb.PredictionsRequest {
		return &pb.PredictionsRequest{ModelName: model, SequenceId: &sequence, Input: map[string][]byte{"data": []byte(text)}}
	}
	got, err := converse(t.Context(), c, ask("words", "a"), ask("none", "b"), ask("words", "fail"), ask("", "c"), ask("words", "d"))
	want := []string{
		"one: A", "one: NotFound Model not found: none; served here: words",
		"one: Internal Prediction failed: the row failed", "one: InvalidArgument Parameter model_name is required.", "one: D",
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}
