package payload_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

func TestRows(t *testing.T) {
	for _, tt := range []struct {
		name  string
		r     payload.Request
		rows  int
		bytes bool
	}{
		{"empty", payload.Request{}, 0, false},
		{"one item", payload.Request{Items: []tensor.Item{{}}}, 1, false},
		{"three items", payload.Request{Items: make([]tensor.Item, 3), Header: []payload.Field{{Name: "a", Value: "b"}}}, 3, false},
		{"parts", payload.Request{Parts: []payload.Part{{Name: "a"}, {Name: "b"}}}, 1, true},
		{"no parts", payload.Request{Parts: []payload.Part{}}, 1, true},
	} {
		if rows, bytes := tt.r.Rows(), tt.r.IsBytes(); rows != tt.rows || bytes != tt.bytes {
			t.Errorf("%s: %d rows, bytes %v; want %d, %v", tt.name, rows, bytes, tt.rows, tt.bytes)
		}
	}
}

func TestPart(t *testing.T) {
	r := &payload.Message{Parts: []payload.Part{{Name: "a", Data: []byte("1")}, {Name: "b", Data: []byte("2")}, {Name: "a", Data: []byte("3")}}}
	if p, ok := r.Part("a"); !ok || string(p.Data) != "1" {
		t.Errorf("part a = %v, %v", p, ok)
	}
	if _, ok := r.Part("c"); ok {
		t.Error("a missing part was found")
	}
}

// read reads a stream to its end.
func read(ctx context.Context, s *payload.Stream) (string, error) {
	var b strings.Builder
	for {
		piece, err := s.Next(ctx)
		b.Write(piece)
		if err != nil {
			return b.String(), err
		}
	}
}

func TestStream(t *testing.T) {
	s := payload.NewStream()
	var wg sync.WaitGroup
	wg.Go(func() {
		s.Begin(payload.Bytes{Status: 201, Body: []byte("not part of the head")})
		for _, piece := range []string{"a", "", "bc"} {
			if err := s.Write([]byte(piece)); err != nil {
				t.Errorf("Write(%q) = %v", piece, err)
			}
		}
		s.Begin(payload.Bytes{Status: 500})
		s.End(nil)
		s.End(errors.New("too late"))
	})
	<-s.Begun()
	if h := s.Head(); h.Status != 201 || h.Body != nil {
		t.Errorf("head = %+v", h)
	}
	if text, err := read(t.Context(), s); text != "abc" || !errors.Is(err, io.EOF) {
		t.Errorf("read %q, %v", text, err)
	}
	wg.Wait()
	if err := s.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("Write after the end = %v", err)
	}
}

// A stream that ends with an error returns the pieces before it, then the error.
func TestStreamError(t *testing.T) {
	s, cause := payload.NewStream(), errors.New("it broke")
	_ = s.Write([]byte("half"))
	s.End(cause)
	if text, err := read(t.Context(), s); text != "half" || !errors.Is(err, cause) {
		t.Errorf("read %q, %v", text, err)
	}
}

func TestStreamWithoutReceiver(t *testing.T) {
	s := payload.NewStream()
	s.Close()
	if err := s.Write([]byte("x")); !errors.Is(err, payload.ErrReceiverLeft) {
		t.Errorf("Write after Close = %v", err)
	}
	slow, full := payload.NewStream(), error(nil)
	for range 32 {
		if full = slow.Write(make([]byte, 1<<20)); full != nil {
			break
		}
	}
	if !errors.Is(full, payload.ErrReceiverSlow) {
		t.Errorf("32 MB to a receiver that reads nothing: %v", full)
	}
	if _, err := read(t.Context(), slow); !errors.Is(err, payload.ErrReceiverSlow) {
		t.Errorf("the slow receiver reads %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := payload.NewStream().Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Next without a piece = %v", err)
	}
}
