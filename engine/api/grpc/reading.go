package grpc

import (
	"context"

	rpc "google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// The library tells the size of a message only when it has arrived, so that its memory cannot be reserved before. Instead the
// number of messages that arrive at the same time is limited, to as many of the largest size as the budget has room for: together
// they are no larger than the budget. Other calls wait before they read. Until then a call has at most window bytes, since its client may send no more.

// window is how much of a message may arrive before the call reads it, in bytes. The library would else let it grow with the speed of
// the connection. What all calls of a connection have under way is connectionWindow.
const (
	window           = 64 << 10
	connectionWindow = 1 << 20
)

// readers returns how many messages of at most size bytes may arrive at the same time.
func readers(budget, size int64) int { return int(min(max(budget/max(size, 1), 1), maxStreams)) }

// startReading waits until the call may read its message, or has ended. Calls that need no key have places of their own, so that slow
// clients do not delay health checks.
func (s *Server) startReading(ctx context.Context, c *call) {
	places := s.reading
	if isOpen(c.method) {
		places = s.probing
	}
	select {
	case places <- struct{}{}:
		c.reads = places
	case <-ctx.Done():
	}
}

// stopReading makes room for another call.
func (s *Server) stopReading(c *call) {
	if c.reads != nil {
		<-c.reads
		c.reads = nil
	}
}

// converse calls next for a call of several messages. It may wait for the next one at any time, so that it is not limited as others: it is refused if as
// many calls of its kind run as messages may arrive at the same time.
func (s *Server) converse(next func() error) error {
	select {
	case s.conversing <- struct{}{}:
		defer func() { <-s.conversing }()
		return next()
	default:
		return status.Errorf(codes.ResourceExhausted, "%d calls of several messages run, as many as have memory; end one of them", cap(s.conversing))
	}
}

// stream is unary for a method with streams.
func (s *Server) stream(service any, stream rpc.ServerStream, info *rpc.StreamServerInfo, next rpc.StreamHandler) (err error) {
	defer s.recovered(info.FullMethod, &err)
	if info.IsClientStream {
		return s.converse(func() error { return next(service, stream) })
	}
	return next(service, stream)
}
