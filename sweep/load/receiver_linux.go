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
	inlet
	raw syscall.RawConn
	buf []byte
	try func(fd uintptr) bool // made once, so that reading allocates nothing
}

// attach points the receiver at a new connection. A kernel that tells no times is
// no error.
func (r *receiver) attach(_ net.Conn, raw syscall.RawConn) {
	r.raw = raw
	if r.try == nil {
		r.try = func(fd uintptr) bool { return r.inlet.read(int(fd), r.buf) }
	}
	_ = raw.Control(func(fd uintptr) { wantStamps(int(fd)) })
}

// Read is that of net.Conn.
func (r *receiver) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	r.buf = p
	err := r.raw.Read(r.try)
	r.buf = nil
	if err != nil {
		return 0, err
	}
	return r.n, r.err()
}

// wantStamps asks the kernel to tell when bytes came. It may not know.
func wantStamps(fd int) {
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS_NEW, 1)
}

// inlet is one read of a socket, and what it brought. It is reused, so that
// reading allocates nothing.
type inlet struct {
	n     int
	errno syscall.Errno
	came  int64 // the last byte read, in Unix nanoseconds; 0 is not known

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

// read reads what is there into p, which is not empty; false is nothing. It never
// waits, so the Go runtime need not be told of the call.
func (in *inlet) read(fd int, p []byte) bool {
	in.iov.Base = &p[0]
	in.iov.SetLen(len(p))
	for {
		in.msg = unix.Msghdr{Iov: &in.iov, Control: (*byte)(unsafe.Pointer(&in.stamp))}
		in.msg.SetIovlen(1)
		in.msg.SetControllen(int(unsafe.Sizeof(in.stamp)))
		n, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&in.msg)), unix.MSG_DONTWAIT)
		switch errno {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return false
		}
		in.n, in.errno, in.came = int(n), errno, 0
		if errno != 0 {
			in.n = 0
		}
		if in.msg.Controllen > 0 && in.stamp.head.Level == unix.SOL_SOCKET && in.stamp.head.Type == unix.SO_TIMESTAMPNS_NEW {
			in.came = in.stamp.seconds*1e9 + in.stamp.nanos
		}
		return true
	}
}

// err is how the last read ended, io.EOF at the end of the connection.
func (in *inlet) err() error {
	switch {
	case in.errno != 0:
		return os.NewSyscallError("read", in.errno)
	case in.n == 0:
		return io.EOF
	}
	return nil
}
