// Package server puts the APIs of an engine on listeners.
//
// [Open] binds the addresses of a [Config] and [Server.Run] serves them until
// its context ends, then answers what is under way. [RunChild] does the same for
// an engine that another process started: token in through stdin, addresses out
// through a pipe, and an end when the parent goes away. Everything listens on
// loopback unless told otherwise.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/api/control"
	"sweetspot/engine/api/inference"
	"sweetspot/engine/api/token"
	"sweetspot/engine/api/wire"
	"sweetspot/engine/monitor"
)

// The defaults of Config.
const (
	DefaultInference      = "127.0.0.1:8080"
	DefaultManagement     = "127.0.0.1:8081"
	DefaultMaxRequestSize = 6553500 // TorchServe's max_request_size
	DefaultBodyTime       = 30 * time.Second
	DefaultWriteTime      = 30 * time.Second
	DefaultIdleTime       = 2 * time.Minute
	DefaultDrainTime      = 10 * time.Second
)

// What a client may take for the headers of a request, in time and bytes.
const (
	headerTime  = 10 * time.Second
	headerBytes = 64 << 10
)

// Config says what a server listens on and what it bounds. The zero value is
// TorchServe's addresses without tokens.
type Config struct {
	Inference  string        // host:port; "" is DefaultInference, port 0 a free one
	Management string        // likewise; also serves the control API
	Tokens     *token.Tokens // nil asks for none; Open writes their file
	Host       control.Host  // what the control API says about the process; a Usage of nil is measured

	MaxRequestSize int64         // bytes of a prediction's body; more is 413
	BodyTime       time.Duration // longest arrival of a body; then 408
	WriteTime      time.Duration // longest stall of a client that reads its answer
	IdleTime       time.Duration // longest silence between two requests of a connection
	DrainTime      time.Duration // longest wait for requests under way at the end

	Log *slog.Logger // nil discards
}

// withDefaults fills what is zero.
func (c Config) withDefaults() Config {
	orString := func(s *string, d string) {
		if *s == "" {
			*s = d
		}
	}
	orTime := func(t *time.Duration, d time.Duration) {
		if *t == 0 {
			*t = d
		}
	}
	orString(&c.Inference, DefaultInference)
	orString(&c.Management, DefaultManagement)
	orTime(&c.BodyTime, DefaultBodyTime)
	orTime(&c.WriteTime, DefaultWriteTime)
	orTime(&c.IdleTime, DefaultIdleTime)
	orTime(&c.DrainTime, DefaultDrainTime)
	if c.MaxRequestSize == 0 {
		c.MaxRequestSize = DefaultMaxRequestSize
	}
	if c.Host.Usage == nil {
		c.Host.Usage = usage
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// usage reads what this process has used; nil where the system does not tell it.
func usage() *control.Usage {
	u, err := monitor.UsageOf(0)
	if err != nil {
		return nil
	}
	return &control.Usage{CPUSeconds: u.CPU.Seconds(), RSSBytes: u.RSSBytes, PeakRSSBytes: u.PeakRSSBytes}
}

// Server is bound listeners and what answers on them.
type Server struct {
	cfg       Config
	listeners []*listener
}

// listener is one API on one address.
type listener struct {
	name string
	net  net.Listener
	http *http.Server
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
	c = c.withDefaults()
	s := &Server{cfg: c}
	predictions := inference.New(e, wire.Limits{Size: c.MaxRequestSize, Time: c.BodyTime})
	management := http.NewServeMux()
	management.Handle("/", c.Tokens.Guard(token.Management, control.New(e, c.Host)))
	management.Handle("/token", c.Tokens)
	err := s.bind("inference", c.Inference, "--listen", c.Tokens.Guard(token.Inference, predictions))
	if err == nil {
		err = s.bind("management", c.Management, "--management", management)
	}
	if err == nil {
		err = c.Tokens.WriteFile()
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// bind adds a listener; flag is what changes its address.
func (s *Server) bind(name, addr, flag string, h http.Handler) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("%s address %s %s; choose another with %s host:port", name, addr, bindFault(err), flag)
	}
	s.listeners = append(s.listeners, &listener{
		name: name,
		net:  patient{l, s.cfg.WriteTime},
		http: &http.Server{
			Handler:           h,
			ReadHeaderTimeout: headerTime,
			IdleTimeout:       s.cfg.IdleTime,
			MaxHeaderBytes:    headerBytes,
			ErrorLog:          slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelWarn),
		},
	})
	return nil
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

// Addrs returns the addresses that were bound, with the ports chosen.
func (s *Server) Addrs() Addrs {
	return Addrs{s.listeners[0].net.Addr().String(), s.listeners[1].net.Addr().String()}
}

// Close frees the addresses of a server that was never run.
func (s *Server) Close() error {
	var errs []error
	for _, l := range s.listeners {
		errs = append(errs, l.net.Close())
	}
	return errors.Join(errs...)
}

// Run serves until ctx ends or a listener fails, then refuses newcomers and
// answers what is under way for at most the drain time. Ending by ctx is no
// error; requests cut off are.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make([]error, len(s.listeners))
	var wg sync.WaitGroup
	for i, l := range s.listeners {
		wg.Go(func() {
			if err := l.http.Serve(l.net); !errors.Is(err, http.ErrServerClosed) {
				failed[i] = fmt.Errorf("%s listener: %w", l.name, err)
				cancel()
			}
		})
	}
	<-ctx.Done()
	err := s.drain()
	wg.Wait()
	return errors.Join(append(failed, err)...)
}

// drain ends all listeners at once.
func (s *Server) drain() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.DrainTime)
	defer cancel()
	cut := make([]error, len(s.listeners))
	var wg sync.WaitGroup
	for i, l := range s.listeners {
		wg.Go(func() {
			if err := l.http.Shutdown(ctx); err != nil {
				cut[i] = fmt.Errorf("%s listener: requests under way were cut off after %v", l.name, s.cfg.DrainTime)
				_ = l.http.Close() // reports the listener that Shutdown has closed
			}
		})
	}
	wg.Wait()
	return errors.Join(cut...)
}

// patient is a listener whose connections give up on a client that does not
// take its answer. A deadline for the whole answer, which net/http has, would
// also count the wait in the queue and the execution, which may be long.
type patient struct {
	net.Listener
	stall time.Duration
}

// Accept returns the next connection.
func (p patient) Accept() (net.Conn, error) {
	c, err := p.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok {
		return patientConn{tcp, p.stall}, err
	}
	return c, err
}

// patientConn holds the TCP connection itself, since net/http closes that one in
// two steps, so that a client still sending can read why it is refused.
type patientConn struct {
	*net.TCPConn
	stall time.Duration
}

// Write sends b, or fails when the client does not take it in time.
func (c patientConn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	return c.TCPConn.Write(b)
}
