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

// service is one API on one address.
type service struct {
	name    string // unique in a server
	address string // host:port that it is to listen on
	flag    string // what changes the address on the command line
	// serve answers what comes on a listener until ctx ends, then takes no more,
	// waits for what is under way for at most the drain time, and closes the
	// listener. Requests that it cut off are an error, the end of ctx is none.
	serve func(ctx context.Context, l net.Listener) error
}

// The names of the services.
const (
	inferenceName  = "inference"
	managementName = "management"
)

// services lists what a server of e is to listen on.
func (s *Server) services(e *engine.Engine) []service {
	c := s.cfg
	limits := wire.Limits{Size: c.MaxRequestSize, Time: c.BodyTime, Budget: wire.NewBudget(c.RequestMemory)}
	predictions := c.Tokens.Guard(token.Inference, inference.New(e, limits))
	management := http.NewServeMux()
	management.Handle("/", c.Tokens.Guard(token.Management, control.New(e, c.Host)))
	management.Handle("/token", c.Tokens)
	return []service{
		{inferenceName, c.Inference, "--listen", s.overHTTP(c.Inference, predictions)},
		{managementName, c.Management, "--management", s.overHTTP(c.Management, management)},
	}
}

// bound is a service with its listener.
type bound struct {
	service
	net.Listener
}

// bind takes the service's address.
func (s service) bind() (bound, error) {
	l, err := net.Listen("tcp", s.address)
	if err != nil {
		return bound{}, fmt.Errorf("%s address %s %s; choose another with %s host:port", s.name, s.address, bindFault(err), s.flag)
	}
	return bound{s, l}, nil
}

// bindFault says in one phrase why an address cannot be bound.
func bindFault(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "is in use already"
	case errors.Is(err, os.ErrPermission):
		return "is not allowed to this user (ports below 1024 are the system's)"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "is not an address of this machine"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	return fmt.Sprintf("cannot be used: %v", err)
}
