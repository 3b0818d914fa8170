// Package grpc has the gRPC services: TorchServe's for predictions and for the management of
// models, the Open Inference Protocol under its own name and under TorchServe's, health checks
// and reflection.
//
// [NewInference] and [NewManagement] make a [Server], whose Serve answers the calls of one
// listener. The services only translate: predictions are made by package predict, models are
// managed by package management, and tokens, limits, memory and counts are those of the REST
// listeners. codes.go has the codes of errors.
//
// The key of a call is checked before its message is read. Health checks and reflection need
// none. A prediction has the times of its request in the trailer server-timing, with the syntax
// of the HTTP header.
package grpc

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"math"
	"net"
	"time"

	rpc "google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"sweetspot/engine"
	"sweetspot/engine/api/grpc/torchservepb"
	"sweetspot/engine/api/inference"
	"sweetspot/engine/api/management"
	"sweetspot/engine/api/predict"
	"sweetspot/engine/api/token"
	"sweetspot/engine/api/wire"
	"sweetspot/engine/handler"
)

// Config has what the services use, and their limits.
type Config struct {
	Engine *engine.Engine
	Models *management.API // only for NewManagement
	Tokens *token.Tokens   // nil: no key is needed
	Counts *wire.Counts
	// Limits bound messages. Their Time is the longest time for the first message of a call to
	// arrive. Their Size is raised for models that are there when Serve begins.
	Limits inference.Limits
	TLS    *tls.Config // nil: without TLS
	// MaxAge is the time after which a connection is closed, when its calls are answered, and
	// MaxAgeGrace the longest wait for them; 0 is no limit.
	MaxAge, MaxAgeGrace time.Duration
	DrainTime           time.Duration // longest wait for running calls at the end
	Version             string        // of the program; "" is unknown
	Log                 *slog.Logger
}

// Streams of one connection at the same time, and the bytes of the headers of a call.
const (
	maxStreams  = 4096
	headerBytes = 64 << 10
)

// Server answers the calls of one listener. It is used once.
type Server struct {
	cfg       Config
	key       token.Kind // that calls need
	predictor *predict.Predictor
	pool      predictionPool

	draining context.Context // ends when no more calls are accepted
	drain    context.CancelFunc

	register func(*rpc.Server)

	// Of Serve: calls that read their message, those that need no key, and calls of several messages.
	reading, probing, conversing chan struct{}
}

// NewInference returns a server with the services for predictions.
func NewInference(c Config) *Server {
	s := newServer(c, token.Inference)
	s.register = func(g *rpc.Server) {
		torchservepb.RegisterInferenceAPIsServiceServer(g, &inferenceService{Server: s})
		s.registerOIP(g)
	}
	return s
}

// NewManagement returns a server with the service that manages models.
func NewManagement(c Config) *Server {
	s := newServer(c, token.Management)
	s.register = func(g *rpc.Server) {
		torchservepb.RegisterManagementAPIsServiceServer(g, &managementService{models: c.Models})
	}
	return s
}

func newServer(c Config, key token.Kind) *Server {
	s := &Server{cfg: c, key: key, predictor: predict.New(c.Engine)}
	s.draining, s.drain = context.WithCancel(context.Background())
	return s
}

// Serve answers the calls of a listener until ctx ends. Then it refuses new calls, waits for
// the running ones, at most for the drain time, and closes the listener. Aborted calls are an
// error, the end of ctx is not.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	size := s.messageSize()
	n := readers(s.cfg.Limits.Budget.Limit(), int64(size))
	s.reading, s.probing, s.conversing = make(chan struct{}, n), make(chan struct{}, n), make(chan struct{}, n)
	g := rpc.NewServer(s.options(size)...)
	s.register(g)
	grpc_health_v1.RegisterHealthServer(g, &healthService{server: s, services: g.GetServiceInfo()})
	reflection.Register(g)
	ended := make(chan error, 1)
	go func() { ended <- g.Serve(l) }()
	select {
	case err := <-ended: // the listener has failed before ctx ended
		s.drain()
		g.Stop()
		return err
	case <-ctx.Done():
	}
	s.drain()
	err := s.stop(g)
	<-ended
	return err
}

// stop ends g when the running calls are answered, or after the longest wait.
func (s *Server) stop(g *rpc.Server) error {
	stopped := make(chan struct{})
	go func() {
		g.GracefulStop()
		close(stopped)
	}()
	longest := time.NewTimer(s.cfg.DrainTime)
	defer longest.Stop()
	select {
	case <-stopped:
		return nil
	case <-longest.C:
	}
	g.Stop()
	<-stopped
	return fmt.Errorf("running calls were aborted after %v", s.cfg.DrainTime)
}

func (s *Server) options(messageSize int) []rpc.ServerOption {
	forever := func(d time.Duration) time.Duration {
		if d == 0 {
			return math.MaxInt64
		}
		return d
	}
	o := []rpc.ServerOption{
		rpc.InTapHandle(s.begin), rpc.StatsHandler(&observer{s}),
		rpc.UnaryInterceptor(s.unary), rpc.StreamInterceptor(s.stream),
		rpc.MaxRecvMsgSize(messageSize), rpc.StaticStreamWindowSize(window), rpc.StaticConnWindowSize(connectionWindow),
		rpc.MaxConcurrentStreams(maxStreams), rpc.MaxHeaderListSize(headerBytes),
		rpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: forever(s.cfg.MaxAge), MaxConnectionAgeGrace: forever(s.cfg.MaxAgeGrace)}),
		rpc.WaitForHandlers(true),
	}
	if t := s.cfg.Limits.Time; t > 0 { // for the first bytes of a connection
		o = append(o, rpc.ConnectionTimeout(t))
	}
	if s.cfg.TLS != nil {
		o = append(o, rpc.Creds(credentials.NewTLS(s.cfg.TLS)))
	}
	return o
}

// overhead is what a message has beside the bytes of its inputs: names, shapes and parameters.
const overhead = 64 << 10

// messageSize is the largest message in bytes.
func (s *Server) messageSize() int {
	size := s.cfg.Limits.Size
	if s.cfg.Limits.Raised && s.key == token.Inference {
		for _, v := range s.cfg.Engine.Services() {
			if n := handler.BodySize(v.Model().Inputs); n > 0 {
				size = max(size, n+overhead)
			}
		}
	}
	return int(min(size, math.MaxInt32))
}
