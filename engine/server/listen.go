package server

import (
	"net"
	"time"
)

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
