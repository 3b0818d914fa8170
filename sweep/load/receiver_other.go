//go:build !linux

package load

import (
	"net"
	"syscall"
)

// receiver reads a connection. It does not know the time of arrival, which counts as the time
// of the read.
type receiver struct {
	net.Conn
	receivedAt int64 // always 0: unknown
}

func (r *receiver) attach(nc net.Conn, _ syscall.RawConn) { r.Conn = nc }
