package grpc

import (
	"context"
	"errors"
	"slices"

	rpc "google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "sweetspot/engine/api/grpc/oippb"
	"sweetspot/engine/api/inference"
	"sweetspot/engine/api/predict"
	"sweetspot/engine/api/wire"
	"sweetspot/engine/oip"
	"sweetspot/engine/payload"
)

// oipService is the service of the Open Inference Protocol. Package engine/oip has the protocol
// itself.
type oipService struct {
	pb.UnimplementedGRPCInferenceServiceServer
	*Server
}

// registerOIP registers the service under the name of the protocol and that of TorchServe.
func (s *Server) registerOIP(g *rpc.Server) {
	service := &oipService{Server: s}
	pb.RegisterGRPCInferenceServiceServer(g, service)
	other := pb.GRPCInferenceService_ServiceDesc
	other.ServiceName, other.Metadata = pb.TorchServeService, pb.TorchServeFile
	g.RegisterService(&other, service)
}

// ServerLive answers that the server runs.
func (s *oipService) ServerLive(context.Context, *pb.ServerLiveRequest) (*pb.ServerLiveResponse, error) {
	return &pb.ServerLiveResponse{Live: true}, nil
}

// ServerReady answers whether every version of every model can answer.
func (s *oipService) ServerReady(context.Context, *pb.ServerReadyRequest) (*pb.ServerReadyResponse, error) {
	waiting, _ := s.predictor.Waiting()
	return &pb.ServerReadyResponse{Ready: waiting == 0 && s.draining.Err() == nil}, nil
}

// ModelReady answers whether a version can answer.
func (s *oipService) ModelReady(_ context.Context, r *pb.ModelReadyRequest) (*pb.ModelReadyResponse, error) {
	v, err := s.cfg.Engine.Find(r.GetName(), r.GetVersion())
	if err != nil {
		return nil, toStatus(s.predictor.Unknown(r.GetName(), r.GetVersion(), err))
	}
	return &pb.ModelReadyResponse{Ready: v.CanAnswer()}, nil
}

// ServerMetadata describes the server.
func (s *oipService) ServerMetadata(context.Context, *pb.ServerMetadataRequest) (*pb.ServerMetadataResponse, error) {
	return &pb.ServerMetadataResponse{Name: "sweetspot", Version: s.cfg.Version, Extensions: oip.Extensions()}, nil
}

// ModelMetadata describes a model with its versions.
func (s *oipService) ModelMetadata(_ context.Context, r *pb.ModelMetadataRequest) (*pb.ModelMetadataResponse, error) {
	v, err := s.cfg.Engine.Find(r.GetName(), r.GetVersion())
	if err != nil {
		return nil, toStatus(s.predictor.Unknown(r.GetName(), r.GetVersion(), err))
	}
	versions := []string{r.GetVersion()}
	if r.GetVersion() == "" {
		versions = versions[:0]
		for _, o := range s.cfg.Engine.Services() {
			if o.Model().Name == r.GetName() {
				versions = append(versions, o.Model().Version)
			}
		}
	}
	m := oip.NewSignature(v.Model()).Metadata(r.GetName(), versions...)
	describe := func(all []oip.TensorMetadata) []*pb.ModelMetadataResponse_TensorMetadata {
		var out []*pb.ModelMetadataResponse_TensorMetadata
		for _, t := range all {
			out = append(out, &pb.ModelMetadataResponse_TensorMetadata{Name: t.Name, Datatype: t.Datatype, Shape: t.Shape})
		}
		return out
	}
	return &pb.ModelMetadataResponse{Name: m.Name, Versions: m.Versions, Platform: m.Platform, Inputs: describe(m.Inputs), Outputs: describe(m.Outputs)}, nil
}

// ModelInfer answers a prediction.
func (s *oipService) ModelInfer(ctx context.Context, r *pb.ModelInferRequest) (*pb.ModelInferResponse, error) {
	memory := s.cfg.Limits.Budget.NewReservation()
	defer memory.Release()
	if err := memory.Reserve(decodedSize(r)); err != nil {
		return nil, noMemory(err)
	}
	p := s.pool.get()
	answer, reply, reusable, err := s.infer(ctx, p, &memory, r)
	if reusable {
		s.pool.release(p)
	}
	if err != nil {
		return nil, callError(ctx, err)
	}
	_ = rpc.SetTrailer(ctx, metadata.MD{"server-timing": {string(inference.AppendTiming(nil, reply.Timing))}}) // an error means that the call has ended
	return answer, nil
}

// infer is ModelInfer with the memory p, which must not be used again unless it is reusable.
func (s *oipService) infer(ctx context.Context, p *predict.Prediction, memory *wire.Reservation, r *pb.ModelInferRequest) (answer *pb.ModelInferResponse, reply predict.Reply, reusable bool, err error) {
	if err = s.predictor.Begin(p, r.GetModelName(), r.GetModelVersion(), ""); err != nil {
		return nil, reply, true, err
	}
	request, err := decodeInfer(r)
	if err != nil {
		return nil, reply, true, status.Error(codes.InvalidArgument, err.Error())
	}
	m := p.Model()
	answer = &pb.ModelInferResponse{ModelName: m.Name, ModelVersion: m.Version, Id: r.GetId()}
	if p.TakesBytes() {
		reply, reusable, err = s.inferBytes(ctx, p, memory, &request, answer)
		return answer, reply, reusable, err
	}
	call := &oip.Call{Signature: oip.NewSignature(m), Request: request, TypedAnswer: true}
	p.Use(call)
	reply, reusable, err = p.Run(ctx, payload.Body{}, predict.Options{Memory: memory})
	if err == nil {
		err = encodeInfer(answer, call.Outputs, request.Binary)
	}
	if err == nil {
		err = s.cfg.Limits.CheckAnswer(proto.Size(answer))
	}
	return answer, reply, reusable, err
}

// inferBytes makes a prediction with a model whose handler reads the JSON of the protocol
// itself, as in TorchServe.
func (s *oipService) inferBytes(ctx context.Context, p *predict.Prediction, memory *wire.Reservation, request *oip.Request, answer *pb.ModelInferResponse) (predict.Reply, bool, error) {
	raw := request.Binary
	request.Binary = false
	for i := range request.Inputs {
		request.Inputs[i].Binary = false // in the JSON
	}
	text, _, err := oip.AppendRequest(nil, request)
	if err != nil {
		return predict.Reply{}, true, status.Error(codes.InvalidArgument, err.Error())
	}
	if err := memory.Reserve(int64(len(text))); err != nil {
		return predict.Reply{}, true, noMemory(err)
	}
	body := payload.Body{Type: wire.TypeJSON, Data: text}
	if p.ReadsHeader() {
		body.ID = string(wire.AppendID(nil))
	}
	reply, reusable, err := p.Run(ctx, body, predict.Options{Memory: memory})
	if err != nil {
		return reply, reusable, err
	}
	if err := s.cfg.Limits.CheckAnswer(len(reply.Body)); err != nil {
		return reply, reusable, err
	}
	var a oip.Answer
	err = oip.DecodeAnswer(&a, slices.Clone(reply.Body), nil)
	if err == nil && len(a.Outputs) == 0 {
		err = errors.New("it has no outputs")
	}
	if err != nil {
		return reply, reusable, status.Errorf(codes.Internal, "the handler of the model does not answer as the Open Inference Protocol does: %v", err)
	}
	return reply, reusable, encodeInfer(answer, a.Outputs, raw)
}
