// Package server puts the APIs of an engine on listeners.
//
// [Open] binds the addresses of a [Config] and [Server.Run] serves them until
// its context ends, then answers what is under way. [RunChild] does the same for
// an engine that another process started: token in through stdin, addresses out
// through a pipe, and an end when the parent goes away. Everything listens on
// loopback unless told otherwise, and pages of other origins are refused.
//
// What a server listens on is a list of services, in service.go; what every
// HTTP request passes before it reaches an API is a chain of functions, in
// http.go.
package server

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"sweetspot/engine"
	"sweetspot/engine/api/wire"
)

// Server is bound listeners and what answers on them.
type Server struct {
	cfg    Config
	counts wire.Counts
	bound  []bound
}

// Addrs are the addresses in use, as host:port.
type Addrs struct {
	Inference, Management string
}

// Open binds the addresses of c for the models of e, and then writes the key
// file: while another server has an address, the file may be that server's. The
// caller runs the server or closes it; it keeps e and the tokens, and closes them
// after the server has ended.
func Open(c Config, e *engine.Engine) (*Server, error) {
	s := &Server{cfg: c.withDefaults()}
	for _, sv := range s.services(e) {
		b, err := sv.bind()
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s.bound = append(s.bound, b)
	}
	if err := s.cfg.Tokens.WriteFile(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Addrs returns the addresses that were bound, with the ports chosen.
func (s *Server) Addrs() Addrs {
	return Addrs{s.address(inferenceName), s.address(managementName)}
}

// address is where a service listens, "" for one that is not there.
func (s *Server) address(name string) string {
	for _, b := range s.bound {
		if b.name == name {
			return b.Addr().String()
		}
	}
	return ""
}

// Answers lists the answers given so far, of all listeners.
func (s *Server) Answers() []wire.Count { return s.counts.Snapshot() }

// Close frees the addresses of a server that was never run.
func (s *Server) Close() error {
	var errs []error
	for _, b := range s.bound {
		errs = append(errs, b.Close())
	}
	return errors.Join(errs...)
}

// Run serves until ctx ends or a listener fails, then refuses newcomers and
// answers what is under way for at most the drain time. Ending by ctx is no
// error; requests cut off are.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(s.bound))
	var wg sync.WaitGroup
	for i, b := range s.bound {
		wg.Go(func() {
			defer cancel() // one that fails ends the others
			if err := b.serve(ctx, b.Listener); err != nil {
				errs[i] = fmt.Errorf("%s listener: %w", b.name, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
