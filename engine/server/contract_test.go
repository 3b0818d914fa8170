package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/api/management"
	"sweetspot/engine/enginetest"
	"sweetspot/engine/handler"
	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
	"sweetspot/engine/server"
)

// step is a request and what answers it, of testdata/contract.json. The steps run in their
// order. The same file runs against a real TorchServe, whose known differences it lists.
type step struct {
	Name   string
	API    string // inference by default, management, metrics
	Method string
	Path   string
	Type   string // content type; "" is none
	Send   string // body
	Raw    string // the whole request, instead of method, path, type and body; the connection is its own
	answer
	TorchServe *struct {
		answer
		Why  string
		Skip bool // its answer is not always the same
	}
}

// answer is what a step expects. What it does not have is not checked.
type answer struct {
	Status  int
	Header  map[string]string // "" is none
	Body    string            // exactly
	JSON    json.RawMessage   // members that an object must have; see matchJSON
	Matches []string          // regular expressions of the body
	Closes  *bool             // the connection; without it, it does with a status from 400 on
	Bare    bool              // the HTTP library itself answers: without the headers of all answers
}

// readContract reads the steps.
func readContract(t *testing.T) []step {
	t.Helper()
	data, err := os.ReadFile("testdata/contract.json")
	if err != nil {
		t.Fatal(err)
	}
	var steps []step
	if err := json.Unmarshal(data, &steps); err != nil {
		t.Fatal(err)
	}
	return steps
}

// want returns what a server answers: sweetspot, or a real TorchServe.
func (s step) want(real bool) answer {
	a := s.answer
	if !real || s.TorchServe == nil {
		return a
	}
	d := s.TorchServe.answer
	if d.Status != 0 {
		a.Status = d.Status
	}
	if d.Header != nil {
		a.Header = d.Header
	}
	if d.Closes != nil {
		a.Closes = d.Closes
	}
	a.Bare = d.Bare
	if d.Body != "" || d.JSON != nil || d.Matches != nil {
		a.Body, a.JSON, a.Matches = d.Body, d.JSON, d.Matches
	}
	return a
}

// runContract sends all steps to a server, whose URLs are by API.
func runContract(t *testing.T, urls map[string]string, real bool) {
	for i, s := range readContract(t) {
		if s.TorchServe != nil && s.TorchServe.Why == "" {
			t.Errorf("%s: a difference without a reason", s.Name)
		}
		t.Run(fmt.Sprintf("%02d %s", i, s.Name), func(t *testing.T) {
			if real && s.TorchServe != nil && s.TorchServe.Skip {
				t.Skip(s.TorchServe.Why)
			}
			api := s.API
			if api == "" {
				api = "inference"
			}
			resp, body, err := s.exchange(t.Context(), urls[api])
			if err != nil {
				t.Fatal(err)
			}
			s.want(real).check(t, resp, body)
		})
	}
}

// exchange sends a step to the server at url.
func (s step) exchange(ctx context.Context, url string) (*http.Response, string, error) {
	if s.Raw != "" {
		return exchangeRaw(ctx, strings.TrimPrefix(url, "http://"), s.Raw)
	}
	req, err := http.NewRequestWithContext(ctx, s.Method, url+s.Path, strings.NewReader(s.Send))
	if err != nil {
		return nil, "", err
	}
	if s.Type != "" {
		req.Header.Set("Content-Type", s.Type)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}

// exchangeRaw sends the text of a request and reads its final answer.
func exchangeRaw(ctx context.Context, address, text string) (*http.Response, string, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil { // a guard
		return nil, "", err
	}
	if _, err := io.WriteString(conn, text); err != nil {
		return nil, "", err
	}
	method, _, _ := strings.Cut(text, " ")
	r := bufio.NewReader(conn)
	for {
		resp, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			return nil, "", err
		}
		if resp.StatusCode == http.StatusContinue {
			continue
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return resp, string(body), err
	}
}

// check compares an answer with a. Some headers are the same in all answers.
func (a answer) check(t *testing.T, resp *http.Response, body string) {
	t.Helper()
	if resp.StatusCode != a.Status {
		t.Errorf("status %d, want %d: %s", resp.StatusCode, a.Status, body)
	}
	headers := map[string]string{}
	if !a.Bare {
		headers["Pragma"], headers["Cache-Control"] = "no-cache", "no-cache; no-store, must-revalidate, private"
		headers["Expires"] = "Thu, 01 Jan 1970 00:00:00 UTC"
	}
	maps.Copy(headers, a.Header)
	for name, v := range headers {
		if got := resp.Header.Get(name); got != v {
			t.Errorf("header %s: %q, want %q", name, got, v)
		}
	}
	if id := resp.Header.Get("X-Request-Id"); len(id) != 36 && !a.Bare {
		t.Errorf("x-request-id %q", id)
	}
	closes := resp.StatusCode >= 400
	if a.Closes != nil {
		closes = *a.Closes
	}
	if resp.Close != closes {
		t.Errorf("status %d, and the connection closes: %v", resp.StatusCode, resp.Close)
	}
	if a.Body != "" && body != a.Body {
		t.Errorf("body %q, want %q", body, a.Body)
	}
	if len(a.JSON) > 0 && string(a.JSON) != "null" {
		var want, got any
		if err := errors.Join(json.Unmarshal(a.JSON, &want), json.Unmarshal([]byte(body), &got)); err != nil {
			t.Errorf("%v: %s", err, body)
		} else if err := matchJSON("", want, got); err != nil {
			t.Errorf("%v in %s", err, body)
		}
	}
	for _, m := range a.Matches {
		if !regexp.MustCompile(m).MatchString(body) {
			t.Errorf("%s does not match %s", body, m)
		}
	}
}

// matchJSON compares got with want: objects must have the members of want, lists its elements,
// and a string that begins with ~ is a regular expression. null means that there is none.
func matchJSON(at string, want, got any) error {
	switch want := want.(type) {
	case map[string]any:
		object, ok := got.(map[string]any)
		if !ok {
			return fmt.Errorf("%s: %v is no object", at, got)
		}
		for name, v := range want {
			if err := matchJSON(at+"."+name, v, object[name]); err != nil {
				return err
			}
		}
		return nil
	case []any:
		list, ok := got.([]any)
		if !ok || len(list) != len(want) {
			return fmt.Errorf("%s: %v, want %d elements", at, got, len(want))
		}
		for i, v := range want {
			if err := matchJSON(fmt.Sprintf("%s[%d]", at, i), v, list[i]); err != nil {
				return err
			}
		}
		return nil
	case string:
		text, ok := got.(string)
		if pattern, is := strings.CutPrefix(want, "~"); is && ok && regexp.MustCompile(pattern).MatchString(text) {
			return nil
		}
	}
	if want != got {
		return fmt.Errorf("%s: %v, want %v", at, got, want)
	}
	return nil
}

// wordStore is the model store of the contract: an opener that knows its archives.
type wordStore struct{ cfg knob.Config }

func (s wordStore) Open(_ context.Context, r management.Registration) (management.Opened, error) {
	name, version := "words", "1.0"
	switch r.URL {
	case "words.mar":
	case "more.mar":
		name = "more"
	case "words-2.mar":
		version = "2.0"
	case "broken.mar":
		name = "broken"
	case "notzip.mar":
		return management.Opened{}, errors.New("notzip.mar is no archive")
	default:
		if strings.Contains(r.URL, "://") {
			return management.Opened{}, fmt.Errorf("%w: given URL %s does not match any allowed URL(s)", management.ErrNotFound, r.URL)
		}
		return management.Opened{}, fmt.Errorf("%w: model not found at: %s", management.ErrNotFound, r.URL)
	}
	if r.Name != "" {
		name = r.Name
	}
	return management.Opened{Model: wordModel(name, version, r.URL), Config: s.cfg}, nil
}

// dataOrBody is the handler of the contract's model: as TorchServe's handlers do, it takes the
// part data or body.
type dataOrBody struct{ handler.Parts }

func (h *dataOrBody) Decode(r *payload.Request, b payload.Body) error {
	err := h.Parts.Decode(r, b)
	for i := range r.Parts {
		if r.Parts[i].Name == "data" {
			r.Parts[i].Name = handler.WholeBody
		}
	}
	return err
}

func wordModel(name, version, source string) *engine.Model {
	m := enginetest.Model(name)
	m.Version, m.Source, m.Handler = version, source, &dataOrBody{}
	return m
}

// wordServer serves the model of the contract with an open model API. Its delay is
// TorchServe's.
func wordServer(t *testing.T) (server.Addrs, *engine.Engine) {
	t.Helper()
	e := wordEngine(t)
	a, _ := serve(t, server.Config{Models: management.Config{ModelAPI: true, Opener: wordStore{wordConfig}}}, e)
	return a, e
}

var wordConfig = knob.Config{Settings: knob.Default(knob.TorchServe), Options: knob.Options{Rule: knob.TorchServe}}

func wordEngine(t testing.TB) *engine.Engine {
	t.Helper()
	backend := &enginetest.Backend{OnCheck: func(m *engine.Model, _ knob.Config) error {
		if m.Name == "broken" {
			return errors.New("the worker does not start")
		}
		return nil
	}}
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{enginetest.Name: backend}, Cores: 2})
	if err := e.Load(t.Context(), wordModel("words", "1.0", "words.mar"), wordConfig); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return e
}

func TestContract(t *testing.T) {
	a, _ := wordServer(t)
	runContract(t, map[string]string{"inference": "http://" + a.Inference, "management": "http://" + a.Management, "metrics": "http://" + a.Metrics}, false)
}
