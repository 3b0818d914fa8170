package grpc

import (
	"context"
	"strconv"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "sweetspot/engine/api/grpc/torchservepb"
	"sweetspot/engine/api/management"
	"sweetspot/engine/api/wire"
)

// managementService is TorchServe's service that manages models.
type managementService struct {
	pb.UnimplementedManagementAPIsServiceServer
	models *management.API
}

// parameters collects the parameters of the REST API from the fields of a message. Fields with
// their zero value, and numbers below it, are as good as none.
type parameters management.Parameters

func (p parameters) number(name string, n int32) {
	if n > 0 {
		p[name] = strconv.Itoa(int(n))
	}
}

func (p parameters) flag(name string, b bool) { p[name] = strconv.FormatBool(b) }

// answer returns an answer of the management API as a message: its text, or the JSON of models.
func answer(a management.Answer, err error) (*pb.ManagementResponse, error) {
	if err != nil {
		return nil, toStatus(err)
	}
	if s, ok := a.Body.(wire.Status); ok {
		return &pb.ManagementResponse{Msg: s.Status}, nil
	}
	return &pb.ManagementResponse{Msg: jsonText(a.Body)}, nil
}

// named returns an error if a request names no model.
func named(name string) error {
	if name == "" {
		return status.Error(codes.InvalidArgument, "Parameter model_name is required.")
	}
	return nil
}

// DescribeModel answers GET /models/NAME.
func (s *managementService) DescribeModel(_ context.Context, r *pb.DescribeModelRequest) (*pb.ManagementResponse, error) {
	if err := named(r.GetModelName()); err != nil {
		return nil, err
	}
	p := parameters{}
	p.flag("customized", r.GetCustomized())
	return answer(s.models.Describe(r.GetModelName(), r.GetModelVersion(), management.Parameters(p)))
}

// ListModels answers GET /models.
func (s *managementService) ListModels(_ context.Context, r *pb.ListModelsRequest) (*pb.ManagementResponse, error) {
	p := parameters{}
	p.number("limit", r.GetLimit())
	p.number("next_page_token", r.GetNextPageToken())
	return answer(s.models.List(management.Parameters(p)))
}

// RegisterModel answers POST /models.
func (s *managementService) RegisterModel(ctx context.Context, r *pb.RegisterModelRequest) (*pb.ManagementResponse, error) {
	p := parameters{"url": r.GetUrl(), "model_name": r.GetModelName(), "handler": r.GetHandler(), "runtime": r.GetRuntime()}
	p.number("batch_size", r.GetBatchSize())
	p.number("max_batch_delay", r.GetMaxBatchDelay())
	p.number("initial_workers", r.GetInitialWorkers())
	p.number("response_timeout", r.GetResponseTimeout())
	p.number("startup_timeout", r.GetStartupTimeout())
	p.flag("synchronous", r.GetSynchronous())
	p.flag("s3_sse_kms", r.GetS3SseKms())
	return answer(s.models.Register(ctx, management.Parameters(p)))
}

// ScaleWorker answers PUT /models/NAME.
func (s *managementService) ScaleWorker(ctx context.Context, r *pb.ScaleWorkerRequest) (*pb.ManagementResponse, error) {
	if err := named(r.GetModelName()); err != nil {
		return nil, err
	}
	p := parameters{}
	p.number("min_worker", r.GetMinWorker())
	p.number("max_worker", r.GetMaxWorker())
	p.number("timeout", r.GetTimeout())
	p.flag("synchronous", r.GetSynchronous())
	return answer(s.models.Scale(ctx, r.GetModelName(), r.GetModelVersion(), management.Parameters(p)))
}

// SetDefault answers PUT /models/NAME/VERSION/set-default.
func (s *managementService) SetDefault(_ context.Context, r *pb.SetDefaultRequest) (*pb.ManagementResponse, error) {
	if err := named(r.GetModelName()); err != nil {
		return nil, err
	}
	return answer(s.models.SetDefault(r.GetModelName(), r.GetModelVersion()))
}

// UnregisterModel answers DELETE /models/NAME.
func (s *managementService) UnregisterModel(ctx context.Context, r *pb.UnregisterModelRequest) (*pb.ManagementResponse, error) {
	if err := named(r.GetModelName()); err != nil {
		return nil, err
	}
	return answer(s.models.Unregister(ctx, r.GetModelName(), r.GetModelVersion()))
}
