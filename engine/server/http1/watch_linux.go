package http1

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// watch notices clients that close their connection while a request is running, so that the
// request leaves the queue. The kernel reports each such connection once, to an epoll of its
// own; a request costs nothing. The runtime waits for that epoll as for a connection.
type watch struct {
	file *os.File // the epoll
	raw  syscall.RawConn

	mu    sync.Mutex // guards what follows
	conns map[uint64]*conn
	last  uint64 // the last id
}

type rawConn = syscall.RawConn

// newWatch starts a watch. Its goroutine ends when it is closed.
func newWatch() (*watch, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(fd, true); err != nil { // so that the runtime can wait for it
		return nil, errors.Join(err, unix.Close(fd))
	}
	w := &watch{file: os.NewFile(uintptr(fd), "closed connections"), conns: map[uint64]*conn{}}
	if w.raw, err = w.file.SyscallConn(); err != nil {
		return nil, errors.Join(err, w.file.Close())
	}
	if err := w.file.SetDeadline(time.Time{}); err != nil { // only if the runtime waits for it
		return nil, errors.Join(err, w.file.Close())
	}
	go w.run()
	return w, nil
}

// add watches a connection.
func (w *watch) add(c *conn, nc syscall.Conn) error {
	raw, err := nc.SyscallConn()
	if err != nil {
		return err
	}
	w.mu.Lock()
	w.last++
	c.id, c.raw = w.last, raw
	w.conns[c.id] = c
	w.mu.Unlock()
	e := unix.EpollEvent{Events: unix.EPOLLRDHUP | unix.EPOLLET, Fd: int32(uint32(c.id)), Pad: int32(uint32(c.id >> 32))}
	ctlErr := raw.Control(func(fd uintptr) { err = w.control(unix.EPOLL_CTL_ADD, fd, &e) })
	return errors.Join(ctlErr, err)
}

// remove ends the watch of a connection, which may be closed.
func (w *watch) remove(c *conn) {
	if c.raw == nil {
		return
	}
	w.mu.Lock()
	delete(w.conns, c.id)
	w.mu.Unlock()
	_ = c.raw.Control(func(fd uintptr) { _ = w.control(unix.EPOLL_CTL_DEL, fd, nil) })
}

// control changes what the epoll watches.
func (w *watch) control(operation int, fd uintptr, e *unix.EpollEvent) (err error) {
	controlErr := w.raw.Control(func(epoll uintptr) { err = unix.EpollCtl(int(epoll), operation, int(fd), e) })
	return errors.Join(controlErr, err)
}

// run reports closed connections until the watch is closed.
func (w *watch) run() {
	var events [64]unix.EpollEvent
	_ = w.raw.Read(func(epoll uintptr) (end bool) {
		for {
			n, err := unix.EpollWait(int(epoll), events[:], 0)
			if n <= 0 || err != nil && !errors.Is(err, unix.EINTR) {
				return false // wait for the next
			}
			for _, e := range events[:n] {
				w.mu.Lock()
				c := w.conns[uint64(uint32(e.Pad))<<32|uint64(uint32(e.Fd))]
				w.mu.Unlock()
				if c != nil {
					c.hungUp()
				}
			}
		}
	})
}

// close ends the watch.
func (w *watch) close() error {
	if w == nil {
		return nil
	}
	return w.file.Close()
}

// hungUp ends the running request of a client that has closed its side. If bytes of the client
// are unread, they may be that request, or the next one: then net/http gets the connection with
// them.
func (c *conn) hungUp() {
	c.left.Store(true)
	ended := true
	_ = c.raw.Control(func(fd uintptr) {
		n, _, err := unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
		ended = n == 0 && err == nil || err != nil && !errors.Is(err, unix.EAGAIN)
	})
	if ended {
		c.cancel()
	}
}
