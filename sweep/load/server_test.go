package load_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sweetspot/sweep/load"
)

// rawServer is a minimal server: it calls answer for each request, and closes the connection if
// answer returns false.
type rawServer struct {
	addr     string
	requests atomic.Int64 // read so far
	conns    atomic.Int64 // accepted so far
	stop     func()       // closes listener and connections, and waits
}

func newRawServer(t testing.TB, answer func(c net.Conn, n int64) bool) *rawServer {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &rawServer{addr: ln.Addr().String()}
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		open []net.Conn
	)
	s.stop = sync.OnceFunc(func() {
		_ = ln.Close()
		mu.Lock()
		for _, c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	t.Cleanup(s.stop)
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			s.conns.Add(1)
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			wg.Go(func() {
				defer c.Close()
				in := bufio.NewReader(c)
				for readRequest(in) == nil && answer(c, s.requests.Add(1)) {
				}
			})
		}
	})
	return s
}

// readRequest reads one request with a Content-Length.
func readRequest(in *bufio.Reader) error {
	length := 0
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) <= 2 {
			_, err := in.Discard(length)
			return err
		}
		if v, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			length, _ = strconv.Atoi(string(bytes.TrimSpace(v)))
		}
	}
}

const okAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

var okBytes = []byte(okAnswer)

// respond answers with text and keeps the connection.
func respond(text string) func(net.Conn, int64) bool {
	b := []byte(text)
	return func(c net.Conn, _ int64) bool {
		_, err := c.Write(b)
		return err == nil
	}
}

// config returns a config for addr with a small body.
func config(addr string, s load.Spec) load.Config {
	return load.Config{
		Addr: addr, Path: "/predictions/m", Spec: s, Seed: 1, Timeout: time.Minute,
		Bodies: []load.Body{{Type: "application/json", Data: []byte(`{"x":1}`)}},
	}
}

func closed(n int) load.Spec { return load.Spec{Mode: load.Closed, Concurrency: n} }

func open(rate float64) load.Spec {
	return load.Spec{Mode: load.Open, Rate: rate, Arrivals: load.Constant}
}

func ramp(from, to float64, over time.Duration) load.Spec {
	return load.Spec{Mode: load.Ramp, From: from, To: to, Over: over, Arrivals: load.Constant}
}

// sender is a load and the implementation that sends it.
type sender struct {
	load.Spec
	pooled bool // an open load by what serves other systems
	run    func(context.Context, load.Config) (load.Result, error)
}

// senders returns all combinations for a closed load of clients and an open load of rate.
func senders(clients int, rate float64) []sender {
	return []sender{{closed(clients), false, load.Run}, {open(rate), false, load.Run}, {open(rate), true, load.RunPooled}}
}

func (w sender) String() string {
	if w.pooled {
		return w.Spec.String() + ", pooled"
	}
	return w.Spec.String()
}

// mustRun runs a load and checks that every sent request has exactly one sample.
func (w sender) mustRun(t *testing.T, c load.Config) (load.Result, load.Tally) {
	t.Helper()
	res, err := w.run(t.Context(), c)
	if err != nil {
		t.Fatalf("Run: %v", err)
	}
	return res, checkSum(t, res)
}

// mustRun is sender.mustRun with Run.
func mustRun(t *testing.T, c load.Config) (load.Result, load.Tally) {
	t.Helper()
	return sender{run: load.Run}.mustRun(t, c)
}

func checkSum(t *testing.T, res load.Result) load.Tally {
	t.Helper()
	n := load.Count(res.Samples)
	if sum := n.OK + n.Refused + n.Failed + n.Timeout; sum+res.Abandoned != res.Sent || sum != len(res.Samples) {
		t.Errorf("ok %d + refused %d + failed %d + timeout %d + abandoned %d, want %d sent, %d samples",
			n.OK, n.Refused, n.Failed, n.Timeout, res.Abandoned, res.Sent, len(res.Samples))
	}
	return n
}

// httpServer starts a server of net/http with the handler.
func httpServer(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h}
	var wg sync.WaitGroup
	wg.Go(func() { _ = srv.Serve(ln) })
	t.Cleanup(func() { _ = srv.Close(); wg.Wait() })
	return ln.Addr().String()
}

// readAll reads a request's body.
func readAll(r *http.Request) []byte {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil
	}
	return b
}
