package server

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

// A client that never reads its answer does not hold a goroutine for ever.
func TestPatienceEnds(t *testing.T) {
	l, err := net.Listen("tcp", free)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	c, err := patient{l, time.Millisecond}.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, err = c.Write(make([]byte, 64<<20)) // more than the kernel keeps
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Write = %v, want %v", err, os.ErrDeadlineExceeded)
	}
}
