package inference_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"sweetspot/engine/api/inference"
)

// sink is a response writer that discards.
type sink struct {
	h    http.Header
	code int
	n    int
}

func (s *sink) Header() http.Header         { return s.h }
func (s *sink) WriteHeader(code int)        { s.code = code }
func (s *sink) Write(b []byte) (int, error) { s.n += len(b); return len(b), nil }

// exchange returns a function that sends one octet-stream request of 8 KB.
func exchange(tb testing.TB, h *inference.Handler) func() {
	body := make([]byte, 8192)
	reader := bytes.NewReader(body)
	r := httptest.NewRequest(http.MethodPost, "/predictions/wide", nil)
	r.Body, r.ContentLength = io.NopCloser(reader), int64(len(body))
	r.Header.Set("Content-Type", "application/octet-stream")
	r.Header.Set("Accept", "application/octet-stream")
	w := &sink{h: http.Header{}}
	return func() {
		reader.Reset(body)
		clear(w.h)
		w.code, w.n = 0, 0
		h.ServeHTTP(w, r)
		if w.code != http.StatusOK || w.n != len(body) {
			tb.Fatalf("%d, %d bytes", w.code, w.n)
		}
	}
}

func BenchmarkPredict(b *testing.B) {
	_, _, h := start(b, nil)
	once := exchange(b, h)
	b.ReportAllocs()
	b.SetBytes(8192)
	for b.Loop() {
		once()
	}
}
