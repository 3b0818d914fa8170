package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine"
	"sweetspot/engine/api/control"
	"sweetspot/engine/api/token"
	"sweetspot/engine/api/wire"
	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
	"sweetspot/engine/server"
	"sweetspot/engine/tensor"
)

// doubler is a backend: y = 2x. While held, it reports every run of a 7 and waits; sessions
// of more than one thread wait before every run.
type doubler struct {
	held    bool
	entered chan struct{}
	gate    chan struct{}
}

func newDoubler() *doubler {
	return &doubler{entered: make(chan struct{}, 8), gate: make(chan struct{})}
}

func (d *doubler) Open(_ context.Context, _ *engine.Model, c knob.Config) (engine.Session, error) {
	return session{d, c.Threads > 1}, nil
}

type session struct {
	*doubler
	waits bool
}

func (session) Shared() bool { return true }
func (session) Close() error { return nil }

func (s session) Run(_ context.Context, in []payload.Row, out []payload.Result) error {
	if s.waits {
		<-s.gate
	}
	for i := range in {
		item := in[i].Item
		x := item[0].Data[0]
		if s.held && x == 7 {
			s.entered <- struct{}{}
			<-s.gate
		}
		out[i].Outputs = tensor.Item{{Type: tensor.Uint8, Shape: []int64{1}, Data: []byte{2 * x}}}
	}
	return nil
}

func newEngine(t *testing.T, d *doubler) *engine.Engine {
	t.Helper()
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{"doubler": d}, Cores: 2})
	one := func(name string) []tensor.Spec {
		return []tensor.Spec{{Name: name, Type: tensor.Uint8, Shape: []int64{1}}}
	}
	m := &engine.Model{Name: "m", Version: "1.0", Backend: "doubler", BatchAxis: true, Inputs: one("x"), Outputs: one("y")}
	c := knob.Config{Settings: knob.Default(knob.Eager), Options: knob.Options{Rule: knob.Eager}}
	if err := e.Load(t.Context(), m, c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return e
}

const anyPort = "127.0.0.1:0"

// serve runs a server until the test ends or stop is called, which returns
// Run's error.
func serve(t testing.TB, c server.Config, e *engine.Engine) (a server.Addrs, stop func() error) {
	t.Helper()
	s := open(t, c, e)
	return s.Addrs(), run(t, s)
}

// open binds a server on free ports.
func open(t testing.TB, c server.Config, e *engine.Engine) *server.Server {
	t.Helper()
	c.Inference, c.Management, c.Metrics = anyPort, anyPort, anyPort
	s, err := server.Open(c, e)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// run runs s until the test ends or stop is called, which returns Run's error.
func run(t testing.TB, s *server.Server) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stopped := false
	stop = func() error {
		stopped = true
		cancel()
		return <-ended
	}
	t.Cleanup(func() {
		if !stopped {
			if err := stop(); err != nil {
				t.Error(err)
			}
		}
	})
	return stop
}

// do sends a request on a new connection and returns the answer with its open body.
func do(t *testing.T, method, url, key, body string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Close = true
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

func read(t *testing.T, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRoutesAndTokens(t *testing.T) {
	tokens, err := token.New(filepath.Join(t.TempDir(), "keys.json"), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	fixed := token.Fixed("secret")
	e := newEngine(t, newDoubler())
	tests := []struct {
		name             string
		tokens           *token.Tokens
		key              string
		inference, other int // status of /predictions/m, and of the control API
		renew            int // of /token without the API key
	}{
		{"no tokens", nil, "", 200, 200, 404},
		{"fixed", fixed, "secret", 200, 200, 404},
		{"fixed, wrong", fixed, "guess", 400, 400, 404},
		{"keys, none sent", tokens, "", 400, 400, 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, _ := serve(t, server.Config{Tokens: tt.tokens}, e)
			if resp := do(t, "POST", "http://"+a.Inference+"/predictions/m", tt.key, "[21]"); resp.StatusCode != tt.inference {
				t.Errorf("prediction: %d %s", resp.StatusCode, read(t, resp))
			} else if tt.inference == 200 && read(t, resp) != "[42]\n" {
				t.Error("prediction is wrong")
			}
			for _, path := range []string{"/engine/v1/info", "/engine/v1/stats"} {
				if resp := do(t, "GET", "http://"+a.Management+path, tt.key, ""); resp.StatusCode != tt.other {
					t.Errorf("%s: %d %s", path, resp.StatusCode, read(t, resp))
				}
			}
			if resp := do(t, "GET", "http://"+a.Inference+"/engine/v1/info", tt.key, ""); resp.StatusCode < 400 {
				t.Errorf("the inference listener serves the control API")
			}
			if resp := do(t, "GET", "http://"+a.Management+"/token?type=inference", tt.key, ""); resp.StatusCode != tt.renew {
				t.Errorf("/token without the API key: %d", resp.StatusCode)
			}
		})
	}
}

// checkUsage checks the usage of the process, which is this one.
func checkUsage(t *testing.T, management, key string) {
	t.Helper()
	var stats control.Stats
	text := read(t, do(t, "GET", "http://"+management+"/engine/v1/stats", key, ""))
	if err := json.Unmarshal([]byte(text), &stats); err != nil {
		t.Fatal(err)
	}
	if stats.Process == nil {
		t.Fatalf("process is null: %s", text)
	}
	rss, ok := stats.Process.RSSBytes.Get()
	if !ok || rss < 1<<20 || stats.Process.CPUSeconds < 0 {
		t.Errorf("process = %+v", *stats.Process)
	}
	if peak, ok := stats.Process.PeakRSSBytes.Get(); ok && peak < 1<<20 {
		t.Errorf("process = %+v", *stats.Process)
	}
}

// The usage of the process is not null.
func TestUsage(t *testing.T) {
	a, _ := serve(t, server.Config{}, newEngine(t, newDoubler()))
	checkUsage(t, a.Management, "")
}

// The answers of both listeners are counted, also refusals.
func TestAnswers(t *testing.T) {
	s := open(t, server.Config{Tokens: token.Fixed("secret")}, newEngine(t, newDoubler()))
	stop := run(t, s)
	a := s.Addrs()
	for _, r := range []struct{ url, key, body string }{
		{a.Inference + "/predictions/m", "secret", "[1]"},
		{a.Inference + "/predictions/m", "secret", "[2]"},
		{a.Inference + "/predictions/m", "secret", "[]"},
		{a.Inference + "/predictions/n", "secret", "[1]"},
		{a.Inference + "/predictions/m", "", "[1]"},
		{a.Inference + "/ping", "secret", ""},
		{a.Management + "/engine/v1/models/m/bare", "secret", ""},
		{a.Management + "/token", "secret", ""},
		{a.Management + "/nothing", "secret", ""},
	} {
		read(t, do(t, "POST", "http://"+r.url, r.key, r.body))
	}
	want := []wire.Count{
		{Route: wire.RouteOther, Status: 404, N: 1},
		{Route: wire.RoutePing, Status: 200, N: 1},
		{Route: wire.RoutePredictions, Status: 200, N: 2},
		{Route: wire.RoutePredictions, Status: 400, N: 2},
		{Route: wire.RoutePredictions, Status: 404, N: 1},
		{Route: wire.RouteControl, Status: 200, N: 1},
		{Route: wire.RouteToken, Status: 404, N: 1},
	}
	if err := stop(); err != nil { // an answer is counted after it is sent
		t.Error(err)
	}
	if diff := cmp.Diff(want, s.Answers()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestOpenErrors(t *testing.T) {
	taken, err := net.Listen("tcp", anyPort)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	busy := taken.Addr().String()
	e := newEngine(t, newDoubler())
	tests := []struct {
		cfg  server.Config
		want string
	}{
		{server.Config{Inference: busy, Management: anyPort}, "inference address " + busy + " is in use already; choose another with --listen host:port"},
		{server.Config{Inference: anyPort, Management: busy}, "management address " + busy + " is in use already; choose another with --management host:port"},
		{server.Config{Inference: anyPort, Management: anyPort, Metrics: busy}, "metrics address " + busy + " is in use already; choose another with --metrics host:port"},
		{server.Config{Inference: "8080", Management: anyPort}, `inference: the address "8080" is not host:port, http://host:port, https://host:port or unix:/path; see --listen`},
		{server.Config{Inference: "192.0.2.1:0", Management: anyPort}, "inference address 192.0.2.1:0 is not an address of this machine; choose another with --listen host:port"},
	}
	for _, tt := range tests {
		if _, err := server.Open(tt.cfg, e); err == nil || err.Error() != tt.want {
			t.Errorf("Open(%s, %s) = %v\nwant %s", tt.cfg.Inference, tt.cfg.Management, err, tt.want)
		}
	}
	s, err := server.Open(server.Config{Inference: anyPort, Management: anyPort}, e)
	if err != nil {
		t.Fatal(err)
	}
	addr := s.Addrs().Inference
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if again, err := net.Listen("tcp", addr); err != nil {
		t.Errorf("Close did not free the address: %v", err)
	} else {
		_ = again.Close()
	}
	without, err := server.Open(server.Config{Inference: anyPort, Management: anyPort, Metrics: busy, MetricsOptional: true}, e)
	if err != nil {
		t.Fatal(err)
	}
	if at := without.Addrs(); at.Metrics != "" || at.Inference == "" {
		t.Errorf("addresses %+v, want no metrics", at)
	}
	if err := without.Close(); err != nil {
		t.Fatal(err)
	}
}

// A server that ends answers the running request and refuses new ones.
func TestDrain(t *testing.T) {
	d := newDoubler()
	d.held = true
	a, stop := serve(t, server.Config{}, newEngine(t, d))
	answer := make(chan string, 1)
	go func() {
		resp := do(t, "POST", "http://"+a.Inference+"/predictions/m", "", "[7]")
		answer <- read(t, resp)
	}()
	<-d.entered
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	for { // until the listener is closed
		c, err := net.Dial("tcp", a.Inference)
		if err != nil {
			break
		}
		_ = c.Close()
	}
	close(d.gate)
	if got := <-answer; got != "[14]\n" {
		t.Errorf("answer = %q", got)
	}
	if err := <-ended; err != nil {
		t.Errorf("Run = %v", err)
	}
}

func TestDrainEnds(t *testing.T) {
	d := newDoubler()
	d.held = true
	a, stop := serve(t, server.Config{DrainTime: 200 * time.Millisecond}, newEngine(t, d)) // enough for the idle listeners of a busy machine
	cut := make(chan error, 1)
	go func() {
		resp, err := http.Post("http://"+a.Inference+"/predictions/m", "", strings.NewReader("[7]"))
		if err == nil {
			if resp.Body.Close(); resp.StatusCode >= 500 { // its cancelled context may be answered before the connection is cut
				err = errors.New(resp.Status)
			}
		}
		cut <- err
	}()
	<-d.entered
	err := stop()
	if want := "inference listener: running requests were aborted after 200ms"; err == nil || err.Error() != want {
		t.Errorf("Run = %v, want %s", err, want)
	}
	if err := <-cut; err == nil {
		t.Error("the request was answered")
	}
	close(d.gate)
}

// Each step of a change is sent when it ends.
func TestChangeStreams(t *testing.T) {
	d := newDoubler()
	a, _ := serve(t, server.Config{}, newEngine(t, d))
	resp := do(t, "PUT", "http://"+a.Management+"/engine/v1/models/m/settings", "", `{"threads":2}`)
	lines := bufio.NewScanner(resp.Body)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), `{"step":"open fp32 on cpu",`) {
		t.Fatalf("first line = %q, %v", lines.Text(), lines.Err())
	}
	close(d.gate) // the warm-up of the new worker can end only now
	var last control.Line
	for lines.Scan() {
		last = control.Line{}
		if err := json.Unmarshal(lines.Bytes(), &last); err != nil {
			t.Fatal(err)
		}
	}
	if last.Applied == nil || last.Applied.Threads != 2 {
		t.Fatalf("last line = %+v", last)
	}
}
