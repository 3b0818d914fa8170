package inference_test

import (
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/api/inference"
	"sweetspot/engine/api/wire"
	"sweetspot/engine/enginetest"
	"sweetspot/engine/knob"
)

// serveBytes serves a model that takes bytes over real connections. largest is the largest
// answer.
func serveBytes(t *testing.T, largest int64) *httptest.Server {
	t.Helper()
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{enginetest.Name: &enginetest.Backend{}}, Cores: 2})
	c := knob.Config{Settings: knob.Default(knob.Eager), Options: knob.Options{Rule: knob.Eager}}
	m := enginetest.Model("words")
	m.RunTime = 5 * time.Second
	if err := e.Load(t.Context(), m, c); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(inference.New(e, inference.Limits{Limits: wire.Limits{Size: 1 << 20, Time: time.Minute}, Response: largest}))
	t.Cleanup(func() {
		s.Close()
		if err := e.Close(t.Context()); err != nil && !errors.Is(err, t.Context().Err()) {
			t.Error(err)
		}
	})
	return s
}

// A model that takes bytes uses the same routes: it gets bodies and forms, and returns its
// own status, headers and bytes, whole or streamed.
func TestModelOfBytes(t *testing.T) {
	s := serveBytes(t, 0)
	var form strings.Builder
	w := multipart.NewWriter(&form)
	_ = w.WriteField("other", "1")
	_ = w.WriteField("body", "of a form")
	_ = w.Close()
	for _, tt := range []struct {
		name, media, body string
		status            int
		want, header      string
	}{
		{"whole body", "text/plain", "hello", 200, "HELLO", "words"},
		{"an unknown type", "application/x-own", "hello", 200, "HELLO", "words"},
		{"form", w.FormDataContentType(), form.String(), 200, "OF A FORM", "words"},
		{"incomplete form", "multipart/form-data; boundary=x", "--x\r\n", 400, "multipart body", ""},
		{"stream", "text/plain", "stream a b c", 200, "abc.", ""},
		{"a status of the handler", "text/plain", "refuse 418 no tea", 418, `"message": "no tea"`, ""},
		{"row fails", "text/plain", "fail", 500, "the row failed", ""},
		{"session is lost", "text/plain", "die", 500, "the session is lost", ""},
		{"next request", "text/plain", "again", 200, "AGAIN", "words"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res, err := http.Post(s.URL+"/predictions/words", tt.media, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			got, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode != tt.status || !strings.Contains(string(got), tt.want) {
				t.Errorf("%d %q, %v; want %d %q", res.StatusCode, got, err, tt.status, tt.want)
			}
			if h := res.Header.Get("X-Model"); h != tt.header {
				t.Errorf("header X-Model %q, want %q", h, tt.header)
			}
		})
	}
}

// Only the handler of a model of bytes, which reads the header, may get a compressed body.
func TestCompressedBody(t *testing.T) {
	s := serveBytes(t, 0)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/predictions/words", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Encoding", "own")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got, err := io.ReadAll(res.Body); err != nil || string(got) != "HELLO" {
		t.Errorf("%d %q, %v", res.StatusCode, got, err)
	}
}

// The client sees that a streamed answer is incomplete.
func TestIncompleteStream(t *testing.T) {
	s := serveBytes(t, 0)
	res, err := http.Post(s.URL+"/predictions/words", "text/plain", strings.NewReader("die after half"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if string(got) != "half" || err == nil {
		t.Errorf("%q, %v; want half of an answer, and an error", got, err)
	}
}

// A piece of a streamed answer that is too large ends the answer before it.
func TestLargestPiece(t *testing.T) {
	s := serveBytes(t, 3)
	for body, want := range map[string]string{"stream a bcd ef": "abcdef.", "stream a bcde f": "a"} {
		res, err := http.Post(s.URL+"/predictions/words", "text/plain", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		if string(got) != want || (err == nil) != strings.HasSuffix(want, ".") {
			t.Errorf("%s: %q, %v; want %q", body, got, err, want)
		}
		_ = res.Body.Close()
	}
}

// The handler sees the ID that the answer has. An answer without a type has no header for it.
func TestRequestID(t *testing.T) {
	s := serveBytes(t, 0)
	res, err := http.Post(s.URL+"/predictions/words", "text/plain", strings.NewReader("id"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if id := res.Header.Get("X-Request-Id"); err != nil || len(id) != 36 || string(got) != id {
		t.Errorf("the handler saw %q, %v; the answer has %q", got, err, id)
	}
	if media, there := res.Header["Content-Type"]; there {
		t.Errorf("the answer has the type %q", media)
	}
}
