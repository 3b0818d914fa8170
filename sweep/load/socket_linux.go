package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// dialFirst connects to a server by name. It returns the nonblocking socket and the address,
// for more connections to it.
func dialFirst(ctx context.Context, addr string, timeout time.Duration) (fd int, at unix.Sockaddr, err error) {
	d := net.Dialer{Timeout: timeout, KeepAlive: -1}
	nc, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return 0, nil, err // has the address
	}
	defer nc.Close()
	t, ok := nc.(*net.TCPConn)
	if !ok {
		return 0, nil, fmt.Errorf("connection of type %T: want TCP", nc)
	}
	if at, err = sockaddr(t.RemoteAddr().(*net.TCPAddr)); err != nil {
		return 0, nil, err
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return 0, nil, err
	}
	var errno error
	err = raw.Control(func(p uintptr) { fd, errno = unix.FcntlInt(p, unix.F_DUPFD_CLOEXEC, 0) })
	if err = errors.Join(err, errno); err == nil {
		enableTimestamps(fd)
	}
	return fd, at, err
}

// sockaddr converts an address for the kernel. It does not support zones.
func sockaddr(a *net.TCPAddr) (unix.Sockaddr, error) {
	if ip := a.IP.To4(); ip != nil {
		return &unix.SockaddrInet4{Port: a.Port, Addr: [4]byte(ip)}, nil
	}
	if ip := a.IP.To16(); ip != nil && a.Zone == "" {
		return &unix.SockaddrInet6{Port: a.Port, Addr: [16]byte(ip)}, nil
	}
	return nil, fmt.Errorf("address %v: %w", a, errors.ErrUnsupported)
}

// dial starts a connection with the options of the Go runtime: TCP_NODELAY, close on exec. It
// is established, or has failed, when the socket becomes writable.
func dial(at unix.Sockaddr) (fd int, err error) {
	family := unix.AF_INET
	if _, six := at.(*unix.SockaddrInet6); six {
		family = unix.AF_INET6
	}
	fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	enableTimestamps(fd)
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if err = unix.Connect(fd, at); err != nil && err != unix.EINPROGRESS {
		return -1, errors.Join(os.NewSyscallError("connect", err), unix.Close(fd))
	}
	return fd, nil
}

// dialResult returns the error of a dial, or nil if the connection is established.
func dialResult(fd int) error {
	errno, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return os.NewSyscallError("connect", err)
	}
	if errno != 0 {
		return os.NewSyscallError("connect", syscall.Errno(errno))
	}
	return nil
}

// write writes as much as the socket accepts at once and returns the number of bytes. It does
// not use the Go scheduler. It ignores errors, because the reader of the connection gets them
// too.
func write(fd int, data []byte) int {
	if len(data) == 0 {
		return 0
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&data[0])), uintptr(len(data)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	switch errno {
	case 0:
		return int(n)
	case unix.EAGAIN, unix.EINTR:
		return 0
	}
	return len(data)
}
