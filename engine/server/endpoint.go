package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"syscall"

	"sweetspot/engine"
	"sweetspot/engine/api/control"
	"sweetspot/engine/api/inference"
	"sweetspot/engine/api/token"
	"sweetspot/engine/api/wire"
)

// endpoint is one API on one address.
type endpoint struct {
	name    string // unique in a server
	address string // host:port to bind
	flag    string // command-line flag that sets the address
	// serve answers the requests of a listener until ctx ends. Then it refuses new
	// requests, waits for the running ones, at most for the drain time, and closes the
	// listener. Aborted requests are an error, the end of ctx is not.
	serve func(ctx context.Context, l net.Listener) error
}

// The names of the endpoints.
const (
	inferenceName  = "inference"
	managementName = "management"
)

// endpoints returns the endpoints of a server for e.
func (s *Server) endpoints(e *engine.Engine) []endpoint {
	c := s.cfg
	limits := inference.Limits{
		Limits: wire.Limits{Size: c.MaxRequestSize, Flag: "--max-request-size", Time: c.BodyTime, Budget: wire.NewBudget(c.RequestMemory)},
		Raised: c.raised,
	}
	predictions := c.Tokens.Guard(token.Inference, inference.New(e, limits))
	management := http.NewServeMux()
	management.Handle("/", c.Tokens.Guard(token.Management, control.New(e, c.Host)))
	management.Handle("/token", c.Tokens)
	return []endpoint{
		{inferenceName, c.Inference, "--listen", s.serveHTTP(c.Inference, predictions)},
		{managementName, c.Management, "--management", s.serveHTTP(c.Management, management)},
	}
}

// bound is an endpoint with its listener.
type bound struct {
	endpoint
	net.Listener
}

// bind binds the endpoint's address.
func (e endpoint) bind() (bound, error) {
	l, err := net.Listen("tcp", e.address)
	if err != nil {
		return bound{}, fmt.Errorf("%s address %s %s; choose another with %s host:port", e.name, e.address, bindErrorText(err), e.flag)
	}
	return bound{e, l}, nil
}

// bindErrorText describes why an address cannot be bound.
func bindErrorText(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "is in use already"
	case errors.Is(err, os.ErrPermission):
		return "is not allowed for this user (ports below 1024 are reserved)"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "is not an address of this machine"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	return fmt.Sprintf("cannot be used: %v", err)
}
