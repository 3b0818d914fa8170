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

// bareRequest is a request as our load generator sends it, made once.
const bareRequest = "POST " + pathWork + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"x\":1}"

// bareCost sends constant requests at their times with nothing but system calls, and returns the processor time per
// request in us and the median latency in ms. That is the least that a sender of single requests can need here: it
// sleeps until the planned time, writes, and reads the answer before, whose time of arrival it gets from the kernel. It
// plans nothing, records nothing but latencies, checks no answer, has one connection, and does not spin.
func bareCost(addr string, rate int, d time.Duration) (us, p50 float64, err error) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return 0, 0, err
	}
	defer nc.Close()
	file, err := nc.(*net.TCPConn).File()
	if err != nil {
		return 0, 0, err
	}
	defer file.Close()
	fd := int(file.Fd())
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS_NEW, 1)
	if err := unix.SetNonblock(fd, true); err != nil {
		return 0, 0, err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // else sleeps end about 50 us later
	defer func() { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0) }()
	return newBareLoop(fd).run(time.Second/time.Duration(rate), int(d.Seconds()*float64(rate)))
}

// bareLoop is the state of bareCost. It is reused, so that the loop allocates nothing.
type bareLoop struct {
	fd        int
	request   []byte
	buf       [4096]byte
	control   [64]byte
	msg       unix.Msghdr
	iov       unix.Iovec
	offset    int64 // Unix nanoseconds - CLOCK_MONOTONIC
	latencies []float64
}

func newBareLoop(fd int) *bareLoop {
	b := &bareLoop{fd: fd, request: []byte(bareRequest)}
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
func (b *bareLoop) run(gap time.Duration, n int) (us, p50 float64, err error) {
	late := int(2 * time.Second / gap) // gaps without the answer
	b.latencies = make([]float64, 0, n)
	var before, after unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &before); err != nil {
		return 0, 0, err
	}
	next, missing := monotonic()+int64(time.Millisecond), 0
	planned, waiting := int64(0), false
	for len(b.latencies) < n {
		next += int64(gap)
		ts := unix.NsecToTimespec(next)
		_, _, _ = unix.RawSyscall6(unix.SYS_CLOCK_NANOSLEEP, unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
		if waiting && !b.receive(planned) {
			if missing++; missing > late {
				return 0, 0, errors.New("the server does not answer the bare requests")
			}
			continue
		}
		if _, err := unix.Write(b.fd, b.request); err != nil {
			return 0, 0, os.NewSyscallError("write", err)
		}
		planned, waiting, missing = next, true, 0
	}
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &after); err != nil {
		return 0, 0, err
	}
	if len(b.latencies) == 0 {
		return 0, 0, fmt.Errorf("no bare request in %d gaps of %v", n, gap)
	}
	used := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
	return perRequest(time.Duration(used), len(b.latencies)), median(b.latencies), nil
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
