package grpc

import (
	"errors"
	"io"

	rpc "google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "sweetspot/engine/api/grpc/torchservepb"
)

// StreamPredictions2 answers the requests of a stream one after the other, so that a model gets
// those of a sequence in their order. An error is an answer too, and the stream goes on. When
// the server ends, the requests that have arrived are answered first.
func (s *inferenceService) StreamPredictions2(stream rpc.BidiStreamingServer[pb.PredictionsRequest, pb.PredictionResponse]) error {
	requests := make(chan *pb.PredictionsRequest)
	ended := make(chan error, 1)
	go func() { // it ends with the call, whose end ends Recv
		for {
			r, err := stream.Recv()
			if err != nil {
				ended <- err
				return
			}
			select {
			case requests <- r:
			case <-stream.Context().Done():
				return
			}
		}
	}()
	for {
		select {
		case r := <-requests:
			if err := s.answer(stream, r); err != nil {
				return err
			}
		case err := <-ended:
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		case <-s.draining.Done():
			select {
			case r := <-requests:
				if err := s.answer(stream, r); err != nil {
					return err
				}
			default:
				return status.Error(codes.Unavailable, "the server ends")
			}
		}
	}
}

// answer answers one request of a stream. An error means that the client has left.
func (s *inferenceService) answer(stream rpc.BidiStreamingServer[pb.PredictionsRequest, pb.PredictionResponse], r *pb.PredictionsRequest) error {
	_, err := s.predict(stream.Context(), r, true, func(piece []byte) error {
		return stream.Send(&pb.PredictionResponse{Prediction: piece, SequenceId: r.SequenceId})
	})
	if err == nil {
		return nil
	}
	if stream.Context().Err() != nil {
		return toStatus(stream.Context().Err())
	}
	failed := status.Convert(toStatus(err))
	return stream.Send(&pb.PredictionResponse{
		SequenceId: r.SequenceId,
		Status:     &pb.Status{Code: int32(failed.Code()), Message: failed.Message()},
	})
}
