package inference_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine"
	"sweetspot/engine/api/inference"
	"sweetspot/engine/api/openapi"
	"sweetspot/engine/api/wire"
	"sweetspot/engine/enginetest"
	"sweetspot/engine/handler"
	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
)

// Descriptions name every route of the listener, or of a model; they need no body.
func TestDescriptions(t *testing.T) {
	_, _, h := start(t, nil)
	for _, tt := range []struct {
		method, path string
		want         []string // paths in the answer
	}{
		{"OPTIONS", "/", []string{"/", "/ping", "/predictions/{model_name}", "/predictions/{model_name}/{model_version}", "/explanations/{model_name}", "/v1/models/{model_name}:explain", "/metrics", "/api-description"}},
		{"GET", "/api-description", []string{"/", "/ping"}},
		{"OPTIONS", "/predictions/m", []string{"/predictions/m", "/v1/models/m:predict"}},
		{"OPTIONS", "/predictions/m/1.0", []string{"/predictions/m"}},
		{"OPTIONS", "/m/predict", []string{"/predictions/m"}},
		{"OPTIONS", "/v1/models/m:predict", []string{"/predictions/m"}},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(tt.method, tt.path, nil)
		r.Header.Set("Accept", "text/html")
		h.ServeHTTP(w, r)
		var d openapi.Document
		if err := json.Unmarshal(w.Body.Bytes(), &d); err != nil || w.Code != 200 || d.OpenAPI != "3.0.1" || d.Info.Version != "0.12.0" {
			t.Fatalf("%s %s: %d %v %.200s", tt.method, tt.path, w.Code, err, w.Body)
		}
		for _, p := range tt.want {
			if path, ok := d.Paths[p]; !ok || path.Get == nil && path.Post == nil && path.Options == nil {
				t.Errorf("%s %s: no operation for %s", tt.method, tt.path, p)
			}
		}
		for p, path := range d.Paths {
			for _, o := range []*openapi.Operation{path.Get, path.Put, path.Post, path.Delete, path.Options} {
				checkParameters(t, p, o)
			}
		}
	}
	if w := serve(h, "OPTIONS", "/predictions/n"); w.Code != 404 {
		t.Errorf("of an unknown model: %d", w.Code)
	}
	if w := serve(h, "GET", "/"); w.Header().Get("Allow") != "OPTIONS" {
		t.Errorf("GET /: Allow %q", w.Header().Get("Allow"))
	}
}

// checkParameters checks that an operation has the parameters of its path, and no others.
func checkParameters(t *testing.T, path string, o *openapi.Operation) {
	t.Helper()
	if o == nil {
		return
	}
	var want, got []string
	for _, s := range strings.Split(path, "{")[1:] {
		name, _, _ := strings.Cut(s, "}")
		want = append(want, name)
	}
	for _, p := range o.Parameters {
		if p.In == "path" {
			got = append(got, p.Name)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) || o.OperationID == "" || len(o.Responses) == 0 {
		t.Errorf("%s: %s has the path parameters %v, want %v", path, o.OperationID, got, want)
	}
}

func serve(h http.Handler, method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w
}

// recorder is a backend that remembers the last row.
type recorder struct {
	enginetest.Backend
	last *payload.Message
}

// A model of bytes gets the headers, the rest of the path, whether to explain, and, on the
// routes of SageMaker and the oldest one, the parameters of the query.
func TestWhatHandlersGet(t *testing.T) {
	b := &recorder{}
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{enginetest.Name: &b.Backend}, Cores: 2})
	m := enginetest.Model("words")
	m.Handler = &spy{recorder: b}
	if err := e.Load(t.Context(), m, knob.Config{Settings: knob.Default(knob.Eager), Options: knob.Options{Rule: knob.Eager}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close(t.Context()) })
	h := inference.New(e, inference.Limits{Limits: wire.Limits{Size: 1 << 16}})
	for _, tt := range []struct {
		path, rest, explain string // without explain neither header is there
		parts               string // name=data of all parts
	}{
		{"/predictions/words?q=1", "", "False", "body=hi"},
		{"/predictions/words/1.0/a/b", "a/b", "False", "body=hi"},
		{"/explanations/words/1.0/a", "a", "True", "body=hi"},
		{"/v1/models/words:predict", "", "False", "body=hi"},
		{"/v1/models/words:explain", "", "True", "body=hi"},
		{"/invocations?b=2&a=1", "", "", "a=1 b=2 body=hi"},
		{"/models/words/invoke?q=1", "", "", "q=1 body=hi"},
		{"/words/predict?q=1", "", "", "q=1 body=hi"},
		{"/words/1.0/predict", "", "", "body=hi"},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", tt.path, strings.NewReader("hi"))
		r.Header.Set("X-Own", "first")
		r.Header.Add("X-Own", "last")
		h.ServeHTTP(w, r)
		if w.Code != 200 || w.Body.String() != "HI" {
			t.Fatalf("%s: %d %s", tt.path, w.Code, w.Body)
		}
		got := map[string]string{}
		for _, f := range b.last.Header {
			got[f.Name] = f.Value
		}
		want := map[string]string{"Host": "example.com", "X-Own": "last", "url_path": tt.rest, "explain": tt.explain}
		if tt.explain == "" {
			delete(want, "explain")
			delete(want, "url_path")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: headers -want +got\n%s", tt.path, diff)
		}
		var parts []string
		for _, p := range b.last.Parts {
			parts = append(parts, p.Name+"="+string(p.Data))
		}
		if text := strings.Join(parts, " "); text != tt.parts {
			t.Errorf("%s: parts %s, want %s", tt.path, text, tt.parts)
		}
	}
}

// A version without workers is healthy for ping, whose rule is TorchServe's, and not ready.
func TestReady(t *testing.T) {
	e, _, h := start(t, nil)
	s, err := e.Find("m", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Scale(t.Context(), 0, 0, nil); err != nil {
		t.Fatal(err)
	}
	w := serve(h, "GET", "/ready")
	if w.Code != 503 || w.Header().Get("Retry-After") != "1" || !strings.Contains(w.Body.String(), "Not ready: 1 of 2 versions have no worker") {
		t.Errorf("/ready: %d %v %s", w.Code, w.Header(), w.Body)
	}
	if w := serve(h, "GET", "/v1/models/m"); w.Code != 503 || !strings.Contains(w.Body.String(), `"ready": false`) {
		t.Errorf("/v1/models/m: %d %s", w.Code, w.Body)
	}
	if w := serve(h, "GET", "/ping"); w.Code != 200 {
		t.Errorf("/ping: %d", w.Code)
	}
	if err := s.Scale(t.Context(), 1, 1, nil); err != nil {
		t.Fatal(err)
	}
	if w := serve(h, "GET", "/ready"); w.Code != 200 {
		t.Errorf("/ready with workers: %d %s", w.Code, w.Body)
	}
}

// spy is the handler of a model of bytes that remembers the last request.
type spy struct {
	handler.Parts
	recorder *recorder
}

func (s *spy) Decode(r *payload.Request, b payload.Body) error {
	err := s.Parts.Decode(r, b)
	s.recorder.last = &payload.Message{Parts: r.Parts, Header: r.Header}
	return err
}
