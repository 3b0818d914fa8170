package server

import (
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// pipe returns a connection with rare deadlines, its other end, and the number of times that
// a read deadline was armed.
func pipe(t *testing.T) (c *stallConn, client net.Conn, armed *int) {
	server, client := net.Pipe()
	t.Cleanup(func() { _, _ = server.Close(), client.Close() })
	c, armed = newStallConn(server, time.Minute), new(int)
	c.read.arm = func(t time.Time) error {
		*armed++
		return server.SetReadDeadline(t)
	}
	return c, client, armed
}

// readFor reads until it ends, and returns after what time.
func readFor(c net.Conn) (time.Duration, error) {
	start := time.Now()
	_, err := c.Read(make([]byte, 1))
	return time.Since(start), err
}

func TestReadDeadline(t *testing.T) {
	tests := []struct {
		name string
		set  []time.Duration // from now, in order; 0 is none
		want time.Duration   // of a read; 0 is until the other end closes
	}{
		{"short", []time.Duration{time.Second}, time.Second},
		{"longer than is armed at once", []time.Duration{25 * time.Second}, 25 * time.Second},
		{"then a later one", []time.Duration{time.Second, 3 * time.Second}, 3 * time.Second},
		{"then an earlier one", []time.Duration{3 * time.Second, time.Second}, time.Second},
		{"then none", []time.Duration{time.Second, 0}, 0},
		{"past", []time.Duration{-time.Hour}, 0},
		{"past, then a later one", []time.Duration{-time.Hour, time.Second}, time.Second},
		{"past, then none, then one", []time.Duration{-time.Hour, 0, 2 * time.Minute}, 2 * time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, client, _ := pipe(t)
				last := time.Duration(0)
				for _, d := range tt.set {
					at := time.Time{}
					if last = d; d != 0 {
						at = time.Now().Add(d)
					}
					if err := c.SetReadDeadline(at); err != nil {
						t.Fatal(err)
					}
				}
				if last == 0 { // no deadline: only the other end ends the read
					time.AfterFunc(time.Hour, func() { _ = client.Close() })
					tt.want = time.Hour
				}
				took, err := readFor(c)
				if took != tt.want || errors.Is(err, os.ErrDeadlineExceeded) != (last != 0) {
					t.Errorf("Read = %v after %v, want the end after %v", err, took, tt.want)
				}
			})
		})
	}
}

// net/http ends a running read with a deadline in the past, and later reads again.
func TestReadIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, client, _ := pipe(t)
		for range 3 {
			time.AfterFunc(time.Minute, func() { _ = c.SetReadDeadline(time.Unix(1, 0)) })
			if took, err := readFor(c); took != time.Minute || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("Read = %v after %v, want %v after a minute", err, took, os.ErrDeadlineExceeded)
			}
			if err := c.SetReadDeadline(time.Time{}); err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(time.Minute, func() { _, _ = client.Write([]byte{1}) })
			if took, err := readFor(c); took != time.Minute || err != nil {
				t.Fatalf("Read = %v after %v, want a byte after a minute", err, took)
			}
		}
	})
}

// The deadlines of one request after another, as net/http and ReadBody set them.
func TestDeadlinesAreRarelyArmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, armed := pipe(t)
		const requests = 100
		for range requests {
			now := time.Now()
			for _, at := range []time.Time{
				now.Add(DefaultIdleTime), {}, now.Add(headerTime), {}, // the next request
				now.Add(DefaultBodyTime), {}, // its body
				time.Unix(1, 0), {}, // the end of the read that waits for the end of the connection
			} {
				if err := c.SetReadDeadline(at); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Millisecond)
		}
		if *armed > 2*requests {
			t.Errorf("armed %d times for %d requests, want at most twice for each", *armed, requests)
		}
	})
}
