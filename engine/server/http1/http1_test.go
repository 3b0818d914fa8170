package http1

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"
)

// longTime is a time limit that no test reaches.
const longTime = time.Hour

// serve serves h through a Listener until the test ends, and returns the address.
func serve(t testing.TB, c Config) (s *Listener, address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.Prefix, c.Log = "/p/", slog.New(slog.DiscardHandler)
	if c.Wrap == nil {
		c.Wrap = func(nc net.Conn) net.Conn { return nc }
	}
	c.Last = lastServer(c.Handler)
	if c.FirstTime == 0 {
		c.FirstTime = longTime
	}
	if c.IdleTime == 0 {
		c.IdleTime = longTime
	}
	s = NewListener(l, c)
	srv := &http.Server{Handler: c.Handler, ReadHeaderTimeout: longTime, MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(s) }()
	t.Cleanup(func() {
		s.Abort()
		_ = srv.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		s.wg.Wait()
	})
	return s, l.Addr().String()
}

// lastServer is the server for the last request of a connection.
func lastServer(h http.Handler) func() *http.Server {
	return func() *http.Server {
		return &http.Server{Handler: h, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	}
}

// dial connects to a server until the test ends.
func dial(t testing.TB, address string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c.(*net.TCPConn)
}

// send writes text to a server.
func send(t testing.TB, c io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// receive reads an answer and its body.
func receive(t testing.TB, r *bufio.Reader) (*http.Response, string) {
	t.Helper()
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// post is a request to a path with a body.
func post(path, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
}

// who answers with what answers the request, and with its body. net/http puts itself into the context.
var who = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	name := "http1"
	if r.Context().Value(http.ServerContextKey) != nil {
		name = "net/http"
	}
	_, _ = fmt.Fprintf(w, "%s %s", name, body)
})

// own is what answers plain requests on this system.
func own() string {
	if runtime.GOOS == "linux" {
		return "http1"
	}
	return "net/http"
}

func TestWhoAnswers(t *testing.T) {
	_, address := serve(t, Config{Handler: who})
	const tail = "Host: localhost\r\nContent-Length: 1\r\n\r\nx"
	tests := []struct {
		name, request string
		want          string
	}{
		{"plain", "POST /p/m HTTP/1.1\r\n" + tail, own()},
		{"version of a model", "POST /p/m-1_a/1.0 HTTP/1.1\r\n" + tail, own()},
		{"names in small letters", "POST /p/m HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\naccept:*/*\r\nconnection: Keep-Alive\r\n\r\nx", own()},
		{"another method", "PUT /p/m HTTP/1.1\r\n" + tail, "net/http"},
		{"another path", "POST /q/m HTTP/1.1\r\n" + tail, "net/http"},
		{"a query", "POST /p/m?a=1 HTTP/1.1\r\n" + tail, "net/http"},
		{"an escape", "POST /p/%6d HTTP/1.1\r\n" + tail, "net/http"},
		{"a whole URL", "POST http://localhost/p/m HTTP/1.1\r\n" + tail, "net/http"},
		{"HTTP/1.0", "POST /p/m HTTP/1.0\r\n" + tail, "net/http"},
		{"chunked", "POST /p/m HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", "net/http"},
		{"no length", "POST /p/m HTTP/1.1\r\nHost: localhost\r\n\r\n", "net/http"},
		{"close", "POST /p/m HTTP/1.1\r\nConnection: close\r\n" + tail, "net/http"},
		{"Expect", "POST /p/m HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n", "net/http"},
		{"Upgrade", "POST /p/m HTTP/1.1\r\nUpgrade: h2c\r\n" + tail, "net/http"},
		{"the same length twice", "POST /p/m HTTP/1.1\r\nContent-Length: 1\r\n" + tail, "net/http"},
		{"a name twice", "POST /p/m HTTP/1.1\r\nAccept: a\r\naccept: b\r\n" + tail, "net/http"},
		{"a tab", "POST /p/m HTTP/1.1\r\nX:\ta\r\n" + tail, "net/http"},
		{"bytes above ASCII", "POST /p/m HTTP/1.1\r\nX: \xc3\xbc\r\n" + tail, "net/http"},
		{"a large head", "POST /p/m HTTP/1.1\r\nX: " + strings.Repeat("a", readBytes) + "\r\n" + tail, "net/http"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := dial(t, address)
			r := bufio.NewReader(c)
			send(t, c, tt.request)
			if resp, got := receive(t, r); resp.StatusCode != 200 || !strings.HasPrefix(got, tt.want+" ") {
				t.Errorf("%d %q, want an answer of %s", resp.StatusCode, got, tt.want)
			}
		})
	}
}

// A connection goes to net/http with its first other request, and stays there.
func TestConnectionGoesOver(t *testing.T) {
	_, address := serve(t, Config{Handler: who})
	c := dial(t, address)
	r := bufio.NewReader(c)
	for i, tt := range []struct{ request, want string }{
		{post("/p/m", "a"), own() + " a"},
		{"\r\n" + post("/p/m", "b"), own() + " b"},
		{post("/p/m", "c") + post("/p/m", "d"), own() + " c"},
		{"", own() + " d"},
		{post("/p/m", "e") + "PUT" + post("/p/m", "f")[4:], own() + " e"},
		{"", "net/http f"},
		{post("/p/m", "g"), "net/http g"},
	} {
		send(t, c, tt.request)
		if _, got := receive(t, r); got != tt.want {
			t.Fatalf("answer %d: %q, want %q", i, got, tt.want)
		}
	}
}

// A body larger than the buffer, in pieces, is read whole.
func TestLargeBody(t *testing.T) {
	_, address := serve(t, Config{Handler: who})
	c := dial(t, address)
	r := bufio.NewReader(c)
	for range 2 {
		body := strings.Repeat("0123456789", 100_000)
		text := post("/p/m", body)
		for piece := range 4 {
			send(t, c, text[piece*len(text)/4:(piece+1)*len(text)/4])
		}
		if _, got := receive(t, r); got != own()+" "+body {
			t.Fatalf("%d bytes, want %d", len(got), len(body)+len(own())+1)
		}
	}
}

// The context of a request ends when its client is gone, however it goes.
func TestClientGone(t *testing.T) {
	started, ended := make(chan struct{}), make(chan error)
	_, address := serve(t, Config{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		started <- struct{}{}
		<-r.Context().Done()
		ended <- r.Context().Err()
	})})
	for name, leave := range map[string]func(*net.TCPConn) error{
		"closes":      (*net.TCPConn).Close,
		"closes half": (*net.TCPConn).CloseWrite,
		"resets":      func(c *net.TCPConn) error { return errors.Join(c.SetLinger(0), c.Close()) },
	} {
		c := dial(t, address)
		send(t, c, post("/p/m", "x"))
		<-started
		if err := leave(c); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for range 20 { // gone before the server has read the request, or just after it
		c := dial(t, address)
		send(t, c, post("/p/m", "x"))
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		<-started
		<-ended
	}
}

func TestShutdown(t *testing.T) {
	started, release := make(chan struct{}), make(chan struct{})
	s, address := serve(t, Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if string(body) == "wait" {
			started <- struct{}{}
			<-release
		}
		_, _ = w.Write(body)
	})})
	if own() != "http1" {
		t.Skip("net/http answers all requests on this system")
	}
	fresh, idle, running := dial(t, address), dial(t, address), dial(t, address)
	send(t, idle, post("/p/m", "once"))
	receive(t, bufio.NewReader(idle))
	send(t, running, post("/p/m", "wait"))
	<-started
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Shutdown(context.Background()) }()
	for _, c := range []net.Conn{fresh, idle} {
		if n, err := c.Read(make([]byte, 1)); n > 0 || err == nil {
			t.Errorf("an idle connection is open: %d %v", n, err)
		}
	}
	select {
	case err := <-ended:
		t.Fatalf("ended before the running request: %v", err)
	default:
	}
	close(release)
	resp, body := receive(t, bufio.NewReader(running))
	if body != "wait" || !resp.Close {
		t.Errorf("%q, closes %v; want the answer, and the end of the connection", body, resp.Close)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// A request that net/http can no longer get, because its server has ended, is answered all the same, as the last one of
// its connection.
func TestHandOverWhileClosing(t *testing.T) {
	if own() != "http1" {
		t.Skip("net/http answers all requests on this system")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := NewListener(l, Config{ // no http.Server accepts its connections
		Prefix: "/p/", Handler: who, Last: lastServer(who), Wrap: func(nc net.Conn) net.Conn { return nc },
		FirstTime: longTime, IdleTime: longTime, Log: slog.New(slog.DiscardHandler),
	})
	var readers []*bufio.Reader
	for _, text := range []string{"PUT" + post("/p/m", "x")[4:], "PUT" + post("/p/m", "x")[4:] + post("/p/m", "y"), "no request\r\n\r\n"} {
		c := dial(t, l.Addr().String())
		send(t, c, text)
		readers = append(readers, bufio.NewReader(c))
	}
	for active := 0; active < len(readers); time.Sleep(time.Millisecond) {
		active = 0
		s.each(func(c *conn) {
			if c.state.Load() == stateActive {
				active++
			}
		})
	}
	if err := errors.Join(s.Close(), s.Shutdown(t.Context())); err != nil {
		t.Error(err)
	}
	for i, want := range []int{200, 200, 400} {
		resp, body := receive(t, readers[i])
		if resp.StatusCode != want || want == 200 && body != "net/http x" || !resp.Close {
			t.Errorf("request %d: %d %q, closes %v; want %d and the end of the connection", i, resp.StatusCode, body, resp.Close, want)
		}
		if _, err := readers[i].ReadByte(); err == nil {
			t.Errorf("request %d: the connection goes on", i)
		}
	}
}

// Shutdown ends with its context, and Abort ends the request.
func TestAbort(t *testing.T) {
	started, ended := make(chan struct{}), make(chan struct{})
	s, address := serve(t, Config{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(started)
		<-r.Context().Done()
		close(ended)
	})})
	c := dial(t, address)
	send(t, c, post("/p/m", ""))
	<-started
	if own() != "http1" {
		t.Skip("net/http answers all requests on this system")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := errors.Join(s.Close(), s.Shutdown(ctx)); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown = %v, want %v", err, context.Canceled)
	}
	s.Abort()
	<-ended
}

// A connection that sends nothing, or nothing more, is closed.
func TestSilentClients(t *testing.T) {
	_, address := serve(t, Config{Handler: who, FirstTime: time.Millisecond})
	if n, err := dial(t, address).Read(make([]byte, 1)); n > 0 || !errors.Is(err, io.EOF) {
		t.Errorf("before the first request: %d %v", n, err)
	}
	_, address = serve(t, Config{Handler: who, IdleTime: time.Millisecond})
	c := dial(t, address)
	send(t, c, post("/p/m", "x"))
	r := bufio.NewReader(c)
	receive(t, r)
	if _, err := r.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("after a request: %v", err)
	}
}

// Without the help of the kernel, net/http answers all requests.
func TestNoWatch(t *testing.T) {
	_, address := serve(t, Config{Handler: who, watchFails: true})
	c := dial(t, address)
	r := bufio.NewReader(c)
	for range 2 {
		send(t, c, post("/p/m", "x"))
		if _, got := receive(t, r); got != "net/http x" {
			t.Errorf("%q", got)
		}
	}
}

// A listener that fails for a moment goes on, as with net/http.
func TestAcceptFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(who)
	_ = srv.Listener.Close()
	srv.Listener = NewListener(&failing{Listener: l, times: 2}, Config{
		Prefix: "/p/", Handler: who, Wrap: func(nc net.Conn) net.Conn { return nc }, FirstTime: longTime, IdleTime: longTime, Log: slog.New(slog.DiscardHandler),
		Last: lastServer(who),
	})
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	srv.Start()
	c := dial(t, l.Addr().String())
	send(t, c, post("/p/m", "x"))
	if _, got := receive(t, bufio.NewReader(c)); got != own()+" x" {
		t.Errorf("%q", got)
	}
	_ = c.Close()
	srv.Listener.(*Listener).Abort()
	srv.Close()
}

// failing is a listener with too many open files for some times.
type failing struct {
	net.Listener
	times int
}

func (f *failing) Accept() (net.Conn, error) {
	if f.times > 0 {
		f.times--
		return nil, temporary{}
	}
	return f.Listener.Accept()
}

type temporary struct{}

func (temporary) Error() string   { return "too many open files" }
func (temporary) Timeout() bool   { return false }
func (temporary) Temporary() bool { return true }
