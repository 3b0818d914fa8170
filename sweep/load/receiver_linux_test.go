package load

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// pair returns the two ends of a TCP connection.
func pair(t *testing.T) (ours, theirs *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	a, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = a.Close()
		_ = b.Close()
	})
	return a.(*net.TCPConn), b.(*net.TCPConn)
}

func attached(t *testing.T, nc *net.TCPConn) *receiver {
	t.Helper()
	raw, err := nc.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{}
	r.attach(nc, raw)
	return r
}

// Bytes that are read late have the time of their arrival.
func TestReceiver(t *testing.T) {
	ours, theirs := pair(t)
	r := attached(t, ours)
	before := time.Now().UnixNano()
	if _, err := theirs.Write([]byte("answer")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 3)
	if n, err := r.Read(buf); n != 3 || err != nil || string(buf) != "ans" {
		t.Fatalf("Read = %d, %v, %q, want 3 bytes", n, err, buf)
	}
	first := r.receivedAt
	if first == 0 {
		t.Skip("this kernel has no receive times")
	}
	if now := time.Now().UnixNano(); first < before || first > now {
		t.Errorf("received at %d, want %d-%d", first, before, now)
	}
	if n, err := r.Read(buf); n != 3 || err != nil || r.receivedAt != first {
		t.Errorf("Read of the rest = %d, %v, received at %d; want 3 bytes received at %d", n, err, r.receivedAt, first)
	}
}

func TestReceiverErrors(t *testing.T) {
	ours, theirs := pair(t)
	r := attached(t, ours)
	if n, err := r.Read(nil); n != 0 || err != nil {
		t.Errorf("Read of nothing = %d, %v", n, err)
	}
	if err := ours.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read after the deadline = %v, want %v", err, os.ErrDeadlineExceeded)
	}
	if err := errors.Join(ours.SetReadDeadline(time.Time{}), theirs.CloseWrite()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("Read at the end = %v, want EOF", err)
	}
	if _, err := ours.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	reset, other := pair(t)
	r = attached(t, reset)
	if err := errors.Join(other.SetLinger(0), other.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("Read of a reset connection = %v, want %v", err, syscall.ECONNRESET)
	}
	_ = reset.Close()
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read of a closed connection = %v, want %v", err, net.ErrClosed)
	}
}

func TestReceiverAllocs(t *testing.T) {
	ours, theirs := pair(t)
	r := attached(t, ours)
	buf := make([]byte, 8)
	n := testing.AllocsPerRun(100, func() {
		if _, err := theirs.Write(buf); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Read(buf); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations a read, want none", n)
	}
}
