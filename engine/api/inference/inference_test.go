package inference_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine"
	"sweetspot/engine/api/inference"
	"sweetspot/engine/api/wire"
	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// doubler is a backend: y = 2x. An item that starts with -1 fails; one that
// starts with -2 blocks until the gate opens.
type doubler struct {
	gate chan struct{}
}

func (d *doubler) Open(context.Context, *engine.Model, knob.Config) (engine.Session, error) {
	return d, nil
}
func (d *doubler) Shared() bool { return true }
func (d *doubler) Close() error { return nil }

func (d *doubler) Run(_ context.Context, in []payload.Row, out []payload.Result) error {
	for i := range in {
		item := in[i].Item
		switch math.Float32frombits(binary.LittleEndian.Uint32(item[0].Data)) {
		case -1:
			return errors.New("the model does not like it")
		case -2:
			<-d.gate
		}
		out[i].Outputs = make(tensor.Item, len(item))
		for k, t := range item {
			t.Data = bytes.Clone(t.Data)
			for p := t.Data; len(p) > 0; p = p[4:] {
				v := math.Float32frombits(binary.LittleEndian.Uint32(p))
				binary.LittleEndian.PutUint32(p, math.Float32bits(2*v))
			}
			out[i].Outputs[k] = t
		}
	}
	return nil
}

func model(name string, n int64) *engine.Model {
	return &engine.Model{
		Name: name, Version: "1.0", Source: "builtin:" + name, Backend: "doubler", BatchAxis: true,
		Inputs:  []tensor.Spec{{Name: "x", Type: tensor.Float32, Shape: []int64{n}}},
		Outputs: []tensor.Spec{{Name: "y", Type: tensor.Float32, Shape: []int64{n}}},
	}
}

// start serves a model m of 2 and a model wide of 2048 floats.
func start(t testing.TB, change func(*knob.Config)) (*engine.Engine, *doubler, *inference.Handler) {
	t.Helper()
	d := &doubler{gate: make(chan struct{})}
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{"doubler": d}, Cores: 2})
	c := knob.Config{Settings: knob.Default(knob.Eager), Options: knob.Options{Rule: knob.Eager}}
	if change != nil {
		change(&c)
	}
	for _, m := range []*engine.Model{model("m", 2), model("wide", 2048)} {
		if err := e.Load(t.Context(), m, c); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return e, d, inference.New(e, inference.Limits{Limits: wire.Limits{Size: 1 << 16, Flag: "--max-request-size"}})
}

func TestScript(t *testing.T) {
	_, _, h := start(t, nil)
	const sendTwo = "; send [0.1, 0.2, ...] (shape [2]) as application/json, or 8 bytes of little-endian FP32 as application/octet-stream"
	tests := []struct {
		method, path, media, accept, body string
		code                              int
		want                              string // body, or "type: message" of an error
	}{
		{"GET", "/ping", "", "", "", 200, "{\n  \"status\": \"Healthy\"\n}\n"},
		{"POST", "/predictions/m", "application/json", "", "[1,2]", 200, "[2,4]\n"},
		{"PUT", "/predictions/m", "", "", "[1,2]", 200, "[2,4]\n"},
		{"GET", "/predictions/m/", "application/json", "", "[1,2]", 200, "[2,4]\n"},
		{"DELETE", "/predictions/m/1.0", "application/json", "", `{"x":[1,2]}`, 200, "[2,4]\n"},
		{"POST", "/predictions/m", "application/octet-stream", "application/octet-stream", "\x00\x00\x80?\x00\x00\x00@", 200, "\x00\x00\x00@\x00\x00\x80@"},
		{"POST", "/predictions/m?ignored=1", "", "", "[1,2]", 200, "[2,4]\n"},

		{"GET", "/", "", "", "", 405, "MethodNotAllowedException: / does not take GET; it takes OPTIONS"},
		{"GET", "/ready", "", "", "", 200, "{\n  \"status\": \"Ready\"\n}\n"},
		{"POST", "/predictions/m/1.0/more/and/more", "", "", "[1,2]", 200, "[2,4]\n"},
		{"POST", "/predictions/m//", "", "", "[1,2]", 200, "[2,4]\n"},
		{"POST", "/predictions/m", "application/x-www-form-urlencoded", "", "x=%5B1,2%5D", 200, "[2,4]\n"},
		{"POST", "/predictions/m", "application/x-www-form-urlencoded", "", "data=[1,2]", 200, "[2,4]\n"},
		{"POST", "/predictions/m", "application/x-www-form-urlencoded", "", "[1,2]", 200, "[2,4]\n"},
		{"POST", "/m/predict", "", "", "[1,2]", 200, "[2,4]\n"},
		{"POST", "/m/1.0/predict?a=1", "", "", "[1,2]", 200, "[2,4]\n"},
		{"POST", "/models/m/invoke", "", "", "[1,2]", 200, "[2,4]\n"},
		{"POST", "/invocations?model_name=m", "", "", "[1,2]", 200, "[2,4]\n"},
		{"GET", "/v1/models", "", "", "", 200, "{\n  \"models\": [\n    \"m\",\n    \"wide\"\n  ]\n}\n"},
		{"GET", "/v1/models/m", "", "", "", 200, "{\n  \"name\": \"m\",\n  \"ready\": true\n}\n"},
		{"POST", "/v1/models/m:predict", "", "text/csv", `{"instances":[[1,2],{"x":[3,4]},{"b64":"AACgQAAAwEA="},{"data":{"b64":"AADgQAAAAEE="}},{"data":"AAAQQQAAIEE="}],"signature_name":"s"}`, 200, `{"predictions":[[2,4],[6,8],[10,12],[14,16],[18,20]]}` + "\n"},

		{"POST", "/predictions/m", "application/x-www-form-urlencoded", "", "x=[1]", 400, `BadRequestException: field "x": input "x": shape [1], expected [2]` + sendTwo},
		{"POST", "/predictions/m", "application/x-www-form-urlencoded", "", "x=[1,2]&z=1", 400, `BadRequestException: unknown input "z", the model takes x` + sendTwo},
		{"POST", "/explanations/m", "", "", "[1,2]", 200, "[0,4]\n"},
		{"POST", "/explanations/m/1.0?target=0&baseline=-3", "", "", "[3,2]", 200, "[12,0]\n"},
		{"POST", "/explanations/m?window=2&answer=details", "", "", "[3,2]", 200, `{"method":"occlusion","input":"x","output":"y","target":[0],"score":6,"baseline":0,"window":[2],"stride":[1],"passes":2,"attributions":[6,6]}` + "\n"},
		{"POST", "/explanations/m?mask=4,4&answer=grid", "", "", "[3,2]", 200, `{"method":"ablation","input":"x","output":"y","target":[0],"score":6,"baseline":0,"passes":2,"grid":[6]}` + "\n"},
		{"POST", "/v1/models/m:explain", "", "", `{"instances":[[1,2],[3,2]]}`, 200, `{"explanations":[[0,4],[6,0]]}` + "\n"},
		{"POST", "/v1/models/m:explain", "", "", `{"instances":[{"data":{"b64":"AACgQAAAwEA="},"target":0},{"data":{"b64":"AACgQAAAwEA="}}]}`, 200, `{"explanations":[[10,0],[0,12]]}` + "\n"},
		{"POST", "/explanations/m", "", "application/octet-stream", "[1,2]", 406, "NotAcceptableException: an explanation is application/json; accept that"},
		{"POST", "/explanations/m?method=integrated_gradients", "", "", "[1,2]", 400, "BadRequestException: method: integrated gradients need the gradients of the model, and a graph for inference does not have them; use occlusion or ablation, or serve the model with a handler in Python"},
		{"POST", "/explanations/m?target=2", "", "", "[1,2]", 400, `BadRequestException: target: index 2, and axis 0 of the output "y" has 2 elements, from 0 on`},
		{"POST", "/explanations/m?output=z", "", "", "[1,2]", 400, `BadRequestException: output: the model has no output "z", only y`},
		{"POST", "/explanations/wide?target=0&baseline=x", "", "", "[1,2]", 400, `BadRequestException: baseline: "x" is not a number`},
		{"POST", "/explanations/n", "", "", "[1,2]", 404, "ModelNotFoundException: Model not found: n; served here: m, wide"},
		{"POST", "/explanations", "", "", "[1,2]", 404, "ResourceNotFoundException: no such resource: /explanations"},
		{"POST", "/invocations", "", "", "[1,2]", 400, "BadRequestException: Parameter model_name is required. Write /invocations?model_name=NAME; served here: m, wide"},
		{"POST", "/models/m", "", "", "[1,2]", 404, "ResourceNotFoundException: no such resource: /models/m"},
		{"POST", "/models/m/predict", "", "", "[1,2]", 404, "ResourceNotFoundException: no such resource: /models/m/predict"},
		{"POST", "/n/predict", "", "", "[1,2]", 404, "ModelNotFoundException: Model not found: n; served here: m, wide"},
		{"POST", "/v1/models/n:predict", "", "", "{}", 404, "ModelNotFoundException: Model not found: n; served here: m, wide"},
		{"GET", "/v1/models/n", "", "", "", 404, "ModelNotFoundException: Model not found: n"},
		{"POST", "/v1/models/m", "", "", "", 405, "MethodNotAllowedException: /v1/models/m does not take POST; it takes GET"},
		{"POST", "/v1/models", "", "", "", 405, "MethodNotAllowedException: /v1/models does not take POST; it takes GET"},
		{"POST", "/v1/models/m:predictions", "", "", "{}", 404, "ResourceNotFoundException: no such resource: /v1/models/m:predictions"},
		{"POST", "/v1/models/m:predict", "", "", "{}", 400, `BadRequestException: no member "instances"; send {"instances": [...]}`},
		{"POST", "/v1/models/m:predict", "", "", `{"instances":[]}`, 400, `BadRequestException: no instances; send {"instances": [...]}`},
		{"POST", "/v1/models/m:predict", "", "", `{"instances":[[1,2],[1]]}`, 400, `BadRequestException: instance 1: input "x": shape [1], expected [2]` + sendTwo},
		{"POST", "/v1/models/m:predict", "", "", `{"instances":[{"b64":"?"}]}`, 400, "BadRequestException: instance 0: base64: illegal base64 data at input byte 0"},
		{"GET", "/predictions", "", "", "", 404, "ResourceNotFoundException: no such resource: /predictions"},
		{"GET", "/predictions/m//x", "", "", "", 404, "ModelVersionNotFoundException: Model version:  does not exist for model: m"},
		{"GET", "/predictions//m", "", "", "", 404, "ModelNotFoundException: Model not found: "},
		{"GET", "/explanations/m//x", "", "", "", 404, "ModelVersionNotFoundException: Model version:  does not exist for model: m"},
		{"GET", "/ping/x", "", "", "", 404, "ResourceNotFoundException: no such resource: /ping/x"},
		{"POST", "/predictions/n", "", "", "[1,2]", 404, "ModelNotFoundException: Model not found: n; served here: m, wide"},
		{"POST", "/predictions/m/2.0", "", "", "[1,2]", 404, "ModelVersionNotFoundException: Model version: 2.0 does not exist for model: m; its version is 1.0"},
		{"POST", "/predictions/m", "", "", "", 400, "BadRequestException: empty body" + sendTwo},
		{"POST", "/predictions/m", "application/json", "", "[1]", 400, `BadRequestException: input "x": shape [1], expected [2]` + sendTwo},
		{"POST", "/predictions/m", "application/json", "text/csv", "[1,2]", 406, `NotAcceptableException: no acceptable format of the answer: "text/csv"; accept application/json or application/octet-stream`},
		{"POST", "/predictions/m", "application/json", "", "[" + strings.Repeat(" ", 1<<16) + "1,2]", 413, "RequestTooLargeException: the request body of 65541 bytes is above the limit of 65536 bytes; send less, or start the server with a larger --max-request-size"},
		{"POST", "/predictions/m", "application/json", "", "[-1,2]", 500, "InternalServerException: Prediction failed: the model does not like it"},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, tt.path, strings.NewReader(tt.body))
			for name, v := range map[string]string{"Content-Type": tt.media, "Accept": tt.accept} {
				if v != "" {
					r.Header.Set(name, v)
				}
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tt.code {
				t.Errorf("status = %d, want %d", w.Code, tt.code)
			}
			got := w.Body.String()
			if tt.code >= 400 {
				got = errorText(t, w)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			checkHeaders(t, w)
		})
	}
}

// errorText checks the fields of an error body and returns it in one line.
func errorText(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var e wire.Error
	if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	if e.Code != w.Code {
		t.Errorf("code %d in the body of a %d", e.Code, w.Code)
	}
	if !regexp.MustCompile(`^\{\n  "code": \d+,\n  "type": ".*",\n  "message": ".*"(,\n  "error": ".*")?\n\}\n$`).Match(w.Body.Bytes()) {
		t.Errorf("body = %q", w.Body)
	}
	return e.Type + ": " + e.Message
}

func checkHeaders(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	h := w.Result().Header
	if id := h.Get("x-request-id"); !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(id) {
		t.Errorf("x-request-id = %q", id)
	}
	want := map[string]string{
		"Pragma":        "no-cache",
		"Cache-Control": "no-cache; no-store, must-revalidate, private",
		"Expires":       "Thu, 01 Jan 1970 00:00:00 UTC",
		"Connection":    "",
	}
	if w.Code >= 400 {
		want["Connection"] = "close"
	}
	for name, v := range want {
		if got := h.Get(name); got != v {
			t.Errorf("%s = %q, want %q", name, got, v)
		}
	}
	times := regexp.MustCompile(`^decode;dur=\d+\.\d{3}, queue;dur=\d+\.\d{3}, formation;dur=\d+\.\d{3}, execution;dur=\d+\.\d{3}, encode;dur=\d+\.\d{3}, batch;desc=1$`)
	if timing := h.Get("Server-Timing"); w.Code == 200 && w.Body.String()[0] != '{' && !times.MatchString(timing) {
		t.Errorf("Server-Timing = %q", timing)
	}
}

// predict sends [first, 0] to m with ctx and returns the answer.
func predict(ctx context.Context, h http.Handler, first string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(ctx, "POST", "/predictions/m", strings.NewReader("["+first+",0]"))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// inBubble runs test with an engine in a synctest bubble.
func inBubble(t *testing.T, change func(*knob.Config), test func(*testing.T, *engine.Engine, *doubler, http.Handler)) {
	synctest.Test(t, func(t *testing.T) {
		e, d, h := start(t, change)
		test(t, e, d, h)
	})
}

func TestQueueFullAndClosed(t *testing.T) {
	one := func(c *knob.Config) { c.QueueSize = 1 }
	inBubble(t, one, func(t *testing.T, e *engine.Engine, d *doubler, h http.Handler) {
		var wg sync.WaitGroup
		wg.Go(func() { predict(context.Background(), h, "-2") })
		synctest.Wait() // it runs
		wg.Go(func() { predict(context.Background(), h, "1") })
		synctest.Wait() // it waits
		w := predict(t.Context(), h, "1")
		want := `ServiceUnavailableException: Model "m": queue is full: 1 requests wait (queue_size 1); retry later, or raise queue_size or workers`
		if got := errorText(t, w); w.Code != 503 || got != want {
			t.Errorf("%d %s, want %s", w.Code, got, want)
		}
		if got := w.Header().Get("Retry-After"); got != "1" {
			t.Errorf("Retry-After = %q, want 1", got)
		}
		m, err := e.Find("m", "")
		if err != nil {
			t.Fatal(err)
		}
		close(d.gate)
		wg.Wait()
		if err := e.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := m.Stats(); s.OK != 2 || s.Refused != 1 {
			t.Errorf("stats = %+v", s)
		}
		if w := predict(t.Context(), h, "1"); errorText(t, w) != "ModelNotFoundException: Model not found: m; served here: nothing" {
			t.Errorf("after Close: %d %s", w.Code, w.Body)
		}
	})
}

// The request of a client that disconnects leaves the queue, and its buffers are not reused
// for the next request.
func TestCancelledRequestLeavesTheQueue(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, e *engine.Engine, d *doubler, h http.Handler) {
		var wg sync.WaitGroup
		answers := make([]*httptest.ResponseRecorder, 3)
		ctx, cancel := context.WithCancel(t.Context())
		late, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		wg.Go(func() { answers[0] = predict(t.Context(), h, "-2") })
		synctest.Wait()
		wg.Go(func() { answers[1] = predict(ctx, h, "7") })
		wg.Go(func() { answers[2] = predict(late, h, "8") })
		synctest.Wait()
		cancel()
		time.Sleep(2 * time.Second)
		close(d.gate)
		wg.Wait()
		want := []string{
			"[-4,0]\n",
			`ServiceUnavailableException: Model "m": the request was cancelled`,
			`ServiceUnavailableException: Model "m": the request expired in the queue`,
		}
		for i, w := range answers {
			got := w.Body.String()
			if i > 0 {
				got = errorText(t, w)
			}
			if got != want[i] {
				t.Errorf("answer %d = %q, want %q", i, got, want[i])
			}
		}
		m, err := e.Find("m", "")
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Close(t.Context()); err != nil { // waits until the queue is empty
			t.Fatal(err)
		}
		if s := m.Stats(); s.Cancelled != 1 || s.Expired != 1 || s.OK != 1 {
			t.Errorf("stats = %+v", s)
		}
	})
}

// Over a real connection: the answer's length is known, an error closes the
// connection, and a chunked body is read whole and bounded.
func TestOverHTTP(t *testing.T) {
	_, _, h := start(t, nil)
	server := httptest.NewServer(h)
	defer server.Close()
	post := func(path string, body io.Reader) (*http.Response, string) {
		t.Helper()
		resp, err := http.Post(server.URL+path, "application/json", body)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, string(b)
	}
	wide := "[" + strings.Repeat("1,", 2047) + "1]"
	resp, body := post("/predictions/wide", strings.NewReader(wide))
	if want := strings.ReplaceAll(wide, "1", "2") + "\n"; body != want || resp.ContentLength != int64(len(want)) || resp.Close {
		t.Errorf("answer of %d bytes, close %v: %.40s...", resp.ContentLength, resp.Close, body)
	}
	chunked := struct{ io.Reader }{strings.NewReader(wide)}
	if resp, body = post("/predictions/wide", chunked); resp.StatusCode != 200 || len(body) != len(wide)+1 {
		t.Errorf("chunked: %d %.40s", resp.StatusCode, body)
	}
	chunked = struct{ io.Reader }{strings.NewReader(strings.Repeat(" ", 1<<17))}
	if resp, body = post("/predictions/wide", chunked); resp.StatusCode != 413 {
		t.Errorf("chunked and too large: %d %s", resp.StatusCode, body)
	}
	for _, path := range []string{"/predictions/m", "/v1/models/m:predict", "/explanations/m"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+path, strings.NewReader("\x1f\x8b\b\x00\x00\x00\x00\x00"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/octet-stream")
		r.Header.Set("Content-Encoding", "gzip")
		resp, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Body.Close(); resp.StatusCode != http.StatusUnsupportedMediaType {
			t.Errorf("%s with gzip: %d, want 415", path, resp.StatusCode)
		}
	}
	if resp, body = post("/predictions/none", strings.NewReader("[]")); resp.StatusCode != 404 || !resp.Close {
		t.Errorf("unknown model: %d, close %v, %s", resp.StatusCode, resp.Close, body)
	}
}

// The limit is raised for a model whose inputs need more, and only for that one.
func TestRaisedLimit(t *testing.T) {
	e, _, _ := start(t, nil)
	for _, tt := range []struct {
		name   string
		raised bool
		path   string
		bytes  int
		code   int
		text   string
	}{
		{"a model that needs more", true, "/predictions/wide", 8192, 200, ""},
		{"more than it needs", true, "/predictions/wide", 16384, 413, "of 16384 bytes is above the limit of 9216 bytes"},
		{"another model", true, "/predictions/m", 4097, 413, "above the limit of 4096 bytes"},
		{"a limit that was given", false, "/predictions/wide", 8192, 413, "above the limit of 4096 bytes; send less, or start the server with a larger --limit"},
	} {
		h := inference.New(e, inference.Limits{Limits: wire.Limits{Size: 4096, Flag: "--limit"}, Raised: tt.raised})
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", tt.path, bytes.NewReader(make([]byte, tt.bytes)))
		r.Header.Set("Content-Type", "application/octet-stream")
		h.ServeHTTP(w, r)
		if w.Code != tt.code || !strings.Contains(w.Body.String(), tt.text) {
			t.Errorf("%s: %d %.300s, want %d with %q", tt.name, w.Code, w.Body, tt.code, tt.text)
		}
	}
}

// Several outputs are answered as bytes behind a description, with its length in a header.
func TestBinaryAnswer(t *testing.T) {
	e, _, h := start(t, nil)
	pair := model("pair", 2)
	pair.Inputs = append(pair.Inputs, tensor.Spec{Name: "z", Type: tensor.Float32, Shape: []int64{1}})
	pair.Outputs = append(pair.Outputs, tensor.Spec{Name: "w", Type: tensor.Float32, Shape: []int64{1}})
	if err := e.Load(t.Context(), pair, knob.Config{Settings: knob.Default(knob.Eager), Options: knob.Options{Rule: knob.Eager}}); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("POST", "/predictions/pair", strings.NewReader(`{"x":[1,2],"z":[3]}`))
	r.Header.Set("Accept", "application/octet-stream")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	head := `{"outputs": [{"name": "y", "datatype": "FP32", "shape": [2], "parameters": {"binary_data_size": 8}}, {"name": "w", "datatype": "FP32", "shape": [1], "parameters": {"binary_data_size": 4}}]}`
	want := head + "\x00\x00\x00@\x00\x00\x80@\x00\x00\xc0@"
	if w.Code != 200 || w.Body.String() != want || w.Header().Get("Inference-Header-Content-Length") != strconv.Itoa(len(head)) ||
		w.Header().Get("Content-Type") != "application/octet-stream" || w.Header().Get("Content-Length") != strconv.Itoa(len(want)) {
		t.Errorf("%d %q %v", w.Code, w.Body, w.Header())
	}
}
