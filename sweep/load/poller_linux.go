package load

import (
	"os"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// poller reports events of sockets (epoll). Its owner identifies a socket by an index. The
// kernel removes a socket when it is closed.
type poller struct {
	fd          int
	rawSyscalls bool // the Go runtime has another processor for the rest of the program
	events      [128]unix.EpollEvent
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	return &poller{fd: fd, rawSyscalls: runtime.GOMAXPROCS(0) > 1}, os.NewSyscallError("epoll_create1", err)
}

func (p *poller) close() { _ = unix.Close(p.fd) } // the error does not matter

// The events; errors and the end of a connection are always reported.
const (
	toRead  = unix.EPOLLIN
	toWrite = unix.EPOLLOUT
)

func (p *poller) add(fd, index int, what uint32) error {
	e := unix.EpollEvent{Events: what, Fd: int32(index)}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, fd, &e))
}

func (p *poller) change(fd, index int, what uint32) {
	e := unix.EpollEvent{Events: what, Fd: int32(index)}
	_ = unix.EpollCtl(p.fd, unix.EPOLL_CTL_MOD, fd, &e) // fails only for unknown sockets
}

// ready returns the current events, without waiting. The result is valid until the next call.
func (p *poller) ready() []unix.EpollEvent {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd),
		uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), 0, 0, 0)
	if errno != 0 {
		return nil
	}
	return p.events[:n]
}

// wait waits for an event, at most for d, exact to microseconds. As in sleeper, it may be a raw
// system call.
func (p *poller) wait(d time.Duration) {
	ts := unix.NsecToTimespec(int64(max(d, 0)))
	fds := [1]unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}}
	if !p.rawSyscalls {
		_, _ = unix.Ppoll(fds[:], &ts, nil) // a signal ends it too
		return
	}
	_, _, _ = unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&fds)), 1, uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
}
