package load

import (
	"io"
	"net"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// receiver reads a connection and gets the time of arrival from the kernel. Only the goroutine
// that owns the connection uses it.
type receiver struct {
	socketReader
	raw syscall.RawConn
	buf []byte
	try func(fd uintptr) bool // made once, so that reading does not allocate
}

// attach sets a new connection. It is not an error if the kernel reports no times.
func (r *receiver) attach(_ net.Conn, raw syscall.RawConn) {
	r.raw = raw
	if r.try == nil {
		r.try = func(fd uintptr) bool { return r.socketReader.read(int(fd), r.buf) }
	}
	_ = raw.Control(func(fd uintptr) { enableTimestamps(int(fd)) })
}

// Read implements io.Reader.
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

// enableTimestamps makes the kernel report the time of arrival, if it can.
func enableTimestamps(fd int) {
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS_NEW, 1)
}

// socketReader reads from a socket and has the result of the last read. It is reused, so that
// reading does not allocate.
type socketReader struct {
	n          int
	errno      syscall.Errno
	receivedAt int64 // arrival of the last byte read, in Unix nanoseconds; 0 is unknown

	msg              unix.Msghdr
	iov              unix.Iovec
	timestampMessage timestampMessage
}

// timestampMessage is the control message with the time: two numbers of 64 bits, on every
// architecture.
type timestampMessage struct {
	head           unix.Cmsghdr
	seconds, nanos int64
	_              [16]byte // space for an unknown alignment
}

// read reads available bytes into p, which is not empty. It returns false if there are none.
// It never waits, so the Go scheduler need not know of the call.
func (in *socketReader) read(fd int, p []byte) bool {
	in.iov.Base = &p[0]
	in.iov.SetLen(len(p))
	for {
		in.msg = unix.Msghdr{Iov: &in.iov, Control: (*byte)(unsafe.Pointer(&in.timestampMessage))}
		in.msg.SetIovlen(1)
		in.msg.SetControllen(int(unsafe.Sizeof(in.timestampMessage)))
		n, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&in.msg)), unix.MSG_DONTWAIT)
		switch errno {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return false
		}
		in.n, in.errno, in.receivedAt = int(n), errno, 0
		if errno != 0 {
			in.n = 0
		}
		if in.msg.Controllen > 0 && in.timestampMessage.head.Level == unix.SOL_SOCKET && in.timestampMessage.head.Type == unix.SO_TIMESTAMPNS_NEW {
			in.receivedAt = in.timestampMessage.seconds*1e9 + in.timestampMessage.nanos
		}
		return true
	}
}

// err returns the error of the last read; io.EOF at the end of the connection.
func (in *socketReader) err() error {
	switch {
	case in.errno != 0:
		return os.NewSyscallError("read", in.errno)
	case in.n == 0:
		return io.EOF
	}
	return nil
}
