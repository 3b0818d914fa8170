package oip_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"sweetspot/engine"
	"sweetspot/engine/api/inference"
	"sweetspot/engine/api/oip"
	"sweetspot/engine/api/wire"
	"sweetspot/engine/enginetest"
	"sweetspot/engine/handler"
	"sweetspot/engine/knob"
	protocol "sweetspot/engine/oip"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// echo is a backend that returns the inputs. A row whose first byte is 255 fails.
type echo struct{}

func (echo) Open(context.Context, *engine.Model, knob.Config) (engine.Session, error) {
	return echo{}, nil
}
func (echo) Shared() bool { return true }
func (echo) Close() error { return nil }

func (echo) Run(_ context.Context, in []payload.Row, out []payload.Result) error {
	for i := range in {
		out[i].Outputs = make(tensor.Item, len(in[i].Item))
		for k, t := range in[i].Item {
			if len(t.Data) > 0 && t.Data[0] == 255 {
				return errors.New("the model does not like it")
			}
			t.Data = bytes.Clone(t.Data)
			out[i].Outputs[k] = t
		}
	}
	return nil
}

func spec(name string, typ tensor.Type, shape ...int64) tensor.Spec {
	return tensor.Spec{Name: name, Type: typ, Shape: append([]int64{}, shape...)}
}

func model(name string, batch bool, specs ...tensor.Spec) *engine.Model {
	m := &engine.Model{Name: name, Version: "1.0", Backend: "echo", BatchAxis: batch, Inputs: specs}
	for _, s := range specs {
		s.Name = strings.Replace(s.Name, "x", "y", 1)
		m.Outputs = append(m.Outputs, s)
	}
	return m
}

// start serves models: two takes two numbers, wide 2048, half is of FP16, single has no batch
// axis, and words takes bytes.
func start(t testing.TB, limits inference.Limits) (*engine.Engine, http.Handler) {
	t.Helper()
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{"echo": echo{}, enginetest.Name: &enginetest.Backend{}}, Cores: 2})
	c := knob.Config{Settings: knob.Default(knob.Eager), Options: knob.Options{Rule: knob.Eager}}
	two2 := model("two", true, spec("x", tensor.Float32, 2))
	two2.Version = "2.0"
	for _, m := range []*engine.Model{
		model("two", true, spec("x", tensor.Float32, 2)), two2, model("wide", true, spec("x", tensor.Float32, 2048)),
		model("half", true, spec("x", tensor.Float16, 2), spec("n", tensor.Int64, 1)), model("single", false, spec("x", tensor.Int8, 2)), enginetest.Model("words"),
	} {
		if c.BatchSize = 8; !m.BatchAxis {
			c.BatchSize = 1
		}
		if err := e.Load(t.Context(), m, c); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if limits.Size == 0 {
		limits.Size = 1 << 20
	}
	return e, oip.New(e, limits, inference.New(e, limits), "0.1")
}

// ask sends a request; head is the header with the length of the JSON, or "".
func ask(t testing.TB, h http.Handler, method, path, head string, body []byte) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, path, bytes.NewReader(body))
	if head != "" {
		r.Header.Set(protocol.HeaderLength, head)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestInfer(t *testing.T) {
	_, h := start(t, inference.Limits{})
	two := func(rest string) string {
		return `{"inputs":[{"name":"x","shape":[2,2],"datatype":"FP32","data":[1,2,3,4]}]` + rest + `}`
	}
	const asBinary = `{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}],"outputs":[{"name":"y","parameters":{"binary_data":true}}]}`
	const halves = `{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP16","parameters":{"binary_data_size":4}},{"name":"n","shape":[1,1],"datatype":"INT64","data":[7]}],`
	const eight = "\x00\x00\x80?\x00\x00\x00@"
	for _, tt := range []struct {
		name, path, json, tail, want string
		head                         int // of the answer; 0 is all
	}{
		{"rows", "two", two(""), "", `{"model_name":"two","model_version":"1.0","outputs":[{"name":"y","datatype":"FP32","shape":[2,2],"data":[1,2,3,4]}]}`, 0},
		{"identified", "two", two(`,"id":"<7>"`), "", `{"id":"\u003c7\u003e","model_name":"two","model_version":"1.0","outputs":[{"name":"y","datatype":"FP32","shape":[2,2],"data":[1,2,3,4]}]}`, 0},
		{"a version", "two/versions/2.0", two(""), "", `{"model_name":"two","model_version":"2.0","outputs":[{"name":"y","datatype":"FP32","shape":[2,2],"data":[1,2,3,4]}]}`, 0},
		{"binary", "two", asBinary, eight, `{"model_name":"two","model_version":"1.0","outputs":[{"name":"y","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":8}}]}` + eight, 135},
		{"without JSON", "two", "", eight, `{"model_name":"two","model_version":"1.0","outputs":[{"name":"y","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":8}}]}` + eight, 135},
		{"no batch axis", "single", `{"inputs":[{"name":"x","shape":[1,2],"datatype":"INT8","data":[[1,-2]]}]}`, "", `{"model_name":"single","model_version":"1.0","outputs":[{"name":"y","datatype":"INT8","shape":[1,2],"data":[1,-2]}]}`, 0},
		{"halves", "half", halves + `"parameters":{"binary_data_output":true},"outputs":[{"name":"n","parameters":{"binary_data":false}},{"name":"y"}]}`, "abcd", `{"model_name":"half","model_version":"1.0","outputs":[{"name":"n","datatype":"INT64","shape":[1,1],"data":[7]},{"name":"y","datatype":"FP16","shape":[1,2],"parameters":{"binary_data_size":4}}]}abcd`, 193},
		{"one output", "half", halves + `"outputs":[{"name":"n"}]}`, "abcd", `{"model_name":"half","model_version":"1.0","outputs":[{"name":"n","datatype":"INT64","shape":[1,1],"data":[7]}]}`, 0},
	} {
		head := ""
		if tt.tail != "" {
			head = strconv.Itoa(len(tt.json))
		}
		w := ask(t, h, http.MethodPost, "/v2/models/"+tt.path+"/infer", head, []byte(tt.json+tt.tail))
		got, typ := w.Header().Get(protocol.HeaderLength), "application/json"
		if tt.head > 0 {
			typ = "application/octet-stream"
		}
		if w.Code != http.StatusOK || w.Body.String() != tt.want || got != headText(tt.head) || w.Header().Get("Content-Type") != typ {
			t.Errorf("%s: %d %q %s %q\nwant %q, head %d", tt.name, w.Code, got, w.Header().Get("Content-Type"), w.Body, tt.want, tt.head)
		}
		if timing := w.Header().Get("Server-Timing"); !strings.Contains(timing, "execution;dur=") || w.Header().Get(wire.RequestID) == "" {
			t.Errorf("%s: headers %v", tt.name, w.Header())
		}
	}
}

// headText is the header of an answer; of one that is only JSON there is none.
func headText(head int) string {
	if head == 0 {
		return ""
	}
	return strconv.Itoa(head)
}

func TestInferErrors(t *testing.T) {
	_, h := start(t, inference.Limits{})
	row := `{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]`
	many := `{"inputs":[{"name":"x","shape":[200,2],"datatype":"FP32","data":[` + strings.Repeat("1,", 399) + `1]}]}`
	const halves = `{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP16","parameters":{"binary_data_size":4}},{"name":"n","shape":[1,1],"datatype":"INT64","data":[7]}]}`
	for _, tt := range []struct {
		name, method, path, head, body string
		status                         int
		want                           string
	}{
		{"no JSON", "POST", "two", "", "x", 400, `JSON, byte 0: \"x\", expected an object`},
		{"unknown input", "POST", "two", "", `{"inputs":[{"name":"z","shape":[1],"datatype":"FP32","data":[1]}]}`, 400, `unknown input \"z\"; the model has \"x\"`},
		{"without a batch", "POST", "two", "", `{"inputs":[{"name":"x","shape":[2],"datatype":"FP32","data":[1,2]}]}`, 400, `input \"x\": shape [2], expected [-1 2]`},
		{"rows without an axis", "POST", "single", "", `{"inputs":[{"name":"x","shape":[2,2],"datatype":"INT8","data":[1,2,3,4]}]}`, 400, `this model has no batch axis`},
		{"unknown output", "POST", "two", "", row + `,"outputs":[{"name":"z"}]}`, 400, `unknown output \"z\"; the model has \"y\"`},
		{"halves as JSON", "POST", "half", strconv.Itoa(len(halves)), halves + "abcd", 400, `output \"y\": FP16 has no form in JSON`},
		{"more rows than the queue", "POST", "two", "", many, 413, `200 rows`},
		{"unknown model", "POST", "none", "", row + "}", 404, `Model not found: none`},
		{"unknown version", "POST", "two/versions/9", "", row + "}", 404, `Model version: 9 does not exist`},
		{"GET", "GET", "two", "", "", 405, `it takes POST`},
		{"header", "POST", "two", "x", row, 400, `Inference-Header-Content-Length is \"x\"`},
		{"negative header", "POST", "two", "-1", row, 400, `Inference-Header-Content-Length is \"-1\"`},
		{"header too large", "POST", "two", "99999", row, 400, `is 99999, but the body has`},
		{"bytes left", "POST", "two", strconv.Itoa(len(row) + 1), row + "}ab", 400, `2 bytes are left`},
		{"raw of two inputs", "POST", "half", "0", "abcd", 400, `the model has 2`},
		{"raw", "POST", "two", "0", "abcd", 400, `4 bytes are not one row`},
		{"failed", "POST", "two", "0", "\xff1234567", 500, `the model does not like it`},
		{"too large", "POST", "two", "", row + strings.Repeat(" ", 1<<20), 413, `above the limit`},
	} {
		w := ask(t, h, tt.method, "/v2/models/"+tt.path+"/infer", tt.head, []byte(tt.body))
		var e struct {
			Error, Message, Type string
			Code                 int
		}
		if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		want := strings.ReplaceAll(tt.want, `\"`, `"`)
		if w.Code != tt.status || e.Code != tt.status || !strings.Contains(e.Error, want) || e.Message != e.Error || e.Type == "" {
			t.Errorf("%s: %d %s\nwant %d %s", tt.name, w.Code, w.Body, tt.status, want)
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/v2/models/two/infer", strings.NewReader(row+"}"))
	r.Header.Set("Content-Encoding", "gzip")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusUnsupportedMediaType || !strings.Contains(w.Body.String(), "send the body as it is") {
		t.Errorf("gzip: %d %s", w.Code, w.Body)
	}
}

// The texts of JSON are UTF-8, whatever the content type says.
func TestInferCharset(t *testing.T) {
	_, h := start(t, inference.Limits{})
	row := `{"id":"ä","inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}`
	for media, want := range map[string]int{
		"application/json; charset=utf-8":      http.StatusOK,
		"application/json; charset=iso-8859-1": http.StatusBadRequest,
		"application/octet-stream":             http.StatusOK,
	} {
		r := httptest.NewRequest(http.MethodPost, "/v2/models/two/infer", strings.NewReader(row))
		r.Header.Set("Content-Type", media)
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != want {
			t.Errorf("%s: %d %s, want %d", media, w.Code, w.Body, want)
		}
	}
}

// compact is the JSON of an answer in one line.
func compact(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, w.Body.Bytes()); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	return b.String()
}

func TestDescriptions(t *testing.T) {
	e, h := start(t, inference.Limits{})
	for _, tt := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/v2", "", 200, `{"name":"sweetspot","version":"0.1","extensions":["binary_tensor_data","model_repository(index)"]}`},
		{"GET", "/v2/", "", 200, `{"name":"sweetspot","version":"0.1","extensions":["binary_tensor_data","model_repository(index)"]}`},
		{"GET", "/v2/health/live", "", 200, `{"live":true}`},
		{"GET", "/v2/health/ready", "", 200, `{"ready":true}`},
		{"GET", "/v2/models", "", 200, `{"models":["half","single","two","wide","words"]}`},
		{"GET", "/v2/models/two", "", 200, `{"name":"two","versions":["1.0","2.0"],"platform":"echo","inputs":[{"name":"x","datatype":"FP32","shape":[-1,2]}],"outputs":[{"name":"y","datatype":"FP32","shape":[-1,2]}]}`},
		{"GET", "/v2/models/single/versions/1.0", "", 200, `{"name":"single","versions":["1.0"],"platform":"echo","inputs":[{"name":"x","datatype":"INT8","shape":[1,2]}],"outputs":[{"name":"y","datatype":"INT8","shape":[1,2]}]}`},
		{"GET", "/v2/models/words", "", 200, `{"name":"words","versions":["1.0"],"platform":"` + enginetest.Name + `","inputs":[],"outputs":[]}`},
		{"GET", "/v2/models/two/ready", "", 200, `{"name":"two","ready":true}`},
		{"GET", "/v2/models/two/versions/2.0/ready", "", 200, `{"name":"two","ready":true}`},
		{"POST", "/v2/repository/index", ``, 200, `[{"name":"half","version":"1.0","state":"READY","reason":""},{"name":"single","version":"1.0","state":"READY","reason":""},{"name":"two","version":"1.0","state":"READY","reason":""},{"name":"two","version":"2.0","state":"READY","reason":""},{"name":"wide","version":"1.0","state":"READY","reason":""},{"name":"words","version":"1.0","state":"READY","reason":""}]`},
		{"GET", "/v2/models/none", "", 404, `"error":"Model not found: none; served here: `},
		{"GET", "/v2/models/two/versions/3", "", 404, `"error":"Model version: 3 does not exist for model: two; its versions are 1.0, 2.0"`},
		{"GET", "/v2/models/none/ready", "", 404, `"error":"Model not found: none`},
		{"GET", "/v2/models/two/config", "", 404, `"error":"no such resource: /v2/models/two/config"`},
		{"GET", "/v2/models/two/versions//infer", "", 404, `"error":"no such resource`},
		{"GET", "/v2/nothing", "", 404, `"error":"no such resource: /v2/nothing"`},
		{"POST", "/v2", "", 405, `"error":"/v2 does not take POST; it takes GET"`},
		{"GET", "/v2/repository/index", "", 405, `it takes POST`},
		{"POST", "/v2/repository/index", "[]", 400, `expected an object`},
	} {
		w := ask(t, h, tt.method, tt.path, "", []byte(tt.body))
		if got := compact(t, w); w.Code != tt.status || !strings.Contains(got, tt.want) {
			t.Errorf("%s %s: %d %s\nwant %d %s", tt.method, tt.path, w.Code, got, tt.status, tt.want)
		}
	}
	s, err := e.Find("single", "")
	if err == nil {
		err = s.Scale(t.Context(), 0, 0, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/v2/health/ready": `{"ready":false}`, "/v2/models/single/ready": `{"name":"single","ready":false}`} {
		if w := ask(t, h, "GET", path, "", nil); w.Code != http.StatusServiceUnavailable || compact(t, w) != want || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s without a worker: %d %s", path, w.Code, w.Body)
		}
	}
	if w := ask(t, h, "POST", "/v2/repository/index", "", []byte(`{"ready":true}`)); strings.Contains(w.Body.String(), "single") {
		t.Errorf("ready models: %s", w.Body)
	}
	if w := ask(t, h, "POST", "/v2/repository/index", "", nil); !strings.Contains(compact(t, w), `{"name":"single","version":"1.0","state":"UNAVAILABLE","reason":"no worker can answer"}`) {
		t.Errorf("all models: %s", w.Body)
	}
}

// A model that takes bytes gets the body as it is, as in TorchServe.
func TestInferBytes(t *testing.T) {
	_, h := start(t, inference.Limits{})
	r := httptest.NewRequest(http.MethodPost, "/v2/models/words/infer", strings.NewReader(`{"inputs":[]}`))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusOK || w.Body.String() != `{"INPUTS":[]}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// envelope is a handler of tensors that reads the protocol itself.
type envelope struct{ *handler.Tensors }

func (envelope) ReadsOpenInference() bool { return true }

func (envelope) Encode(dst []byte, _ payload.Format, a payload.Answer) (payload.Body, error) {
	return payload.Body{Type: "text/plain", Data: fmt.Appendf(dst, "%d row", len(a.Items))}, nil
}

// So does the handler of a model of tensors that reads the protocol itself.
func TestInferWithEnvelope(t *testing.T) {
	e, h := start(t, inference.Limits{})
	m := model("own", true, spec("x", tensor.Float32, 2))
	m.Handler = envelope{new(handler.Tensors)}
	if err := e.Load(t.Context(), m, knob.Config{Settings: knob.Default(knob.Eager), Options: knob.Options{Rule: knob.Eager}}); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/v2/models/own/infer", strings.NewReader("[1, 2]"))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusOK || w.Body.String() != "1 row" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// Requests of several clients at once get their own rows; afterwards no memory is reserved.
func TestParallel(t *testing.T) {
	budget := wire.NewBudget(64 << 20)
	_, h := start(t, inference.Limits{Limits: wire.Limits{Size: 1 << 20, Budget: budget}})
	var wg sync.WaitGroup
	for c := range 8 {
		wg.Go(func() {
			for i := range 40 {
				rows := 1 + (c+i)%5
				in := tensor.Tensor{Type: tensor.Float32, Shape: []int64{int64(rows), 2}}
				for k := range 2 * rows {
					in.Data = tensor.AppendFloat32(in.Data, float32(1000*c+10*i+k))
				}
				binary := i%2 == 0
				body, n, err := protocol.AppendRequest(nil, &protocol.Request{ID: fmt.Sprint(c, " ", i), Binary: binary, Inputs: []protocol.Tensor{{Name: "x", Tensor: in, Binary: binary}}})
				if err != nil {
					t.Error(err)
					return
				}
				w := ask(t, h, http.MethodPost, "/v2/models/two/infer", strconv.Itoa(n), body)
				if w.Code != http.StatusOK {
					t.Errorf("%d %s", w.Code, w.Body)
					return
				}
				var a protocol.Answer
				data := w.Body.Bytes()
				n = len(data)
				if text := w.Header().Get(protocol.HeaderLength); text != "" {
					n, _ = strconv.Atoi(text)
				}
				if err := protocol.DecodeAnswer(&a, data[:n], data[n:]); err != nil || a.ID != fmt.Sprint(c, " ", i) || !bytes.Equal(a.Outputs[0].Data, in.Data) {
					t.Errorf("%v: %s", err, data)
				}
			}
		})
	}
	wg.Wait()
	if n := budget.Used(); n != 0 {
		t.Errorf("%d bytes are still reserved", n)
	}
}

// A request that does not fit into the memory of all requests is refused, and an answer above
// the limit is the server's fault.
func TestLimits(t *testing.T) {
	_, h := start(t, inference.Limits{Limits: wire.Limits{Size: 1 << 20, Budget: wire.NewBudget(3000)}})
	row := []byte(`{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}`)
	if w := ask(t, h, "POST", "/v2/models/two/infer", "", row); w.Code != http.StatusOK {
		t.Errorf("a small request: %d %s", w.Code, w.Body)
	}
	wide := []byte(`{"inputs":[{"name":"x","shape":[1,2048],"datatype":"FP32","data":[` + strings.Repeat("1,", 2047) + `1]}]}`)
	if w := ask(t, h, "POST", "/v2/models/wide/infer", "", wide); w.Code != http.StatusRequestEntityTooLarge || !strings.Contains(w.Body.String(), `"error"`) {
		t.Errorf("a large request: %d %s", w.Code, w.Body)
	}
	_, h = start(t, inference.Limits{Response: 20})
	if w := ask(t, h, "POST", "/v2/models/two/infer", "", row); w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), "max_response_size") {
		t.Errorf("a large answer: %d %s", w.Code, w.Body)
	}
}

// sink is a response writer that discards.
type sink struct {
	h    http.Header
	code int
}

func (s *sink) Header() http.Header         { return s.h }
func (s *sink) WriteHeader(code int)        { s.code = code }
func (s *sink) Write(b []byte) (int, error) { return len(b), nil }

// BenchmarkInfer sends one row of 2048 FP32 through the handler and the engine.
func BenchmarkInfer(b *testing.B) {
	in := tensor.Tensor{Type: tensor.Float32, Shape: []int64{1, 2048}}
	for i := range 2048 {
		in.Data = tensor.AppendFloat32(in.Data, float32(i)/7-100)
	}
	for _, binary := range []bool{false, true} {
		b.Run(map[bool]string{false: "json", true: "binary"}[binary], func(b *testing.B) {
			_, h := start(b, inference.Limits{})
			body, n, err := protocol.AppendRequest(nil, &protocol.Request{Binary: binary, Inputs: []protocol.Tensor{{Name: "x", Tensor: in, Binary: binary}}})
			if err != nil {
				b.Fatal(err)
			}
			reader := bytes.NewReader(body)
			r := httptest.NewRequest(http.MethodPost, "/v2/models/wide/infer", nil)
			r.Body, r.ContentLength = io.NopCloser(reader), int64(len(body))
			r.Header.Set(protocol.HeaderLength, strconv.Itoa(n))
			w := &sink{h: http.Header{}}
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				reader.Reset(body)
				clear(w.h)
				h.ServeHTTP(w, r)
				if w.code != http.StatusOK {
					b.Fatal(w.code)
				}
			}
		})
	}
}
