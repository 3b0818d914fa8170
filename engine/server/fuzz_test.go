package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/api/inference"
	"sweetspot/engine/api/management"
	"sweetspot/engine/api/metrics"
	"sweetspot/engine/api/wire"
	"sweetspot/engine/enginetest"
	"sweetspot/engine/knob"
	"sweetspot/engine/server"
	"sweetspot/engine/tensor"
)

// onlyWords is an opener that knows one archive, so that a fuzzer cannot fill the memory.
type onlyWords struct{ wordStore }

func (o onlyWords) Open(ctx context.Context, r management.Registration) (management.Opened, error) {
	if r.Name != "" || r.URL != "words-2.mar" {
		return management.Opened{}, management.ErrNotFound
	}
	return o.wordStore.Open(ctx, r)
}

// fuzzed are the handlers of all listeners for a model of bytes and one of tensors.
func fuzzed(t *testing.T) (by map[string]http.Handler, budget *wire.Budget) {
	t.Helper()
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{enginetest.Name: &enginetest.Backend{}, "doubler": newDoubler()}, Cores: 2})
	c := knob.Config{Settings: knob.Default(knob.Eager), Options: knob.Options{Rule: knob.Eager}}
	one := func(name string) []tensor.Spec {
		return []tensor.Spec{{Name: name, Type: tensor.Uint8, Shape: []int64{1}}}
	}
	for _, m := range []*engine.Model{wordModel("words", "1.0", "words.mar"), {Name: "m", Version: "1.0", Backend: "doubler", BatchAxis: true, Inputs: one("x"), Outputs: one("y")}} {
		m.RunTime = time.Minute // for hang
		if err := e.Load(t.Context(), m, c); err != nil {
			t.Fatal(err)
		}
	}
	budget = wire.NewBudget(1 << 20)
	models := management.New(e, management.Config{ModelAPI: true, Opener: onlyWords{wordStore{c}}, StartupTime: time.Minute, UnregisterTime: time.Minute})
	t.Cleanup(func() {
		models.Close()
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return map[string]http.Handler{
		"inference":  inference.New(e, inference.Limits{Limits: wire.Limits{Size: 1 << 16, Time: time.Minute, Budget: budget}, Raised: true}),
		"management": models,
		"metrics":    metrics.New(metrics.Config{Engine: e, Budget: budget}),
	}, budget
}

// Whatever a request says, every route answers it: with a status, and with an error body that
// says what is wrong. All memory of the request is returned.
func FuzzRoutes(f *testing.F) {
	data, err := os.ReadFile("testdata/contract.json")
	if err != nil {
		f.Fatal(err)
	}
	var steps []step
	if err := json.Unmarshal(data, &steps); err != nil {
		f.Fatal(err)
	}
	for _, s := range steps {
		path, query, _ := strings.Cut(s.Path, "?")
		f.Add(s.Method, path, query, s.Type, s.Send)
	}
	f.Add("POST", "/predictions/m", "", "application/json", `{"x":[1]}`)
	f.Add("POST", "/predictions/m", "", "application/x-www-form-urlencoded", "x=%5B1%5D&x=2")
	f.Add("POST", "/v1/models/m:predict", "", "", `{"instances":[[1],{"b64":"AQ=="},{"x":[2]},{"data":{"b64":"AQ=="}}]}`)
	f.Add("POST", "/explanations/words", "", "text/plain", "hello")
	f.Add("OPTIONS", "/v1/models/m:predict", "", "", "")
	f.Add("PUT", "/models/m", "min_worker=1&max_worker=2&batch_size=3&max_batch_delay=.5&synchronous=true&timeout=3", "", "")
	f.Fuzz(func(t *testing.T, method, path, query, media, body string) {
		if strings.HasPrefix(body, "hang") || strings.Contains(query, "hang") {
			t.Skip("this model waits when it is told to")
		}
		handlers, budget := fuzzed(t)
		for api, h := range handlers {
			r := &http.Request{
				Method: method, URL: &url.URL{Path: path, RawQuery: query}, Host: "localhost", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
				Header: http.Header{"Content-Type": {media}, "Accept": {media}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
			}
			w := httptest.NewRecorder()
			if !aborts(func() { h.ServeHTTP(w, r.WithContext(t.Context())) }) {
				checkAnswer(t, api, w)
			}
		}
		if n := budget.Used(); n != 0 {
			t.Errorf("%d bytes are still reserved", n)
		}
	})
}

// aborts reports whether f aborts its connection, as an answer does that ends too early.
func aborts(f func()) (aborted bool) {
	defer func() {
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			panic(p)
		} else if p != nil {
			aborted = true
		}
	}()
	f()
	return false
}

// checkAnswer checks that an answer has a status, and an error its body.
func checkAnswer(t *testing.T, api string, w *httptest.ResponseRecorder) {
	t.Helper()
	if w.Code < 200 || w.Code > 599 || w.Header().Get("X-Request-Id") == "" {
		t.Fatalf("%s: status %d, header %v", api, w.Code, w.Header())
	}
	if w.Code < 400 {
		return
	}
	var e struct{ Code, Type, Message, Status, Ready any }
	if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || e.Message == nil && e.Status == nil && e.Ready == nil {
		t.Errorf("%s: %d without an error body: %v %.200q", api, w.Code, err, w.Body)
	}
}

// FuzzConnection sends bytes that may be no HTTP to a real listener. The server answers or
// closes the connection, and answers the next client.
func FuzzConnection(f *testing.F) {
	for _, text := range []string{
		"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"POST /predictions/m HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n[1]",
		"POST /predictions/m HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1]\r\n0\r\n\r\n",
		"POST /predictions/m HTTP/1.1\r\nHost: localhost\r\nContent-Length: 30\r\n\r\n[1]",
		"POST /predictions/m HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n[1]",
		"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"GET http://other/ping HTTP/1.0\r\n\r\n",
		"\x16\x03\x01",
		"",
	} {
		f.Add([]byte(text))
	}
	d := newDoubler()
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{"doubler": d}, Cores: 2})
	one := func(name string) []tensor.Spec {
		return []tensor.Spec{{Name: name, Type: tensor.Uint8, Shape: []int64{1}}}
	}
	c := knob.Config{Settings: knob.Default(knob.Eager), Options: knob.Options{Rule: knob.Eager}}
	if err := e.Load(f.Context(), &engine.Model{Name: "m", Version: "1.0", Backend: "doubler", BatchAxis: true, Inputs: one("x"), Outputs: one("y")}, c); err != nil {
		f.Fatal(err)
	}
	s, err := server.Open(server.Config{Inference: anyPort, Management: anyPort}, e)
	if err != nil {
		f.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	f.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended, e.Close(context.Background())); err != nil {
			f.Error(err)
		}
	})
	f.Fuzz(func(t *testing.T, sent []byte) {
		conn, err := net.Dial("tcp", s.Addrs().Inference)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(time.Minute)) // a guard
		_, _ = conn.Write(sent)                           // the server may have closed it
		_ = conn.(*net.TCPConn).CloseWrite()
		if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("no answer and no end to %q", sent)
		}
		resp, err := http.Post("http://"+s.Addrs().Inference+"/predictions/m", "application/json", strings.NewReader("[21]"))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 200 || string(body) != "[42]\n" {
			t.Errorf("afterwards: %d %s", resp.StatusCode, body)
		}
	})
}
