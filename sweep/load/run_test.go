package load_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/sweep/load"
)

func TestClosed(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{}
	addr := httpServer(t, func(w http.ResponseWriter, r *http.Request) {
		key := strings.Join([]string{
			r.Method, r.URL.Path, r.Header.Get("Content-Type"), r.Header.Get("Accept"), string(readAll(r)),
		}, " ")
		mu.Lock()
		seen[key]++
		mu.Unlock()
		w.Header().Set("Server-Timing", "queue;dur=8.5, execution;dur=9.25, batch;desc=4")
		_, _ = io.WriteString(w, "fine")
	})
	c := config(addr, closed(3))
	c.Max = 100
	c.Header = [][2]string{{"Accept", "application/octet-stream"}}
	c.Bodies = []load.Body{{Type: "text/plain", Data: []byte("a")}, {Type: "text/plain", Data: []byte("b")}}
	res, n := mustRun(t, c)
	if n.OK != 100 || res.Planned != 0 || res.Late != 0 || res.Lag.Count() != 0 || res.Err != "" {
		t.Errorf("ok %d, planned %d, late %d, err %q, want 100 ok and nothing else", n.OK, res.Planned, res.Late, res.Err)
	}
	want := map[string]int{
		"POST /predictions/m text/plain application/octet-stream a": 50,
		"POST /predictions/m text/plain application/octet-stream b": 50,
	}
	mu.Lock()
	defer mu.Unlock()
	if d := cmp.Diff(want, seen); d != "" {
		t.Errorf("requests seen (-want +got):\n%s", d)
	}
	s := res.Samples[0]
	if s.Queue != 8500*time.Microsecond || s.Model != 9250*time.Microsecond || s.Batch != 4 || s.Status != 200 || s.Latency <= 0 {
		t.Errorf("sample = %+v, want the times of Server-Timing", s)
	}
	if res.Seconds <= 0 {
		t.Errorf("seconds = %g, want above 0", res.Seconds)
	}
}

func TestOpen(t *testing.T) {
	s := newRawServer(t, respond(okAnswer))
	c := config(s.addr, open(500))
	c.Max = 200
	res, n := mustRun(t, c)
	if n.OK != 200 || res.Planned != 200 || res.Lag.Count() != 200 || s.requests.Load() != 200 {
		t.Errorf("ok %d, planned %d, lags %d, seen %d, want 200 each", n.OK, res.Planned, res.Lag.Count(), s.requests.Load())
	}
	plan := load.Plan(c.Spec, c.Seed, 0, c.Max)
	var planned []time.Duration
	for _, s := range res.Samples {
		planned = append(planned, s.Planned)
		if s.Lag < 0 || s.Latency < s.Lag {
			t.Errorf("lag %v, latency %v, want 0 <= lag <= latency", s.Lag, s.Latency)
		}
	}
	slices.Sort(planned)
	if d := cmp.Diff(plan, planned); d != "" {
		t.Errorf("planned times (-plan +samples):\n%s", d)
	}
}

func TestRamp(t *testing.T) {
	s := newRawServer(t, respond(okAnswer))
	res, n := mustRun(t, config(s.addr, ramp(50, 350, time.Second)))
	if n.OK != 200 || res.Planned != 200 {
		t.Errorf("ok %d of %d planned, want 200 of a ramp from 50 to 350/s in a second", n.OK, res.Planned)
	}
}

func TestTrace(t *testing.T) {
	s := newRawServer(t, respond(okAnswer))
	path := filepath.Join(t.TempDir(), "a.csv")
	if err := os.WriteFile(path, []byte("ms\n0\n5\n5\n5\n20\n9000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := config(s.addr, load.Spec{Mode: load.Trace, File: path})
	c.Limit = time.Second
	res, n := mustRun(t, c)
	if n.OK != 5 || res.Planned != 5 {
		t.Errorf("ok %d of %d planned, want the 5 before the limit", n.OK, res.Planned)
	}
	c.Spec.File = path + "x"
	if _, err := load.Run(t.Context(), c); err == nil || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Run of a missing trace = %v, want not exist", err)
	}
}

// TestPlannedUntilStopped checks that requests due after the stop do not count as planned.
func TestPlannedUntilStopped(t *testing.T) {
	s := newRawServer(t, respond(okAnswer))
	c := config(s.addr, open(1000))
	c.Limit, c.Block = 20*time.Second, 50*time.Millisecond
	due := 0
	c.OnBlock = func(elapsed time.Duration, samples []load.Sample) bool {
		due = int(1000 * elapsed.Seconds())
		return len(samples) >= 200
	}
	res, n := mustRun(t, c)
	// On a busy machine time passes between the last block and the end of the run.
	if res.Planned < res.Sent || res.Planned > max(due, int(1000*res.Seconds))*3/2 || n.OK < 200 {
		t.Errorf("planned %d, sent %d, ok %d in %g s: want what was due in the time it ran", res.Planned, res.Sent, n.OK, res.Seconds)
	}
}

// TestTraceStartsAtFirstRequest checks that a part of a log starts with its first request, and
// that all times are relative to it.
func TestTraceStartsAtFirstRequest(t *testing.T) {
	s := newRawServer(t, respond(okAnswer))
	path := filepath.Join(t.TempDir(), "a.csv")
	if err := os.WriteFile(path, []byte("ms\n100000\n100100\n100300\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	res, n := mustRun(t, config(s.addr, load.Spec{Mode: load.Trace, File: path}))
	last := time.Duration(0)
	for _, x := range res.Samples {
		last = max(last, x.Planned)
	}
	if n.OK != 3 || last != 300*time.Millisecond || res.Seconds < .3 || res.Seconds > 10 {
		t.Errorf("ok %d, last planned at %v of %g s, want 3, 300ms and a little more", n.OK, last, res.Seconds)
	}
}

// TestSecondsCountFromTheStart checks that times are relative to the start of the run, even if
// the first request is late.
func TestSecondsCountFromTheStart(t *testing.T) {
	s := newRawServer(t, respond(okAnswer))
	c := config(s.addr, load.Spec{Mode: load.Open, Rate: 4, Arrivals: load.Constant})
	c.Seed, c.Limit, c.Max = 1, time.Second, 1
	res, _ := mustRun(t, c)
	if first := res.Samples[0].Planned; first < 10*time.Millisecond || res.Seconds < first.Seconds() {
		t.Errorf("first at %v, %g s: want the time before it to count", first, res.Seconds)
	}
}

// With a server that closes connections on errors, as TorchServe does, no request is lost or
// sent twice.
func TestCloseOnErrors(t *testing.T) {
	const bad = "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 4\r\n\r\nfull"
	for _, w := range senders(4, 1000) {
		t.Run(w.String(), func(t *testing.T) {
			s := newRawServer(t, func(c net.Conn, n int64) bool {
				if n%3 == 0 {
					_, _ = io.WriteString(c, bad)
					return false
				}
				_, _ = c.Write(okBytes)
				return true
			})
			c := config(s.addr, w.Spec)
			c.Max = 300
			_, n := w.mustRun(t, c)
			if n.OK != 200 || n.Refused != 100 || s.requests.Load() != 300 {
				t.Errorf("ok %d, refused %d, seen %d, want 200, 100, 300", n.OK, n.Refused, s.requests.Load())
			}
			if d := cmp.Diff(map[int]int{200: 200, 503: 100}, n.Status); d != "" {
				t.Errorf("status (-want +got):\n%s", d)
			}
		})
	}
}

// A server that closes idle connections without a header causes no failure.
func TestSilentClose(t *testing.T) {
	for _, w := range senders(2, 1000) {
		t.Run(w.String(), func(t *testing.T) {
			s := newRawServer(t, func(c net.Conn, _ int64) bool {
				_, _ = c.Write(okBytes)
				return false
			})
			c := config(s.addr, w.Spec)
			c.Max = 100
			res, n := w.mustRun(t, c)
			if n.OK != 100 || s.requests.Load() != 100 {
				t.Errorf("ok %d (%s), seen %d, want 100 each", n.OK, res.Err, s.requests.Load())
			}
		})
	}
}

func TestAnswers(t *testing.T) {
	tests := []struct {
		name, answer string
		keep         bool
		want         load.Outcome
		status       int16
		err          string
	}{
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: 1\r\n\r\n", true, load.OK, 200, ""},
		{"no body", "HTTP/1.1 204 No Content\r\n\r\n", true, load.OK, 204, ""},
		{"until close", "HTTP/1.0 200 OK\r\n\r\nabc", false, load.OK, 200, ""},
		{"not found", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", true, load.Failed, 404, ""},
		{"too many", "HTTP/1.1 429 Slow Down\r\nContent-Length: 0\r\n\r\n", true, load.Refused, 429, ""},
		{"continue first", "HTTP/1.1 100 Continue\r\n\r\n" + okAnswer, true, load.OK, 200, ""},
		{"garbage", "SSH-2.0-OpenSSH\r\n\r\n", false, load.Failed, 0, `status line "SSH-2.0-OpenSSH"`},
		{"cut short", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", false, load.Failed, 0, "closed before its end"},
		{"nothing", "", false, load.Failed, 0, "EOF"},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			s := newRawServer(t, func(nc net.Conn, _ int64) bool {
				_, _ = io.WriteString(nc, c.answer)
				return c.keep
			})
			cfg := config(s.addr, closed(1))
			cfg.Max = 2
			res, _ := mustRun(t, cfg)
			for _, s := range res.Samples {
				if s.Outcome != c.want || s.Status != c.status {
					t.Errorf("outcome %d, status %d, want %d, %d", s.Outcome, s.Status, c.want, c.status)
				}
			}
			if len(res.Samples) != 2 || !strings.Contains(res.Err, c.err) || (c.err == "") != (res.Err == "") {
				t.Errorf("%d samples, error %q, want 2 and %q", len(res.Samples), res.Err, c.err)
			}
		})
	}
}

// A request whose answer never ends has exactly the latency of the timeout.
func TestTimeout(t *testing.T) {
	for _, w := range senders(2, 100) {
		t.Run(w.String(), func(t *testing.T) {
			release := make(chan struct{})
			s := newRawServer(t, func(c net.Conn, _ int64) bool {
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Le") // and no more
				<-release
				return false
			})
			t.Cleanup(func() { close(release) })
			c := config(s.addr, w.Spec)
			c.Max, c.Timeout = 6, time.Second // a connection takes less on any machine
			res, n := w.mustRun(t, c)
			if n.Timeout != 6 || res.Err != "" {
				t.Errorf("timeouts %d, error %q, want 6 and none", n.Timeout, res.Err)
			}
			for _, s := range res.Samples {
				if s.Latency != c.Timeout {
					t.Errorf("latency %v, want the timeout %v", s.Latency, c.Timeout)
				}
			}
		})
	}
}

func TestServerEnds(t *testing.T) {
	for _, w := range senders(2, 1000) {
		t.Run(w.String(), func(t *testing.T) {
			vanished := make(chan struct{})
			leave := sync.OnceFunc(func() { close(vanished) })
			s := newRawServer(t, respond(okAnswer))
			var wg sync.WaitGroup
			wg.Go(func() { <-vanished; s.stop() })
			c := config(s.addr, w.Spec)
			c.Block = 10 * time.Millisecond
			c.OnBlock = func(_ time.Duration, samples []load.Sample) bool {
				n := load.Count(samples)
				if n.OK >= 40 {
					leave()
				}
				return n.Failed > 0
			}
			res, n := w.mustRun(t, c)
			leave()
			wg.Wait()
			if n.OK < 40 || n.Failed == 0 || res.Err == "" {
				t.Errorf("ok %d, failed %d, error %q, want some of each", n.OK, n.Failed, res.Err)
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	s := newRawServer(t, respond(okAnswer))
	s.stop()
	for _, w := range senders(2, 100) {
		_, err := w.run(t.Context(), config(s.addr, w.Spec))
		if err == nil || !strings.Contains(err.Error(), s.addr) || !strings.Contains(err.Error(), "is the server running there?") {
			t.Errorf("Run(%v) without a server = %v, want the address and a question", w, err)
		}
	}
}

func TestValidate(t *testing.T) {
	good := config("127.0.0.1:1", closed(1))
	tests := []struct {
		name   string
		change func(*load.Config)
		want   string
	}{
		{"address", func(c *load.Config) { c.Addr = "nowhere" }, `address "nowhere": want host:port`},
		{"path", func(c *load.Config) { c.Path = "/a b" }, `path "/a b"`},
		{"bodies", func(c *load.Config) { c.Bodies = nil }, "no request bodies"},
		{"body type", func(c *load.Config) { c.Bodies = []load.Body{{Type: "a\r\nb"}} }, "body 0"},
		{"header", func(c *load.Config) { c.Header = [][2]string{{"A", "b\r\nc"}} }, `header "A"`},
		{"negative", func(c *load.Config) { c.Timeout = -1 }, "want none below 0"},
		{"concurrency", func(c *load.Config) { c.Spec = closed(0) }, "concurrency 0: want 1-10000"},
		{"rate", func(c *load.Config) { c.Spec = open(0) }, "rate 0"},
		{"too much", func(c *load.Config) { c.Spec = open(1e6) }, "60000000 requests"},
		{"trace", func(c *load.Config) { c.Spec = load.Spec{Mode: load.Trace} }, "trace: want a file"},
		{"ramp", func(c *load.Config) { c.Spec = ramp(0, 5, time.Second) }, "rates 0-5: want above 0"},
		{"long ramp", func(c *load.Config) { c.Spec = ramp(1, 5, 2*time.Hour) }, "a ramp over 2h0m0s: want above 0 and at most 1h0m0s"},
		{"vast ramp", func(c *load.Config) { c.Spec = ramp(1e6, 1e6, time.Hour) }, "is 3600000000 requests"},
		{"mode", func(c *load.Config) { c.Spec = load.Spec{Mode: 9} }, "load mode 9"},
	}
	for _, c := range tests {
		cfg := good
		c.change(&cfg)
		if _, err := load.Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Run = %v, want %q", c.name, err, c.want)
		}
	}
}

// OnBlock gets a growing list and ends the run; requests in flight then still count.
func TestOnBlock(t *testing.T) {
	for _, w := range senders(3, 2000) {
		t.Run(w.String(), func(t *testing.T) {
			s := newRawServer(t, respond(okAnswer))
			c := config(s.addr, w.Spec)
			c.Block = 10 * time.Millisecond
			calls, seen, last := 0, 0, time.Duration(0)
			c.OnBlock = func(elapsed time.Duration, samples []load.Sample) bool {
				if len(samples) < seen || elapsed <= last {
					t.Errorf("block %d: %d samples at %v after %d at %v, want more and later", calls, len(samples), elapsed, seen, last)
				}
				calls, seen, last = calls+1, len(samples), elapsed
				return calls == 3
			}
			res, n := w.mustRun(t, c)
			if calls != 3 || n.OK != res.Sent || n.OK < seen || int64(res.Sent) != s.requests.Load() {
				t.Errorf("%d blocks, %d ok of %d sent, %d received by the server, want 3 and equal counts", calls, n.OK, res.Sent, s.requests.Load())
			}
		})
	}
}

// The end of the context abandons the requests in flight, which have no sample.
func TestCancel(t *testing.T) {
	for _, w := range senders(3, 200) {
		t.Run(w.String(), func(t *testing.T) {
			release, stuck := make(chan struct{}), make(chan struct{})
			var once sync.Once
			s := newRawServer(t, func(c net.Conn, n int64) bool {
				if n > 20 {
					once.Do(func() { close(stuck) })
					<-release
					return false
				}
				_, _ = c.Write(okBytes)
				return true
			})
			t.Cleanup(func() { close(release) })
			ctx, cancel := context.WithCancelCause(t.Context())
			var wg sync.WaitGroup
			answered := make(chan struct{})
			some := sync.OnceFunc(func() { close(answered) })
			wg.Go(func() { <-stuck; <-answered; cancel(errors.New("enough")) })
			c := config(s.addr, w.Spec)
			c.Timeout, c.Block = time.Hour, 10*time.Millisecond
			c.OnBlock = func(_ time.Duration, samples []load.Sample) bool {
				if len(samples) > 0 {
					some()
				}
				return false
			}
			res, err := w.run(ctx, c)
			wg.Wait()
			if err == nil || err.Error() != "enough" {
				t.Errorf("Run = %v, want the context's cause", err)
			}
			n := checkSum(t, res)
			// Some answers may arrive when the context ends, on a busy machine several.
			if n.OK == 0 || n.OK > 20 || n.Failed != 0 || n.Timeout != 0 || res.Abandoned == 0 {
				t.Errorf("ok %d, failed %d, timeout %d, abandoned %d, want 1-20, 0, 0 and some", n.OK, n.Failed, n.Timeout, res.Abandoned)
			}
		})
	}
}

// Large bodies do not fit into the socket buffer; a server that answers before it has read them
// closes the connection, but the run continues.
func TestLargeBodies(t *testing.T) {
	for _, w := range senders(2, 50) {
		for _, early := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v early %v", w, early), func(t *testing.T) {
				addr := httpServer(t, func(w http.ResponseWriter, r *http.Request) {
					if early {
						w.Header().Set("Connection", "close")
						w.WriteHeader(http.StatusRequestEntityTooLarge)
						return
					}
					fmt.Fprint(w, len(readAll(r)))
				})
				c := config(addr, w.Spec)
				c.Max = 4
				c.Bodies[0].Data = make([]byte, 8<<20)
				res, n := w.mustRun(t, c)
				if !early && n.OK != 4 || early && n.Failed != 4 {
					t.Errorf("early %v: ok %d, failed %d (%s), want all 4", early, n.OK, n.Failed, res.Err)
				}
			})
		}
	}
}

// Coordinated omission: a server that stalls 100 ms out of every 500 delays one request in
// five, by 50 ms on average. A closed load measures only a few of these delays; an open load,
// with latencies from planned times, measures all.
func TestStall(t *testing.T) {
	const stall, period = 100 * time.Millisecond, 500 * time.Millisecond
	start := time.Now()
	s := newRawServer(t, func(c net.Conn, _ int64) bool {
		if at := time.Since(start) % period; at < stall {
			time.Sleep(stall - at)
		}
		_, _ = c.Write(okBytes)
		return true
	})
	c := config(s.addr, open(500))
	c.Limit = 2 * time.Second
	res, n := mustRun(t, c)
	if n.OK != res.Planned {
		t.Errorf("ok %d of %d", n.OK, res.Planned)
	}
	slow := 0
	for _, s := range res.Samples {
		if s.Latency >= stall/2 {
			slow++
		}
	}
	// Half of the requests in a stall wait at least 50 ms: a tenth of all, on a busy machine
	// more.
	if share := float64(slow) / float64(n.OK); share < .07 {
		t.Errorf("%.3f of all waited half a stall, want .1 or more", share)
	}
}

// TestMaxRate: a closed load is held back to the largest rate, and says so; one within it is not.
func TestMaxRate(t *testing.T) {
	s := newRawServer(t, respond(okAnswer))
	c := config(s.addr, closed(4))
	c.MaxRate, c.Limit, c.Block = 200, time.Minute, 50*time.Millisecond
	c.OnBlock = func(_ time.Duration, samples []load.Sample) bool { // a busy machine may take longer than the rate allows
		return len(samples) >= 40 && slices.ContainsFunc(samples, func(s load.Sample) bool { return s.Held })
	}
	begin := time.Now()
	res, n := mustRun(t, c)
	if most := 200*time.Since(begin).Seconds() + 22; float64(n.OK) > most { // 20 are a tenth of a second
		t.Errorf("%d answers, want at most %.0f", n.OK, most)
	}
	if !res.Capped || !res.Limited || res.Held == 0 || !strings.Contains(res.Warning, "--max-rate 200 held back ") {
		t.Errorf("capped %t, limited %t, held %d, %q", res.Capped, res.Limited, res.Held, res.Warning)
	}
	held := 0
	for _, s := range res.Samples {
		if s.Held {
			held++
		}
	}
	if held != res.Held || res.Sent != len(res.Samples) {
		t.Errorf("%d samples are held back, the result says %d; %d sent, %d samples", held, res.Held, res.Sent, len(res.Samples))
	}
	c.MaxRate, c.Max, c.OnBlock = 1e6, 50, nil
	if res, _ := mustRun(t, c); res.Capped || res.Held > 0 {
		t.Errorf("within the rate: capped %t, held %d", res.Capped, res.Held)
	}
	c.MaxRate = -1
	if _, err := load.Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "largest rate -1") {
		t.Errorf("a rate below 0: %v", err)
	}
}
