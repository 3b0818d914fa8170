package server_test

import (
	"context"
	"encoding/json"
	"io"
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
