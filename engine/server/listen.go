package server

import (
	"errors"
	"net"
	"os"
	"time"
)

// writePiece is how much of an answer has the time of one stall to leave.
const writePiece = 64 << 10

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

// Write sends b, or fails when the client takes none of it for the time of a
// stall. However slow it is, a client that goes on reading gets all.
func (c patientConn) Write(b []byte) (int, error) { return writePatiently(c.TCPConn, b, c.stall) }

func writePatiently(c net.Conn, b []byte, stall time.Duration) (sent int, err error) {
	for {
		if err := c.SetWriteDeadline(time.Now().Add(stall)); err != nil {
			return sent, err
		}
		n, err := c.Write(b[sent:min(sent+writePiece, len(b))])
		sent += n
		if errors.Is(err, os.ErrDeadlineExceeded) && n > 0 {
			continue // it took a part
		}
		if err != nil || sent == len(b) {
			return sent, err
		}
	}
}
