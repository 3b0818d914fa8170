package grpc

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"sync"

	rpc "google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	pb "sweetspot/engine/api/grpc/torchservepb"
	"sweetspot/engine/api/inference"
	"sweetspot/engine/api/predict"
	"sweetspot/engine/api/wire"
	"sweetspot/engine/payload"
)

// inferenceService is TorchServe's service for predictions.
type inferenceService struct {
	pb.UnimplementedInferenceAPIsServiceServer
	*Server
}

// predictionPool has the memory of predictions. It gets it back only if the request was not
// abandoned, because a worker may still read it.
type predictionPool struct{ pool sync.Pool }

func (p *predictionPool) get() *predict.Prediction {
	if v, ok := p.pool.Get().(*predict.Prediction); ok {
		return v
	}
	return new(predict.Prediction)
}

func (p *predictionPool) release(v *predict.Prediction) { p.pool.Put(v) }

// Ping answers as /ping does.
func (s *inferenceService) Ping(context.Context, *emptypb.Empty) (*pb.TorchServeHealthResponse, error) {
	text := "Healthy"
	if !s.predictor.Healthy() {
		text = "Unhealthy"
	}
	return &pb.TorchServeHealthResponse{Health: jsonText(wire.Status{Status: text})}, nil
}

// jsonText returns v as the JSON of TorchServe, which has no line feed at its end here.
func jsonText(v any) string {
	text := wire.Text(v)
	return string(text[:len(text)-1])
}

// Predictions answers one prediction, whole.
func (s *inferenceService) Predictions(ctx context.Context, r *pb.PredictionsRequest) (*pb.PredictionResponse, error) {
	var out *pb.PredictionResponse
	timing, err := s.predict(ctx, r, false, func(piece []byte) error {
		out = &pb.PredictionResponse{Prediction: piece}
		return nil
	})
	if err != nil {
		return nil, callError(ctx, err)
	}
	_ = rpc.SetTrailer(ctx, timing) // an error means that the call has ended
	return out, nil
}

// StreamPredictions answers one prediction in the pieces that the model sends.
func (s *inferenceService) StreamPredictions(r *pb.PredictionsRequest, stream rpc.ServerStreamingServer[pb.PredictionResponse]) error {
	timing, err := s.predict(stream.Context(), r, true, func(piece []byte) error {
		return stream.Send(&pb.PredictionResponse{Prediction: piece})
	})
	if err != nil {
		return callError(stream.Context(), err)
	}
	stream.SetTrailer(timing)
	return nil
}

// predict makes a prediction and calls send with each piece of its answer, which send may keep.
// It returns the trailer of the call.
func (s *Server) predict(ctx context.Context, r *pb.PredictionsRequest, streamed bool, send func([]byte) error) (metadata.MD, error) {
	if r.GetModelName() == "" {
		return nil, status.Error(codes.InvalidArgument, "Parameter model_name is required.")
	}
	memory := s.cfg.Limits.Budget.NewReservation()
	defer memory.Release()
	if err := memory.Reserve(int64(proto.Size(r))); err != nil {
		return nil, noMemory(err)
	}
	p := s.pool.get()
	reusable, timing, err := s.predictWith(ctx, p, &memory, r, streamed, send)
	if reusable {
		s.pool.release(p)
	}
	return timing, err
}

// predictWith is predict with the memory p, which must not be used again unless it is reusable.
func (s *Server) predictWith(ctx context.Context, p *predict.Prediction, memory *wire.Reservation, r *pb.PredictionsRequest, streamed bool, send func([]byte) error) (reusable bool, trailer metadata.MD, err error) {
	if err := s.predictor.Begin(p, r.GetModelName(), r.GetModelVersion(), ""); err != nil {
		return true, nil, err
	}
	body := p.PartsBody(partsOf(r.GetInput()))
	if p.ReadsHeader() {
		body.ID = string(wire.AppendID(nil)) // and no headers, as in TorchServe
	}
	reply, reusable, err := p.Run(ctx, body, predict.Options{Memory: memory, Streamed: streamed})
	if err != nil {
		return reusable, nil, err
	}
	if reply.Stream != nil {
		err = s.sendStream(ctx, reply.Stream, send)
	} else if err = s.cfg.Limits.CheckAnswer(len(reply.Body)); err == nil {
		err = send(slices.Clone(reply.Body)) // it belongs to p
	}
	return reusable, metadata.MD{"server-timing": {string(inference.AppendTiming(nil, reply.Timing))}}, err
}

// sendStream sends the pieces of a streamed answer.
func (s *Server) sendStream(ctx context.Context, stream *payload.Stream, send func([]byte) error) error {
	defer stream.Close()
	for {
		piece, err := stream.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = s.cfg.Limits.CheckAnswer(len(piece))
		}
		if err == nil {
			err = send(piece)
		}
		if err != nil {
			return err
		}
	}
}

// partsOf returns the inputs of a request, sorted by name.
func partsOf(input map[string][]byte) []payload.Part {
	parts := make([]payload.Part, 0, len(input))
	for _, name := range slices.Sorted(maps.Keys(input)) {
		parts = append(parts, payload.Part{Name: name, Data: input[name]})
	}
	return parts
}
