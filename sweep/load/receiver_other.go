//go:build !linux

package load

import (
	"net"
	"syscall"
)

// receiver reads a connection. It does not know when what it has read came: it
// counts as read at once.
type receiver struct {
	net.Conn
	came int64 // 0: not known
}

func (r *receiver) attach(nc net.Conn, _ syscall.RawConn) { r.Conn = nc }
