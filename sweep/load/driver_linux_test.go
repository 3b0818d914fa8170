package load

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestSockaddr(t *testing.T) {
	tests := []struct {
		addr net.TCPAddr
		want unix.Sockaddr
	}{
		{net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}, &unix.SockaddrInet4{Port: 80, Addr: [4]byte{127, 0, 0, 1}}},
		{net.TCPAddr{IP: net.IPv6loopback, Port: 80}, &unix.SockaddrInet6{Port: 80, Addr: [16]byte{15: 1}}},
		{net.TCPAddr{IP: net.ParseIP("fe80::1"), Zone: "eth0", Port: 80}, nil},
		{net.TCPAddr{Port: 80}, nil},
	}
	for _, c := range tests {
		got, err := sockaddr(&c.addr)
		if (c.want == nil) != errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("sockaddr(%v) = %v, want unsupported: %v", &c.addr, err, c.want == nil)
		}
		same := cmp.Comparer(func(a, b unix.Sockaddr) bool {
			switch a := a.(type) {
			case *unix.SockaddrInet4:
				b, ok := b.(*unix.SockaddrInet4)
				return ok && a.Port == b.Port && a.Addr == b.Addr
			case *unix.SockaddrInet6:
				b, ok := b.(*unix.SockaddrInet6)
				return ok && a.Port == b.Port && a.Addr == b.Addr
			}
			return a == b
		})
		if err == nil && !cmp.Equal(c.want, got, same) {
			t.Errorf("sockaddr(%v) = %+v, want %+v", &c.addr, got, c.want)
		}
	}
}

// startServer answers every request with the bytes, and closes the connection after each if
// ends is set.
func startServer(t *testing.T, network, addr string, answer []byte, ends bool) string {
	t.Helper()
	ln, err := net.Listen(network, addr)
	if err != nil {
		t.Skip("no such network here:", err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { _ = ln.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { // ends with the connection, which the run closes
				defer c.Close()
				buf := make([]byte, 4096)
				for {
					if n, err := c.Read(buf); err != nil || !strings.HasSuffix(string(buf[:n]), "body") {
						return
					}
					if _, err := c.Write(answer); err != nil || ends {
						return
					}
				}
			})
		}
	})
	return ln.Addr().String()
}

func sent(t *testing.T, addr string, n int) Result {
	t.Helper()
	res, err := Run(t.Context(), Config{
		Addr: addr, Path: "/", Bodies: []Body{{Data: []byte("body")}}, Max: n, Timeout: time.Minute,
		Spec: Spec{Mode: Open, Rate: 500, Arrivals: Constant},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := Count(res.Samples).OK; got != n {
		t.Errorf("%d of %d answers are ok (%s)", got, n, res.Err)
	}
	return res
}

// Answers larger than a socket buffer are read in parts; answers without a length are read to
// the end of the connection.
func TestDriverLargeAnswers(t *testing.T) {
	large := strings.Repeat("x", 3<<20)
	sent(t, startServer(t, "tcp", "127.0.0.1:0", []byte("HTTP/1.1 200 OK\r\nContent-Length: 3145728\r\n\r\n"+large), false), 20)
	sent(t, startServer(t, "tcp", "127.0.0.1:0", []byte("HTTP/1.0 200 OK\r\n\r\n"+large), true), 20)
}

func TestDriverIPv6(t *testing.T) {
	sent(t, startServer(t, "tcp6", "[::1]:0", []byte("HTTP/1.1 204 None\r\n\r\n"), false), 20)
}

// The driver ignores sockets during a long wait only if the kernel reports times and the server
// does not wait for it.
func TestDriverLongWait(t *testing.T) {
	tests := []struct {
		name string
		d    driver
		want time.Duration
	}{
		{"no times", driver{}, maxLead},
		{"small answers", driver{timestamped: true, inFlight: 3}, longWait},
		{"a part has arrived", driver{timestamped: true, inFlight: 1, partial: 1}, maxLead},
		{"large answers", driver{timestamped: true, inFlight: 1, large: true}, maxLead},
		{"large answers, none in flight", driver{timestamped: true, large: true}, longWait},
	}
	for _, c := range tests {
		c.d.pacer = &pacer{}
		if c.d.updateLongWait(); c.d.pacer.longWait != c.want {
			t.Errorf("%s: waits above %v check no sockets, want above %v", c.name, c.d.pacer.longWait, c.want)
		}
	}
}

// A connection counts as partial from its first unsent byte to its end.
func TestDriverCountsPartial(t *testing.T) {
	r := &run{c: Config{Timeout: time.Second}, ctx: context.Background(), start: time.Now()}
	d := &driver{run: r, pacer: &pacer{}}
	w := d.unusedConn()
	w.state, w.begun = busy, true
	d.countPartial(w)
	d.countPartial(w)
	if d.inFlight = 1; d.partial != 1 {
		t.Errorf("%d connections are partial, want 1", d.partial)
	}
	d.expire(2*time.Second, false)
	if got := r.samples.collect(); d.partial != 0 || d.inFlight != 0 || len(d.free) != 1 || len(got) != 1 || got[0].Outcome != Timeout {
		t.Errorf("after the timeout: %d partial, %d in flight, %d free, %+v; want none, one free connection and a timeout", d.partial, d.inFlight, len(d.free), got)
	}
}
