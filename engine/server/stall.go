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
	if tcp, ok := c.(*net.TCPConn); ok {
		return stallConn{tcp, p.stall}, err
	}
	return c, err
}

// stallConn embeds *net.TCPConn, because net/http uses its CloseWrite, so that a client that
// is still sending can read the error.
type stallConn struct {
	*net.TCPConn
	stall time.Duration
}

// Write writes b, or fails when the client reads nothing for the stall time. A slow client
// that continues to read gets all of it.
func (c stallConn) Write(b []byte) (int, error) { return writeWithStall(c.TCPConn, b, c.stall) }

func writeWithStall(c net.Conn, b []byte, stall time.Duration) (sent int, err error) {
	for {
		if err := c.SetWriteDeadline(time.Now().Add(stall)); err != nil {
			return sent, err
		}
		n, err := c.Write(b[sent:min(sent+writePiece, len(b))])
		sent += n
		if errors.Is(err, os.ErrDeadlineExceeded) && n > 0 {
			continue // the client has read a part
		}
		if err != nil || sent == len(b) {
			return sent, err
		}
	}
}
