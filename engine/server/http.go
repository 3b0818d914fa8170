package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"sweetspot/engine/server/http1"
)

// Limits of time and size for the headers of a request.
const (
	headerTime  = 10 * time.Second
	headerBytes = 64 << 10
)

// serveHTTP returns the serve function of an endpoint that answers with h. address is the
// configured one.
func (s *Server) serveHTTP(address string, h http.Handler) func(context.Context, net.Listener) error {
	return func(ctx context.Context, l net.Listener) error {
		h := chain(h, s.counts.Watch, lingeringClose(s.cfg.BodyTime), checkOrigin(hostPort(address), l.Addr(), s.cfg.CORS), s.cfg.CORS.answer)
		srv := s.httpServer(h)
		ended := make(chan error, 1)
		plain, end := s.listener(srv, l, isSecure(address))
		go func() { ended <- srv.Serve(plain) }()
		select {
		case err := <-ended: // the listener has failed before ctx ended
			return errors.Join(err, end())
		case <-ctx.Done():
		}
		err := end()
		<-ended
		return err
	}
}

// httpServer returns a server with the limits of all.
func (s *Server) httpServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTime,
		IdleTimeout:       s.cfg.IdleTime,
		MaxHeaderBytes:    headerBytes,
		ErrorLog:          slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelWarn),
	}
}

// listener returns the listener of srv, and what ends both: it closes them when the running
// requests are answered, or after the longest wait. Package http1 answers plain predictions; with
// TLS, net/http answers all requests.
func (s *Server) listener(srv *http.Server, l net.Listener, secure bool) (net.Listener, func() error) {
	if secure {
		l = tls.NewListener(stallListener{l, s.cfg.WriteTime}, s.cfg.TLS)
		return l, func() error { return drain(s.cfg.DrainTime, srv.Shutdown, srv.Close) }
	}
	fast := http1.NewListener(l, http1.Config{
		Handler: srv.Handler, Prefix: "/predictions/", Log: s.cfg.Log,
		Wrap:      func(c net.Conn) net.Conn { return newStallConn(c, s.cfg.WriteTime) },
		Last:      func() *http.Server { return s.httpServer(srv.Handler) },
		FirstTime: headerTime, IdleTime: s.cfg.IdleTime,
	})
	shutdown := func(ctx context.Context) error {
		ended := make(chan error, 1)
		_ = fast.Close() // its error is that of a listener that has failed
		go func() { ended <- fast.Shutdown(ctx) }()
		return errors.Join(srv.Shutdown(ctx), <-ended)
	}
	abort := func() error {
		fast.Abort()
		return srv.Close()
	}
	return fast, func() error { return drain(s.cfg.DrainTime, shutdown, abort) }
}

// hostPort returns the host:port of a configured address; the path of a socket.
func hostPort(text string) string {
	at, err := parseAddress(text, "0", "0")
	if err != nil {
		return text
	}
	return at.where
}

// drain calls shutdown, which waits for the running requests, and after the longest wait abort.
func drain(longest time.Duration, shutdown func(context.Context) error, abort func() error) error {
	ctx, cancel := context.WithTimeout(context.Background(), longest)
	defer cancel()
	if shutdown(ctx) == nil {
		return nil
	}
	_ = abort() // its error is about the listener that shutdown has closed
	return fmt.Errorf("running requests were aborted after %v", longest)
}
