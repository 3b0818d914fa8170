package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// run sends the load with nothing but system calls. That is the least that a sender of single requests can need here: it
// sleeps until the planned time, writes, and reads the answer before, whose time of arrival it gets from the kernel. It
// plans nothing, records nothing but latencies, checks no answer, and has one connection.
func (l bareLoad) run(d time.Duration) (bareResult, error) {
	nc, err := net.Dial("tcp", l.addr)
	if err != nil {
		return bareResult{}, err
	}
	defer nc.Close()
	file, err := nc.(*net.TCPConn).File()
	if err != nil {
		return bareResult{}, err
	}
	defer file.Close()
	fd := int(file.Fd())
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS_NEW, 1)
	if err := unix.SetNonblock(fd, true); err != nil {
		return bareResult{}, err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // else sleeps end about 50 us later
	defer func() { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0) }()
	return newBareLoop(fd, l).run(time.Second/time.Duration(l.rate), int(d.Seconds()*float64(l.rate)))
}

// bareLoop is the state of a bareLoad. It is reused, so that the loop allocates nothing.
type bareLoop struct {
	fd        int
	request   []byte
	spin      bareSpin
	buf       [4096]byte
	control   [64]byte
	msg       unix.Msghdr
	iov       unix.Iovec
	offset    int64 // Unix nanoseconds - CLOCK_MONOTONIC
	latencies []float64
}

func newBareLoop(fd int, l bareLoad) *bareLoop {
	b := &bareLoop{fd: fd, request: []byte(l.request), spin: l.spin}
	b.iov.Base = &b.buf[0]
	b.iov.SetLen(len(b.buf))
	b.offset = time.Now().UnixNano() - monotonic()
	return b
}

// monotonic is the time of CLOCK_MONOTONIC in ns.
func monotonic() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // it cannot fail for this clock
	return ts.Nano()
}

// run sends n requests. An answer that is missing for two seconds is an error.
func (b *bareLoop) run(gap time.Duration, n int) (bareResult, error) {
	late := int(2 * time.Second / gap) // gaps without the answer
	b.latencies = make([]float64, 0, n)
	var before, after unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &before); err != nil {
		return bareResult{}, err
	}
	begin := monotonic()
	next, missing, busy := begin+int64(time.Millisecond), 0, time.Duration(0)
	planned, waiting := int64(0), false
	for len(b.latencies) < n {
		next += int64(gap)
		busy += b.waitUntil(next, b.spin.allowed(busy, time.Duration(next-begin)))
		if waiting && !b.receive(planned) {
			if missing++; missing > late {
				return bareResult{}, errors.New("the server does not answer the bare requests")
			}
			continue
		}
		if _, err := unix.Write(b.fd, b.request); err != nil {
			return bareResult{}, os.NewSyscallError("write", err)
		}
		planned, waiting, missing = next, true, 0
	}
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &after); err != nil {
		return bareResult{}, err
	}
	if len(b.latencies) == 0 {
		return bareResult{}, fmt.Errorf("no bare request in %d gaps of %v", n, gap)
	}
	used := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
	return bareResult{us: perRequest(time.Duration(used), len(b.latencies)), p50: median(b.latencies)}, nil
}

// waitUntil waits until a time of CLOCK_MONOTONIC, the lead before it without sleep, and returns how long it was busy.
func (b *bareLoop) waitUntil(t int64, lead time.Duration) time.Duration {
	ts := unix.NsecToTimespec(t - int64(lead))
	_, _, _ = unix.RawSyscall6(unix.SYS_CLOCK_NANOSLEEP, unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
	woke := monotonic()
	b.spin = b.spin.adjusted(time.Duration(woke - t + int64(lead)))
	for now := woke; now < t; now = monotonic() {
		continue
	}
	return time.Duration(max(t-woke, 0))
}

// receive reads the answer, and reports whether there is one.
func (b *bareLoop) receive(planned int64) bool {
	b.msg = unix.Msghdr{Iov: &b.iov, Control: &b.control[0]}
	b.msg.SetIovlen(1)
	b.msg.SetControllen(len(b.control))
	n, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(b.fd), uintptr(unsafe.Pointer(&b.msg)), unix.MSG_DONTWAIT)
	if errno != 0 || n == 0 {
		return false
	}
	head := (*unix.Cmsghdr)(unsafe.Pointer(&b.control[0]))
	at := monotonic() + b.offset
	if b.msg.Controllen > 0 && head.Type == unix.SO_TIMESTAMPNS_NEW {
		stamp := (*[2]int64)(unsafe.Pointer(&b.control[unix.SizeofCmsghdr]))
		at = stamp[0]*1e9 + stamp[1]
	}
	b.latencies = append(b.latencies, float64(at-b.offset-planned)/1e6)
	return true
}
