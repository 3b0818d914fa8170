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
		srv := &http.Server{
			Handler:           chain(h, s.counts.Watch, lingeringClose(s.cfg.BodyTime), checkOrigin(hostPort(address), l.Addr(), s.cfg.CORS), s.cfg.CORS.answer),
			ReadHeaderTimeout: headerTime,
			IdleTimeout:       s.cfg.IdleTime,
			MaxHeaderBytes:    headerBytes,
			ErrorLog:          slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelWarn),
		}
		ended := make(chan error, 1)
		l = stallListener{l, s.cfg.WriteTime}
		if isSecure(address) {
			l = tls.NewListener(l, s.cfg.TLS)
		}
		go func() { ended <- srv.Serve(l) }()
		select {
		case err := <-ended: // the listener has failed before ctx ended
			return errors.Join(err, drain(srv, s.cfg.DrainTime))
		case <-ctx.Done():
		}
		err := drain(srv, s.cfg.DrainTime)
		<-ended
		return err
	}
}

// hostPort returns the host:port of a configured address; the path of a socket.
func hostPort(text string) string {
	at, err := parseAddress(text, "0", "0")
	if err != nil {
		return text
	}
	return at.where
}

// drain closes srv when the running requests are answered, or after the longest wait.
func drain(srv *http.Server, longest time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), longest)
	defer cancel()
	if srv.Shutdown(ctx) == nil {
		return nil
	}
	_ = srv.Close() // its error is about the listener that Shutdown has closed
	return fmt.Errorf("running requests were aborted after %v", longest)
}
