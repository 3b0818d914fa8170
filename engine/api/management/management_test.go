package management_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine"
	"sweetspot/engine/api/management"
	"sweetspot/engine/enginetest"
	"sweetspot/engine/knob"
)

// store is an opener: NAME-VERSION.mar is a model. Other names are errors.
type store struct {
	released atomic.Int64
	cfg      knob.Config
	min, max int // workers that the model's own file says
}

func (s *store) Open(_ context.Context, r management.Registration) (management.Opened, error) {
	name, version, ok := strings.Cut(strings.TrimSuffix(r.URL, ".mar"), "-")
	switch {
	case name == "nothing":
		return management.Opened{}, management.NotFound(fmt.Errorf("model not found at: %s", r.URL))
	case !ok:
		return management.Opened{}, errors.New("the manifest has no model")
	}
	if r.Name != "" {
		name = r.Name
	}
	m := enginetest.Model(name)
	m.Version, m.Source = version, r.URL
	return management.Opened{Model: m, Config: s.cfg, MinWorkers: s.min, MaxWorkers: s.max, Release: func() { s.released.Add(1) }}, nil
}

// server is an engine with a management API.
type server struct {
	*management.API
	engine  *engine.Engine
	backend *enginetest.Backend
	store   *store
}

// start serves the model words, version 1.0.
func start(t *testing.T, change func(*management.Config)) *server {
	t.Helper()
	s := &server{backend: &enginetest.Backend{}, store: &store{cfg: knob.Config{Settings: knob.Default(knob.Eager), Options: knob.Options{Rule: knob.Eager}}}}
	s.engine = engine.New(engine.Options{Backends: map[string]engine.Backend{enginetest.Name: s.backend}, Cores: 4})
	if err := s.engine.Load(t.Context(), enginetest.Model("words"), s.store.cfg); err != nil {
		t.Fatal(err)
	}
	c := management.Config{ModelAPI: true, Opener: s.store, RSS: func(int) int64 { return 1 << 20 }}
	if change != nil {
		change(&c)
	}
	s.API = management.New(s.engine, c)
	t.Cleanup(func() {
		s.Close()
		if err := s.engine.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// do sends a request and returns the answer.
func (s *server) do(method, path, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	s.ServeHTTP(w, r)
	return w
}

// text returns the status text of an answer, or type and message of an error.
func text(w *httptest.ResponseRecorder) string {
	var a struct{ Status, Type, Message string }
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		return w.Body.String()
	}
	if a.Type != "" {
		return a.Type + ": " + a.Message
	}
	return a.Status
}

// TestScript sends requests one after the other to one server.
func TestScript(t *testing.T) {
	s := start(t, nil)
	const notFound = "ModelNotFoundException: Model not found: none"
	for _, tt := range []struct {
		method, path, body string
		code               int
		want               string
	}{
		{"GET", "/", "", 405, "MethodNotAllowedException: / does not take GET; it takes OPTIONS"},
		{"GET", "/nothing", "", 404, "ResourceNotFoundException: no such resource: /nothing"},
		{"GET", "/models/words/1.0/more", "", 404, "ResourceNotFoundException: no such resource: /models/words/1.0/more"},
		{"PATCH", "/models/words", "", 405, "MethodNotAllowedException: /models/words does not take PATCH; it takes GET, PUT, DELETE, OPTIONS"},
		{"PUT", "/models", "", 405, "MethodNotAllowedException: /models does not take PUT; it takes GET, POST"},
		{"POST", "/models/words/1.0/set-default", "", 405, "MethodNotAllowedException: /models/words/1.0/set-default does not take POST; it takes PUT"},

		// register
		{"POST", "/models", "", 400, "BadRequestException: Parameter url is required."},
		{"POST", "/models?url=", "", 400, "BadRequestException: Parameter url is required."},
		{"POST", "/models?url=%zz", "", 400, `BadRequestException: query: invalid URL escape "%zz"`},
		{"POST", "/models?url=nothing.mar", "", 404, "ModelNotFoundException: model not found at: nothing.mar"},
		{"POST", "/models?url=bad.mar", "", 400, "InvalidModelException: the manifest has no model"},
		{"POST", "/models?url=../words-2.0.mar", "", 404, "ModelNotFoundException: Relative path is not allowed in url: ../words-2.0.mar"},
		{"POST", "/models?url=words-2.0.mar&runtime=ruby", "", 400, "BadRequestException: Invalid RuntimeType value: ruby; want python, python3, LSP"},
		{"POST", "/models?url=words-2.0.mar&batch_size=many", "", 400, `BadRequestException: parameter batch_size: "many": want a whole number from -1 to 1048576`},
		{"POST", "/models?url=words-2.0.mar&batch_size=100000", "", 400, "BadRequestException: load words: batch_size: 100000 is outside 1-1024"},
		{"POST", "/models?url=words-2.0.mar&synchronous=maybe", "", 400, `BadRequestException: parameter synchronous: "maybe": want true or false`},
		{"POST", "/models?url=words-1.0.mar", "", 409, "ConflictStatusException: Model version 1.0 is already registered for model words"},
		{"POST", "/models?url=words-2.0.mar", "", 200, `Model "words" Version: 2.0 registered with 0 initial workers. Use scale workers API to add workers for the model.`},
		{"POST", "/models?url=words-3.0.mar&initial_workers=2&batch_size=4&max_batch_delay=0", "", 200, `Model "words" Version: 3.0 registered with 2 initial workers`},
		{"POST", "/models", `{"url":"b-1.mar","model_name":"a.b_c","initial_workers":"1","batch_size":2,"synchronous":true,"runtime":null}`, 200, `Model "a.b_c" Version: 1 registered with 1 initial workers`},
		{"POST", "/models", `{"url":["b"]}`, 400, "BadRequestException: parameter url: want a text, a number, true or false"},
		{"POST", "/models", `{"url":"` + strings.Repeat("x", 70000) + `"}`, 413, "RequestTooLargeException: the request body of 70010 bytes is above the limit of 65536 bytes; send less"},
		{"POST", "/models", " ", 400, "BadRequestException: Parameter url is required."},
		{"POST", "/models", `{"url":`, 400, "BadRequestException: the body is no JSON object: unexpected EOF"},

		// set-default, scale
		{"PUT", "/models/words/2.0/set-default", "", 200, `Default version successfully updated for model "words" to "2.0"`},
		{"PUT", "/models/words/9/set-default", "", 404, "ModelVersionNotFoundException: Model version: 9 does not exist for model: words"},
		{"PUT", "/models/none/1.0/set-default", "", 404, notFound},
		{"PUT", "/models/none", "", 404, notFound},
		{"PUT", "/models/words?min_worker=2&max_worker=1", "", 400, "BadRequestException: max_worker cannot be less than min_worker."},
		{"PUT", "/models/words?min_worker=x", "", 400, `BadRequestException: parameter min_worker: "x": want a whole number from 0 to 10000`},
		{"PUT", "/models/words?min_worker=5000", "", 400, "BadRequestException: workers: 5000 is outside 1-256"},
		{"PUT", "/models/words?batch_size=0", "", 400, `BadRequestException: parameter batch_size: "0": want a whole number from 1 to 1048576`},
		{"PUT", "/models/words?max_batch_delay=-1", "", 400, `BadRequestException: parameter max_batch_delay: "-1": want a number of ms from 0 to 3600000`},
		{"PUT", "/models/words?max_batch_delay=NaN", "", 400, `BadRequestException: parameter max_batch_delay: "NaN": want a number of ms from 0 to 3600000`},
		{"PUT", "/models/words?synchronous=true", "", 200, "Workers scaled to 1 for model: words"},
		{"PUT", "/models/words/3.0?max_worker=4&synchronous=true", "", 200, "Workers scaled to 2 for model: words, version: 3.0"},
		{"PUT", "/models/words?model_version=3.0&min_worker=3&synchronous=TRUE", "", 200, "Workers scaled to 3 for model: words, version: 3.0"},
		{"PUT", "/models/words/3.0?batch_size=16&max_batch_delay=2.5&synchronous=true", "", 200, "Batch size 16 and batch delay 2.5 ms set for model: words"},

		// unregister
		{"DELETE", "/models/words", "", 403, "InvalidModelVersionException: Cannot remove default version for model words"},
		{"DELETE", "/models/none", "", 404, notFound},
		{"DELETE", "/models/words/9", "", 404, "ModelVersionNotFoundException: Model version: 9 does not exist for model: words"},
		{"DELETE", "/models/words/1.0", "", 200, `Model "words" unregistered`},
		{"DELETE", "/models/a.b_c", "", 200, `Model "a.b_c" unregistered`},
		{"GET", "/models/words/1.0", "", 404, "ModelVersionNotFoundException: Model version: 1.0 does not exist for model: words"},
		{"GET", "/models/none/all", "", 404, notFound},
		{"GET", "/models/words?customized=2", "", 400, `BadRequestException: parameter customized: "2": want true or false`},
		{"GET", "/models?limit=x", "", 400, `BadRequestException: parameter limit: "x": want a whole number from -2147483648 to 2147483648`},
		{"OPTIONS", "/models/none", "", 404, notFound},
		{"GET", "/v1/models/none", "", 404, notFound},
		{"POST", "/v1/models/words", "", 405, "MethodNotAllowedException: /v1/models/words does not take POST; it takes GET"},
	} {
		w := s.do(tt.method, tt.path, tt.body)
		if got := text(w); w.Code != tt.code || got != tt.want {
			t.Errorf("%s %s %s\n got %d %s\nwant %d %s", tt.method, tt.path, tt.body, w.Code, got, tt.code, tt.want)
		}
		if close := w.Header().Get("Connection"); (w.Code >= 400) != (close == "close") {
			t.Errorf("%s %s: %d with Connection %q", tt.method, tt.path, w.Code, close)
		}
		if w.Code == 405 && w.Header().Get("Allow") == "" {
			t.Errorf("%s %s: 405 without Allow", tt.method, tt.path)
		}
	}
	if n := s.store.released.Load(); n != 3 { // the refused duplicate and batch size, and a.b_c; words 1.0 was not registered
		t.Errorf("released %d, want 3", n)
	}
}

// A description has every field of TorchServe's, in its order.
func TestDescribe(t *testing.T) {
	s := start(t, nil)
	if w := s.do("POST", "/models?url=words-2.0.mar&initial_workers=1&batch_size=8&max_batch_delay=2&response_timeout=7&startup_timeout=9", ""); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	w := s.do("GET", "/models/words/2.0", "")
	got := w.Body.String()
	var d []struct {
		Workers []struct {
			ID, StartTime string
			PID           int
		}
	}
	if err := json.Unmarshal([]byte(got), &d); err != nil || len(d) != 1 || len(d[0].Workers) != 1 {
		t.Fatalf("%v %s", err, got)
	}
	one := d[0].Workers[0]
	if at, err := time.Parse(time.RFC3339, one.StartTime); err != nil || time.Since(at) > time.Hour || one.PID <= 0 || one.ID != "9001" {
		t.Errorf("worker %+v, %v", one, err)
	}
	got = strings.NewReplacer(one.StartTime, "TIME", fmt.Sprintf("\"pid\": %d", one.PID), "\"pid\": PID").Replace(got)
	want := `[
  {
    "modelName": "words",
    "modelVersion": "2.0",
    "modelUrl": "words-2.0.mar",
    "runtime": "enginetest",
    "minWorkers": 1,
    "maxWorkers": 1,
    "batchSize": 8,
    "maxBatchDelay": 2,
    "responseTimeout": 7,
    "startupTimeout": 9,
    "maxRetryTimeoutInSec": 0,
    "clientTimeoutInMills": 0,
    "parallelType": "",
    "parallelLevel": 0,
    "deviceType": "cpu",
    "continuousBatching": false,
    "useJobTicket": false,
    "useVenv": false,
    "stateful": false,
    "sequenceMaxIdleMSec": 0,
    "sequenceTimeoutMSec": 0,
    "maxNumSequence": 0,
    "maxSequenceJobQueueSize": 0,
    "loadedAtStartup": false,
    "workers": [
      {
        "id": "9001",
        "startTime": "TIME",
        "status": "READY",
        "memoryUsage": 1048576,
        "pid": PID,
        "gpu": false,
        "gpuUsage": "N/A"
      }
    ],
    "jobQueueStatus": {
      "remainingCapacity": 100,
      "pendingRequests": 0
    }
  }
]
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// TestDescribeAll: all versions of a model are described, with what the model says about itself
// if that is asked for.
func TestDescribeAll(t *testing.T) {
	s := start(t, nil)
	if w := s.do("POST", "/models?url=words-2.0.mar&initial_workers=1", ""); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	var all []map[string]any
	w := s.do("GET", "/models/words/all?customized=true", "")
	if err := json.Unmarshal(w.Body.Bytes(), &all); err != nil || len(all) != 2 {
		t.Fatalf("%v %s", err, w.Body)
	}
	for i, started := range []bool{true, false} {
		m, _ := all[i]["customizedMetadata"].(map[string]any)
		if all[i]["loadedAtStartup"] != started || m["batch_axis"] != true {
			t.Errorf("version %d: %v", i, all[i])
		}
	}
	if w := s.do("GET", "/v1/models/words", ""); w.Code != 200 || !strings.Contains(w.Body.String(), `"ready": true`) {
		t.Errorf("readiness: %d %s", w.Code, w.Body)
	}
}

// The pages of the list have each model once, whatever the limit is, and end.
func TestList(t *testing.T) {
	s := start(t, nil)
	for _, url := range []string{"d-1.mar", "a-1.mar", "c-1.mar", "b-1.mar", "words-2.0.mar"} {
		if w := s.do("POST", "/models?url="+url, ""); w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	const all = "a=a-1.mar b=b-1.mar c=c-1.mar d=d-1.mar words=enginetest:words"
	for _, limit := range []string{"", "-1", "0", "1", "2", "4", "5", "6", "101"} {
		var names []string
		for next, pages := "0", 0; next != ""; pages++ {
			w := s.do("GET", "/models?limit="+limit+"&next_page_token="+next, "")
			var p struct {
				NextPageToken string
				Models        []struct{ ModelName, ModelURL string }
			}
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || pages > 5 {
				t.Fatalf("%v %s", err, w.Body)
			}
			for _, m := range p.Models {
				names = append(names, m.ModelName+"="+m.ModelURL)
			}
			next = p.NextPageToken
		}
		if got := strings.Join(names, " "); got != all {
			t.Errorf("limit %q: %s, want %s", limit, got, all)
		}
	}
	for _, token := range []string{"100", "-5"} {
		if w := s.do("GET", "/models?next_page_token="+token, ""); w.Code != 200 {
			t.Errorf("next_page_token %s: %d", token, w.Code)
		}
	}
}

// Without permission, nothing is registered or unregistered; the rest works.
func TestModelAPIOff(t *testing.T) {
	s := start(t, func(c *management.Config) { c.ModelAPI = false })
	for _, r := range [][2]string{{"POST", "/models?url=words-2.0.mar"}, {"DELETE", "/models/words"}} {
		if w := s.do(r[0], r[1], ""); w.Code != 405 || !strings.Contains(w.Body.String(), "--enable-model-api") {
			t.Errorf("%s: %d %s", r, w.Code, w.Body)
		}
	}
	for _, r := range [][2]string{{"GET", "/models"}, {"GET", "/models/words"}, {"PUT", "/models/words?synchronous=true"}, {"PUT", "/models/words/1.0/set-default"}} {
		if w := s.do(r[0], r[1], ""); w.Code != 200 {
			t.Errorf("%s: %d %s", r, w.Code, w.Body)
		}
	}
}

// A registration whose workers do not start is undone: the name is free again.
func TestFailedRegistration(t *testing.T) {
	s := start(t, nil)
	s.backend.OnOpen = func(ctx context.Context, n int) error {
		if n == 2 {
			return errors.New("no such device")
		}
		if n == 3 {
			<-ctx.Done()
			return context.Cause(ctx)
		}
		return nil
	}
	const url = "/models?url=b-1.mar&initial_workers=1"
	w := s.do("POST", url, "")
	if got := text(w); w.Code != 500 || got != "InternalServerException: Failed to start workers for model b version: 1: no such device" {
		t.Errorf("%d %s", w.Code, got)
	}
	w = s.do("POST", url+"&startup_timeout=1", "")
	if got := text(w); w.Code != 500 || !strings.Contains(got, "they did not start within startup_timeout") {
		t.Errorf("%d %s", w.Code, got)
	}
	w = s.do("POST", url+"&startup_timeout=0", "")
	if got := text(w); w.Code != 500 || !strings.Contains(got, "they did not start within startup_timeout") {
		t.Errorf("no time at all: %d %s", w.Code, got)
	}
	if w := s.do("GET", "/models/b", ""); w.Code != 404 {
		t.Errorf("it is still there: %s", w.Body)
	}
	if w := s.do("POST", url, ""); w.Code != 200 {
		t.Errorf("again: %d %s", w.Code, w.Body)
	}
	if n := s.store.released.Load(); n != 3 {
		t.Errorf("released %d, want 3", n)
	}
}

// Asynchronous requests answer at once; a synchronous one answers 206 when its timeout is
// over, and the change goes on.
func TestAsynchronous(t *testing.T) {
	s := start(t, nil)
	gate := make(chan struct{})
	s.backend.OnOpen = func(_ context.Context, n int) error {
		if n > 1 {
			<-gate
		}
		return nil
	}
	if w := s.do("POST", "/models?url=b-1.mar&initial_workers=1&synchronous=false", ""); w.Code != 202 || text(w) != "Processing worker updates..." {
		t.Errorf("register: %d %s", w.Code, w.Body)
	}
	if w := s.do("GET", "/models/b", ""); w.Code != 200 || !strings.Contains(w.Body.String(), `"status": "loading"`) {
		t.Errorf("describe: %d %s", w.Code, w.Body)
	}
	if w := s.do("PUT", "/models/words?min_worker=3&synchronous=true&timeout=0", ""); w.Code != 206 || text(w) != "Workers scaling in progress..." {
		t.Errorf("scale with timeout: %d %s", w.Code, w.Body)
	}
	if w := s.do("PUT", "/models/words?batch_size=4", ""); w.Code != 202 {
		t.Errorf("scale: %d %s", w.Code, w.Body)
	}
	close(gate)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // a guard
	defer cancel()
	for _, name := range []string{"b", "words"} {
		service, err := s.engine.Find(name, "")
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]int{"b": 1, "words": 3}[name]
		for len(service.Workers()) != want {
			if err := ctx.Err(); err != nil {
				t.Fatalf("%s has %d workers: %v", name, len(service.Workers()), err)
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// A registration that a DELETE ends says so in one sentence.
func TestUnregisteredWhileLoading(t *testing.T) {
	s := start(t, nil)
	opening := make(chan struct{})
	s.backend.OnOpen = func(ctx context.Context, _ int) error {
		close(opening)
		<-ctx.Done()
		return fmt.Errorf("warm-up with batch 8: %w", ctx.Err())
	}
	answered := make(chan *httptest.ResponseRecorder)
	go func() { answered <- s.do("POST", "/models?url=b-1.mar&initial_workers=1", "") }()
	<-opening
	if w := s.do("DELETE", "/models/b", ""); w.Code != 200 {
		t.Errorf("unregister: %d %s", w.Code, w.Body)
	}
	if w := <-answered; w.Code != 409 || !strings.Contains(w.Body.String(), `"message": "Model b version: 1 was unregistered while its workers were starting"`) {
		t.Errorf("register: %d %s", w.Code, w.Body)
	}
}

// What the model's own file says about its workers wins over the request.
func TestWorkersOfTheModel(t *testing.T) {
	s := start(t, nil)
	s.store.min, s.store.max = 2, 3
	if w := s.do("POST", "/models?url=b-1.mar&initial_workers=0", ""); w.Code != 200 || text(w) != `Model "b" Version: 1 registered with 2 initial workers` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := s.do("GET", "/models/b", ""); !strings.Contains(w.Body.String(), `"minWorkers": 2,`) || !strings.Contains(w.Body.String(), `"maxWorkers": 3,`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// After Close, nothing changes any more.
func TestClosed(t *testing.T) {
	s := start(t, nil)
	s.Close()
	for _, r := range [][2]string{{"POST", "/models?url=b-1.mar"}, {"PUT", "/models/words?synchronous=true"}, {"DELETE", "/models/words"}} {
		if w := s.do(r[0], r[1], ""); w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s: %d %s", r, w.Code, w.Body)
		}
	}
}
