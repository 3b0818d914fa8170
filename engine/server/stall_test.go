package server

import (
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// A write to a client that never reads ends.
func TestStallEndsWrite(t *testing.T) {
	l, err := net.Listen("tcp", anyPort)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	c, err := stallListener{l, time.Millisecond}.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, err = c.Write(make([]byte, 64<<20)) // more than the kernel keeps
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Write = %v, want %v", err, os.ErrDeadlineExceeded)
	}
}

// One deadline for the whole answer aborted clients that read slowly but steadily.
func TestSlowReaders(t *testing.T) {
	const stall = time.Second
	tests := []struct {
		name  string
		size  int
		piece int // bytes read every pause
		pause time.Duration
		stop  int // bytes after which the client stops reading; 0 is never
	}{
		{"50 MB steadily, for 16 s", 50 << 20, 64 << 10, 20 * time.Millisecond, 0},
		{"a piece takes 6 stall times", 200 << 10, 1 << 10, stall / 10, 0},
		{"less than a piece", 1000, 1000, 0, 0},
		{"stops at a piece's end", 1 << 20, 64 << 10, 0, 256 << 10},
		{"stops within a piece", 1 << 20, 10 << 10, 0, 100 << 10},
		{"never begins", 1 << 20, 1, 0, -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, client := net.Pipe()
				type end struct {
					at  time.Time
					got int
				}
				stopped := make(chan end, 1)
				go func() {
					got, buf := 0, make([]byte, tt.piece)
					for got < tt.size && (tt.stop == 0 || got < tt.stop) {
						n, err := client.Read(buf)
						if got += n; err != nil {
							break
						}
						time.Sleep(tt.pause)
					}
					stopped <- end{time.Now(), got}
				}()
				n, err := newStallConn(server, stall).Write(make([]byte, tt.size))
				now := time.Now()
				_ = server.Close() // ends a reader that waits for more bytes than were sent
				reader := <-stopped
				_ = client.Close()
				if n != reader.got {
					t.Errorf("sent %d bytes, of which %d arrived", n, reader.got)
				}
				if tt.stop == 0 {
					if n != tt.size || err != nil {
						t.Errorf("sent %d bytes, %v, want %d", n, err, tt.size)
					}
					return
				}
				if took := now.Sub(reader.at); !errors.Is(err, os.ErrDeadlineExceeded) || took < stall || took > 2*stall {
					t.Errorf("Write = %v, %v after the client stopped, want %v after 1 to 2 times %v", err, took, os.ErrDeadlineExceeded, stall)
				}
			})
		})
	}
}
