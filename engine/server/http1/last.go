package http1

import (
	"net"
	"net/http"
	"sync"
)

// serveLast has net/http answer one request of a connection, and waits until the connection is closed.
func (s *Listener) serveLast(nc net.Conn) {
	ended := make(chan struct{})
	end := sync.OnceFunc(func() { close(ended) })
	srv := s.cfg.Last()
	srv.SetKeepAlivesEnabled(false)
	srv.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed || state == http.StateHijacked {
			end()
		}
	}
	_ = srv.Serve(&single{Conn: nc}) // its error is that there is no second connection
	<-ended
}

// single is a listener with one connection.
type single struct {
	net.Conn
	given bool
}

// Accept returns the connection, once.
func (s *single) Accept() (net.Conn, error) {
	if s.given {
		return nil, net.ErrClosed
	}
	s.given = true
	return s.Conn, nil
}

// Close does nothing: the server closes the connection.
func (*single) Close() error { return nil }

// Addr is the address at which the connection came in.
func (s *single) Addr() net.Addr { return s.LocalAddr() }
