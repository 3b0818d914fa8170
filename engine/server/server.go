// Package server serves the APIs of an engine on listeners.
//
// [Open] binds the addresses of a [Config]. [Server.Run] serves them until its context ends,
// then answers the running requests. [RunChild] does the same for an engine in a child
// process: it reads the token from stdin, writes the addresses to a pipe, and ends when the
// parent ends. The default addresses are loopback, and web pages of other origins are
// refused.
//
// endpoint.go lists the endpoints of a server; http.go has the chain of middleware of every
// HTTP request.
package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"syscall"

	"sweetspot/engine"
	"sweetspot/engine/api/management"
	"sweetspot/engine/api/metrics"
	"sweetspot/engine/api/wire"
	"sweetspot/engine/logfile"
)

// Server has bound listeners and their handlers.
type Server struct {
	cfg    Config
	counts wire.Counts
	models *management.API
	bound  []bound

	host     *hostSampler
	measured metrics.Config
	logs     *metrics.LogFiles // nil if the mode has none
	access   *logfile.Access   // nil without an access log
}

// Addrs are the addresses in use, as host:port.
type Addrs struct {
	Inference, Management string
	Metrics               string // "" if there is no listener
	GRPC, GRPCManagement  string // likewise
}

// Open binds the addresses of c for the models of e, and then writes the key file: if
// another server has bound an address, the file may belong to that server. The caller must
// call Run or Close, and must close e and the tokens after the server has ended.
func Open(c Config, e *engine.Engine) (*Server, error) {
	s := &Server{cfg: c.withDefaults()}
	if err := s.cfg.completeTLS(); err != nil {
		return nil, err
	}
	for _, ep := range s.endpoints(e) {
		b, err := ep.bind()
		if s.cfg.optional(ep.name) && errors.Is(err, syscall.EADDRINUSE) {
			s.cfg.Log.Warn(fmt.Sprintf("no %s listener: %v", ep.name, err))
			continue
		}
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s.bound = append(s.bound, b)
	}
	s.warnExposed()
	if err := s.cfg.Tokens.WriteFile(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if s.cfg.MetricsMode != metrics.Prometheus {
		var err error
		if s.logs, err = metrics.NewLogFiles(s.measured, s.cfg.MetricsLog, s.cfg.Log); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	if err := s.openAccessLog(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// openAccessLog opens the log of requests, if there is to be one.
func (s *Server) openAccessLog() error {
	if s.cfg.AccessLog == "" {
		return nil
	}
	if err := os.MkdirAll(s.cfg.AccessLog, 0o755); err != nil {
		return fmt.Errorf("access log: %w", err)
	}
	f, err := logfile.Open(filepath.Join(s.cfg.AccessLog, "access_log.log"))
	if err != nil {
		return fmt.Errorf("access log: %w", err)
	}
	s.access = logfile.NewAccess(f, s.cfg.Log)
	s.counts.Log = s.access.Add
	return nil
}

// Addrs returns the bound addresses, with the chosen ports.
func (s *Server) Addrs() Addrs {
	return Addrs{
		Inference: s.address(inferenceName), Management: s.address(managementName), Metrics: s.address(metricsName),
		GRPC: s.address(grpcName), GRPCManagement: s.address(grpcManageName),
	}
}

// address returns the address of an endpoint, or "" if there is none of that name.
func (s *Server) address(name string) string {
	for _, b := range s.bound {
		if b.serves(name) {
			return b.Addr().String()
		}
	}
	return ""
}

// URLs returns the addresses as URLs: http://, https:// or unix:; those of gRPC as host:port.
func (s *Server) URLs() Addrs {
	out := s.Addrs() // those of gRPC have no scheme
	for name, dst := range map[string]*string{inferenceName: &out.Inference, managementName: &out.Management, metricsName: &out.Metrics} {
		for _, b := range s.bound {
			if b.serves(name) {
				*dst = b.url
			}
		}
	}
	return out
}

// Close closes the listeners of a server that was never run.
func (s *Server) Close() error {
	s.models.Close()
	var errs []error
	if s.logs != nil {
		errs = append(errs, s.logs.Close())
	}
	if s.access != nil {
		errs = append(errs, s.access.Close())
	}
	for _, b := range s.bound {
		errs = append(errs, b.Close())
	}
	return errors.Join(errs...)
}

// Run serves until ctx ends or a listener fails. Then it refuses new requests and waits for
// the running ones, at most for the drain time. The end of ctx is not an error; requests that
// were aborted are.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(s.bound))
	var wg sync.WaitGroup
	endLogs := s.runLogs()
	debug.FreeOSMemory() // loading models needs much more memory than serving them
	for i, b := range s.bound {
		wg.Go(func() {
			defer cancel() // a listener that fails ends the others
			if err := b.serve(ctx, b.Listener); err != nil {
				errs[i] = fmt.Errorf("%s listener: %w", b.name, err)
			}
		})
	}
	wg.Wait()
	s.models.Close()
	endLogs()
	return errors.Join(append(errs, s.host.close())...)
}

// runLogs writes the log files until end is called. While one cannot be written, the
// server goes on.
func (s *Server) runLogs() (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	run := func(what string, write func(context.Context) error) {
		wg.Go(func() {
			if err := write(ctx); err != nil {
				s.cfg.Log.Warn("the last "+what+" were not written", "err", err)
			}
		})
	}
	if s.logs != nil {
		run("metrics", s.logs.Run)
	}
	if s.access != nil {
		run("requests", s.access.Run)
	}
	return func() {
		cancel()
		wg.Wait()
	}
}
