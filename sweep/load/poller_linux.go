package load

import (
	"os"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// poller tells which sockets have something for us. A socket is known by a number
// of its owner's, and forgotten when it is closed.
type poller struct {
	fd     int
	quiet  bool // another processor is there for the rest of the program
	events [128]unix.EpollEvent
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	return &poller{fd: fd, quiet: runtime.GOMAXPROCS(0) > 1}, os.NewSyscallError("epoll_create1", err)
}

func (p *poller) close() { _ = unix.Close(p.fd) } // nothing is lost with it

// What a socket is looked at for; errors and its end are always told.
const (
	toRead  = unix.EPOLLIN
	toWrite = unix.EPOLLOUT
)

func (p *poller) add(fd, number int, what uint32) error {
	e := unix.EpollEvent{Events: what, Fd: int32(number)}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, fd, &e))
}

func (p *poller) change(fd, number int, what uint32) {
	e := unix.EpollEvent{Events: what, Fd: int32(number)}
	_ = unix.EpollCtl(p.fd, unix.EPOLL_CTL_MOD, fd, &e) // fails for unknown sockets only
}

// ready returns what there is, without waiting. The result is good until the next
// call.
func (p *poller) ready() []unix.EpollEvent {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd),
		uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), 0, 0, 0)
	if errno != 0 {
		return nil
	}
	return p.events[:n]
}

// wait waits until there is something, at most d long, to the microsecond. As with
// nap, the Go runtime is not told.
func (p *poller) wait(d time.Duration) {
	ts := unix.NsecToTimespec(int64(max(d, 0)))
	fds := [1]unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}}
	if !p.quiet {
		_, _ = unix.Ppoll(fds[:], &ts, nil) // a signal ends it as well
		return
	}
	_, _, _ = unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&fds)), 1, uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
}
