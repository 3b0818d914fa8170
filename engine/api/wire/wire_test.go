package wire_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/api/wire"
)

func TestFail(t *testing.T) {
	tests := []struct {
		err   error
		code  int
		body  string
		retry string
	}{
		{
			wire.Errorf(404, wire.ModelNotFound, "Model not found: %s", "<x>"), 404,
			"{\n  \"code\": 404,\n  \"type\": \"ModelNotFoundException\",\n  \"message\": \"Model not found: <x>\"\n}\n", "",
		},
		{
			fmt.Errorf("wrapped: %w", &wire.Error{Code: 503, Type: wire.ServiceUnavailable, Message: "full", RetryAfter: 1}), 503,
			"{\n  \"code\": 503,\n  \"type\": \"ServiceUnavailableException\",\n  \"message\": \"full\"\n}\n", "1",
		},
		{
			errors.New("disk on fire"), 500,
			"{\n  \"code\": 500,\n  \"type\": \"InternalServerException\",\n  \"message\": \"disk on fire\"\n}\n", "",
		},
	}
	for _, tt := range tests {
		w := httptest.NewRecorder()
		wire.Fail(w, tt.err)
		if w.Code != tt.code {
			t.Errorf("%v: status %d, want %d", tt.err, w.Code, tt.code)
		}
		if diff := cmp.Diff(tt.body, w.Body.String()); diff != "" {
			t.Errorf("%v: -want +got\n%s", tt.err, diff)
		}
		h := w.Header()
		if h.Get("Retry-After") != tt.retry || h.Get("Connection") != "close" || h.Get("Content-Type") != "application/json" {
			t.Errorf("%v: headers %v", tt.err, h)
		}
	}
}

func TestIDsDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		seen[string(wire.AppendID(nil))] = true
	}
	if len(seen) != 100 {
		t.Errorf("%d of 100 ids are different", len(seen))
	}
}

func TestReadBody(t *testing.T) {
	text := strings.Repeat("abcdefgh", 500)
	tests := []struct {
		name   string
		body   io.Reader
		length int64
		limit  int64
		code   int // 0 is success
	}{
		{"empty", strings.NewReader(""), 0, 10, 0},
		{"exact", strings.NewReader(text), 4000, 4000, 0},
		{"unknown length", strings.NewReader(text), -1, 4000, 0},
		{"byte by byte", iotest.OneByteReader(strings.NewReader(text)), 4000, 5000, 0},
		{"too large by Content-Length", strings.NewReader(text), 4000, 3999, 413},
		{"too large", strings.NewReader(text), -1, 3999, 413},
		{"incomplete", io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(io.ErrUnexpectedEOF)), 4000, 4000, 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/", nil)
			r.Body, r.ContentLength = io.NopCloser(tt.body), tt.length
			got, err := wire.ReadBody(httptest.NewRecorder(), r, []byte("before "), wire.Limits{Size: tt.limit, Time: time.Hour}, nil)
			if tt.code == 0 {
				if want := "before " + text[:max(tt.length, int64(len(got))-7)]; err != nil || string(got) != want {
					t.Errorf("ReadBody = %d bytes, %v, want %d", len(got), err, len(want))
				}
				return
			}
			if e, ok := errors.AsType[*wire.Error](err); !ok || e.Code != tt.code {
				t.Errorf("ReadBody = %v, want %d", err, tt.code)
			}
		})
	}
}

// A compressed body must not be read as the values that it has when it is not.
func TestReadBodyRefusesEncodings(t *testing.T) {
	for _, tt := range []struct {
		header  []string
		encoded bool // the reader looks at the header
		refused bool
	}{
		{nil, false, false},
		{[]string{""}, false, false},
		{[]string{"identity"}, false, false},
		{[]string{" Identity, identity"}, false, false},
		{[]string{"gzip"}, false, true},
		{[]string{"deflate"}, false, true},
		{[]string{"identity, gzip"}, false, true},
		{[]string{"identity", "BR"}, false, true},
		{[]string{"gzip"}, true, false},
	} {
		r := httptest.NewRequest("POST", "/", strings.NewReader("abcd"))
		r.Header["Content-Encoding"] = tt.header
		w := httptest.NewRecorder()
		body, err := wire.ReadBody(w, r, nil, wire.Limits{Size: 10, Encoded: tt.encoded}, nil)
		e, refused := errors.AsType[*wire.Error](err)
		if refused != tt.refused || refused && (e.Code != http.StatusUnsupportedMediaType || w.Header().Get("Accept-Encoding") != "identity") {
			t.Errorf("ReadBody with Content-Encoding %q = %v, %v, want refused: %v", tt.header, err, w.Header(), tt.refused)
		}
		if !refused && string(body) != "abcd" {
			t.Errorf("ReadBody with Content-Encoding %q = %q", tt.header, body)
		}
	}
}

// A client that never sends its body gets an error, and the handler returns.
func TestReadBodyTimesOut(t *testing.T) {
	got := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := wire.ReadBody(w, r, nil, wire.Limits{Size: 100, Time: time.Millisecond}, nil)
		got <- err
	}))
	defer server.Close()
	c, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc"); err != nil {
		t.Fatal(err)
	}
	if e, ok := errors.AsType[*wire.Error](<-got); !ok || e.Code != http.StatusRequestTimeout {
		t.Errorf("ReadBody = %v, want 408", e)
	}
}
