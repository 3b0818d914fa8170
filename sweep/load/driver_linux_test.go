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

// serving answers every connection's requests with the bytes, and ends it after
// each when told to.
func serving(t *testing.T, network, addr string, answer []byte, ends bool) string {
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

// Answers larger than a socket holds are read while they come, those without a
// length to the connection's end.
func TestDriverLargeAnswers(t *testing.T) {
	large := strings.Repeat("x", 3<<20)
	sent(t, serving(t, "tcp", "127.0.0.1:0", []byte("HTTP/1.1 200 OK\r\nContent-Length: 3145728\r\n\r\n"+large), false), 20)
	sent(t, serving(t, "tcp", "127.0.0.1:0", []byte("HTTP/1.0 200 OK\r\n\r\n"+large), true), 20)
}

func TestDriverIPv6(t *testing.T) {
	sent(t, serving(t, "tcp6", "[::1]:0", []byte("HTTP/1.1 204 None\r\n\r\n"), false), 20)
}

// Only where answers tell when they came, and nobody waits for us, are waits
// slept through.
func TestDriverSettle(t *testing.T) {
	tests := []struct {
		name string
		d    driver
		want time.Duration
	}{
		{"no times", driver{}, leadMost},
		{"small answers", driver{stamped: true, inFlight: 3}, coarse},
		{"a part is there", driver{stamped: true, inFlight: 1, midway: 1}, leadMost},
		{"large answers", driver{stamped: true, inFlight: 1, large: true}, leadMost},
		{"large answers, none to come", driver{stamped: true, large: true}, coarse},
	}
	for _, c := range tests {
		c.d.pacer = &pacer{}
		if c.d.settle(); c.d.pacer.coarse != c.want {
			t.Errorf("%s: waits over %v may end sooner, want over %v", c.name, c.d.pacer.coarse, c.want)
		}
	}
}

// A wire counts as midway from its first byte that waits to its end.
func TestDriverCount(t *testing.T) {
	r := &run{c: Config{Timeout: time.Second}, ctx: context.Background(), start: time.Now()}
	d := &driver{run: r, pacer: &pacer{}}
	w := d.wire()
	w.state, w.begun = busy, true
	d.count(w)
	d.count(w)
	if d.inFlight = 1; d.midway != 1 {
		t.Errorf("%d wires are midway, want 1", d.midway)
	}
	d.reap(2*time.Second, false)
	if got := r.box.gather(); d.midway != 0 || d.inFlight != 0 || len(d.free) != 1 || len(got) != 1 || got[0].Outcome != Timeout {
		t.Errorf("after its time: %d midway, %d in flight, %d free, %+v; want none, one free wire and a timeout", d.midway, d.inFlight, len(d.free), got)
	}
}
