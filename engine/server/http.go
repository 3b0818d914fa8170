package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// What a client may take for the headers of a request, in time and bytes.
const (
	headerTime  = 10 * time.Second
	headerBytes = 64 << 10
)

// overHTTP returns the serve of a service that answers with h, told to listen on
// address.
func (s *Server) overHTTP(address string, h http.Handler) func(context.Context, net.Listener) error {
	return func(ctx context.Context, l net.Listener) error {
		web := &http.Server{
			Handler:           chain(h, s.counts.Watch, lingering, sameOrigin(address, l.Addr())),
			ReadHeaderTimeout: headerTime,
			IdleTimeout:       s.cfg.IdleTime,
			MaxHeaderBytes:    headerBytes,
			ErrorLog:          slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelWarn),
		}
		ended := make(chan error, 1)
		go func() { ended <- web.Serve(patient{l, s.cfg.WriteTime}) }()
		select {
		case err := <-ended: // only a listener that fails ends before ctx
			return errors.Join(err, drain(web, s.cfg.DrainTime))
		case <-ctx.Done():
		}
		err := drain(web, s.cfg.DrainTime)
		<-ended
		return err
	}
}

// drain ends web once what is under way is answered, or after so long.
func drain(web *http.Server, longest time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), longest)
	defer cancel()
	if web.Shutdown(ctx) == nil {
		return nil
	}
	_ = web.Close() // reports the listener that Shutdown has closed
	return fmt.Errorf("requests under way were cut off after %v", longest)
}
