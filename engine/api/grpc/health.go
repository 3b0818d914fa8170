package grpc

import (
	"context"
	"time"

	rpc "google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	health "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// healthService is the health service of gRPC: a server is SERVING if every version of every
// model can answer, as for /ready. The health of a service is that of the server.
type healthService struct {
	health.UnimplementedHealthServer
	server   *Server
	services map[string]rpc.ServiceInfo
}

// watchEvery is how often the health that a client watches is looked at.
const watchEvery = time.Second

// Check returns the health now.
func (s *healthService) Check(_ context.Context, r *health.HealthCheckRequest) (*health.HealthCheckResponse, error) {
	now := s.now(r.GetService())
	if now == health.HealthCheckResponse_SERVICE_UNKNOWN {
		return nil, status.Errorf(codes.NotFound, "no such service: %s", r.GetService())
	}
	return &health.HealthCheckResponse{Status: now}, nil
}

// Watch sends the health now, and again when it changes.
func (s *healthService) Watch(r *health.HealthCheckRequest, stream rpc.ServerStreamingServer[health.HealthCheckResponse]) error {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	last := health.HealthCheckResponse_UNKNOWN
	for {
		if now := s.now(r.GetService()); now != last {
			last = now
			if err := stream.Send(&health.HealthCheckResponse{Status: now}); err != nil {
				return err
			}
		}
		select {
		case <-ticker.C:
		case <-stream.Context().Done(): // also when the server ends
			return status.FromContextError(stream.Context().Err()).Err()
		}
	}
}

// now returns the health of a service; "" is the server.
func (s *healthService) now(service string) health.HealthCheckResponse_ServingStatus {
	if _, ok := s.services[service]; !ok && service != "" {
		return health.HealthCheckResponse_SERVICE_UNKNOWN
	}
	if waiting, _ := s.server.predictor.Waiting(); waiting > 0 || s.server.draining.Err() != nil {
		return health.HealthCheckResponse_NOT_SERVING
	}
	return health.HealthCheckResponse_SERVING
}
