package server

import (
	"errors"
	"net"
	"os"
	"time"
)

// writePiece is the number of bytes that must be written within one stall time.
const writePiece = 64 << 10

// stallListener makes connections whose writes fail when the client reads nothing for the stall
// time. The WriteTimeout of net/http would also count the time in the queue and the
// execution, which may be long.
type stallListener struct {
	net.Listener
	stall time.Duration
}

// Accept returns the next connection.
func (p stallListener) Accept() (net.Conn, error) {
	c, err := p.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return newStallConn(c, p.stall), nil
}

// stallConn is a connection with a stall time for its writes. It arms its deadlines rarely.
type stallConn struct {
	net.Conn
	stall       time.Duration
	read, write deadline
}

func newStallConn(c net.Conn, stall time.Duration) *stallConn {
	s := &stallConn{Conn: c, stall: stall}
	s.read.arm, s.write.arm = c.SetReadDeadline, c.SetWriteDeadline
	return s
}

// Read reads until the read deadline.
func (c *stallConn) Read(b []byte) (int, error) {
	if err := c.read.prepare(); err != nil {
		return 0, err
	}
	for {
		n, err := c.Conn.Read(b)
		if err == nil || n > 0 || !c.read.continues(err) {
			return n, err
		}
	}
}

// Write writes b, or fails when the client reads nothing for the stall time. A slow client
// that continues to read gets all of it.
func (c *stallConn) Write(b []byte) (sent int, err error) {
	for {
		if err := c.write.set(time.Now().Add(c.stall)); err != nil {
			return sent, err
		}
		n, err := c.writeSome(b[sent:min(sent+writePiece, len(b))])
		sent += n
		if errors.Is(err, os.ErrDeadlineExceeded) && n > 0 {
			continue // the client has read a part
		}
		if err != nil || sent == len(b) {
			return sent, err
		}
	}
}

// writeSome writes b, or the part of it that the client reads before a deadline is reached.
func (c *stallConn) writeSome(b []byte) (int, error) {
	for {
		n, err := c.Conn.Write(b)
		if err == nil || n > 0 || !c.write.continues(err) {
			return n, err
		}
	}
}

// SetDeadline sets both deadlines.
func (c *stallConn) SetDeadline(t time.Time) error {
	return errors.Join(c.read.set(t), c.write.set(t))
}

// SetReadDeadline sets the read deadline.
func (c *stallConn) SetReadDeadline(t time.Time) error { return c.read.set(t) }

// SetWriteDeadline sets the write deadline until the next write, which has its own.
func (c *stallConn) SetWriteDeadline(t time.Time) error { return c.write.set(t) }

// CloseWrite ends the sending, so that a client that is still sending can read the error.
// net/http uses it.
func (c *stallConn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return errors.ErrUnsupported
}
