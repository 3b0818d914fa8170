package load

import (
	"io"
	"net"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// receiver reads a connection and asks the kernel when what it has read came. Only
// the goroutine that owns the connection uses it.
type receiver struct {
	came int64 // the last byte read, in Unix nanoseconds; 0 is not known

	raw   syscall.RawConn
	try   func(fd uintptr) bool // made once, so that reading allocates nothing
	n     int
	errno syscall.Errno

	msg   unix.Msghdr
	iov   unix.Iovec
	stamp stamp
}

// stamp is the one message that comes beside the bytes: the time as two numbers
// of 64 bits, on every architecture.
type stamp struct {
	head           unix.Cmsghdr
	seconds, nanos int64
	_              [16]byte // room for an alignment we do not know
}

// attach points the receiver at a new connection. A kernel that tells no times is
// no error.
func (r *receiver) attach(_ net.Conn, raw syscall.RawConn) {
	r.raw = raw
	if r.try == nil {
		r.try = r.receive
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS_NEW, 1)
	})
}

// Read is that of net.Conn.
func (r *receiver) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	r.iov.Base = &p[0]
	r.iov.SetLen(len(p))
	err := r.raw.Read(r.try)
	r.iov.Base = nil
	switch {
	case err != nil:
		return 0, err
	case r.errno != 0:
		return 0, os.NewSyscallError("read", r.errno)
	case r.n == 0:
		return 0, io.EOF
	}
	return r.n, nil
}

// receive reads what is there; false is nothing. It never waits, so the Go
// runtime need not be told of the call.
func (r *receiver) receive(fd uintptr) bool {
	for {
		r.msg = unix.Msghdr{Iov: &r.iov, Control: (*byte)(unsafe.Pointer(&r.stamp))}
		r.msg.SetIovlen(1)
		r.msg.SetControllen(int(unsafe.Sizeof(r.stamp)))
		n, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&r.msg)), unix.MSG_DONTWAIT)
		switch errno {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return false
		}
		r.n, r.errno, r.came = int(n), errno, 0
		if r.msg.Controllen > 0 && r.stamp.head.Level == unix.SOL_SOCKET && r.stamp.head.Type == unix.SO_TIMESTAMPNS_NEW {
			r.came = r.stamp.seconds*1e9 + r.stamp.nanos
		}
		return true
	}
}
