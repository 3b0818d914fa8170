package grpc

import (
	"context"
	"errors"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	rpc "google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"

	"sweetspot/engine/api/wire"
)

// call is what is known about one call from its begin.
type call struct {
	method string      // as /package.service/method
	timer  *time.Timer // cancels the call if its first message does not arrive; nil without a limit
	cancel context.CancelCauseFunc
	reads  chan struct{} // where the call has a place while it reads its message; nil: it has none
}

type callKey struct{}

// callOf returns the call of a context.
func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// errSlow ends a call whose message does not arrive.
var errSlow = errors.New("the message did not arrive in time")

// begin admits a call before its message is read. It must not wait: it runs in the goroutine
// that reads the connection.
func (s *Server) begin(ctx context.Context, info *tap.Info) (context.Context, error) {
	if err := s.admit(info); err != nil {
		s.cfg.Counts.Add(routeOf(info.FullMethodName), httpStatus(status.Code(err)))
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	c := &call{method: info.FullMethodName, cancel: cancel}
	switch {
	case isOpen(info.FullMethodName): // a client may keep them open, which must not delay the end
		context.AfterFunc(s.draining, func() { cancel(context.Canceled) })
	case s.cfg.Limits.Time > 0:
		c.timer = time.AfterFunc(s.cfg.Limits.Time, func() { cancel(errSlow) })
	}
	return context.WithValue(ctx, callKey{}, c), nil
}

// admit checks the key of a call. Web pages may not call: browsers send the origin of a page,
// other programs send none.
func (s *Server) admit(info *tap.Info) error {
	if origins := info.Header.Get("origin"); len(origins) > 0 {
		return status.Errorf(codes.PermissionDenied, "pages of the origin %q may not use this server; programs that send no origin may", origins[0])
	}
	if isOpen(info.FullMethodName) {
		return nil
	}
	key := ""
	if keys := info.Header.Get("authorization"); len(keys) > 0 {
		key = keys[0]
	}
	if err := s.cfg.Tokens.CheckText(s.key, key); err != nil {
		return status.Error(codes.PermissionDenied, err.Error())
	}
	return nil
}

// isOpen reports whether a method needs no key: health checks, because a probe cannot renew its
// key, and reflection.
func isOpen(method string) bool {
	return strings.HasPrefix(method, "/grpc.") || strings.HasSuffix(method, "/ServerLive") || strings.HasSuffix(method, "/ServerReady")
}

// routeOf returns the kind of route as which a method counts.
func routeOf(method string) wire.Route {
	service, name, _ := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	switch name {
	case "Predictions", "StreamPredictions", "StreamPredictions2", "ModelInfer":
		return wire.RoutePredictions
	case "Ping", "Check", "Watch", "ServerLive", "ServerReady":
		return wire.RoutePing
	case "ModelReady", "ModelMetadata", "DescribeModel", "ListModels", "RegisterModel", "ScaleWorker", "SetDefault", "UnregisterModel":
		if !strings.HasPrefix(service, "grpc.") {
			return wire.RouteModels
		}
	}
	return wire.RouteOther
}

// observer counts the calls that begin has admitted, stops their timers, and limits how many read their message at the same time.
type observer struct{ *Server }

// TagRPC is stats.Handler's.
func (observer) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// HandleRPC counts a call when it ends.
func (o observer) HandleRPC(ctx context.Context, event stats.RPCStats) {
	c := callOf(ctx)
	if c == nil {
		return
	}
	switch e := event.(type) {
	case *stats.Begin: // in the goroutine of the call, before its message is read
		if !e.IsClientStream {
			o.startReading(ctx, c)
		}
	case *stats.InPayload:
		if c.timer != nil {
			c.timer.Stop()
		}
		o.stopReading(c)
	case *stats.End:
		o.stopReading(c)
		code := status.Code(e.Error)
		o.cfg.Counts.Add(routeOf(c.method), httpStatus(code))
		if o.cfg.Counts.Log != nil { // with the code of gRPC, as in TorchServe
			o.cfg.Counts.Log(logged(ctx, c), int(code), e.BeginTime, e.EndTime)
		}
	}
}

// TagConn is stats.Handler's.
func (observer) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn is stats.Handler's.
func (observer) HandleConn(context.Context, stats.ConnStats) {}

// logged returns a call as the log of requests takes it.
func logged(ctx context.Context, c *call) *http.Request {
	r := &http.Request{Method: "gRPC", RequestURI: strings.TrimPrefix(c.method, "/"), Proto: "HTTP/2.0"}
	if p, ok := peer.FromContext(ctx); ok {
		r.RemoteAddr = p.Addr.String()
	}
	return r
}

// unary calls a method. A panic fails only this call.
func (s *Server) unary(ctx context.Context, request any, info *rpc.UnaryServerInfo, next rpc.UnaryHandler) (answer any, err error) {
	defer s.recovered(info.FullMethod, &err)
	return next(ctx, request)
}

// recovered turns a panic into an error.
func (s *Server) recovered(method string, err *error) {
	if v := recover(); v != nil {
		s.cfg.Log.Error("panic in a call", "method", method, "panic", v, "stack", string(debug.Stack()))
		*err = status.Error(codes.Internal, "the server failed; its log says why")
	}
}
