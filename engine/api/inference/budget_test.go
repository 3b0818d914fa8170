package inference_test

import (
	"bytes"
	"context"
	"image"
	"image/png"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/api/inference"
	"sweetspot/engine/api/wire"
	"sweetspot/engine/knob"
	"sweetspot/engine/tensor"
)

// serveImages serves a model with image input, with a queue of 1, within a budget. It
// returns a function that sends one image, whose file is small and which takes 8 bytes per
// pixel in memory.
func serveImages(t *testing.T, b *wire.Budget, width, height int) (send func() *httptest.ResponseRecorder) {
	t.Helper()
	e := engine.New(engine.Options{Backends: map[string]engine.Backend{"doubler": &doubler{}}, Cores: 2})
	c := knob.Config{Settings: knob.Default(knob.Eager), Options: knob.Options{Rule: knob.Eager}}
	c.QueueSize = 1
	one := []tensor.Spec{{Name: "x", Type: tensor.Float32, Shape: []int64{3, 8, 8}}}
	m := &engine.Model{Name: "p", Version: "1.0", Backend: "doubler", BatchAxis: true, Inputs: one, Outputs: one}
	if err := e.Load(t.Context(), m, c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	var file bytes.Buffer
	if err := png.Encode(&file, image.NewNRGBA64(image.Rect(0, 0, width, height))); err != nil {
		t.Fatal(err)
	}
	h := inference.New(e, inference.Limits{Limits: wire.Limits{Size: 1 << 20, Budget: b}})
	return func() *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, "/predictions/p", bytes.NewReader(file.Bytes()))
		r.Header.Set("Content-Type", "image/png")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
}

// An image that does not fit into the budget is refused before it is decoded.
func TestImageAboveBudget(t *testing.T) {
	const width, height, decodedSize = 400, 300, 400 * 300 * 8
	const limit = 2 * decodedSize
	b := wire.NewBudget(limit)
	send := serveImages(t, b, width, height)
	if w := send(); w.Code != http.StatusOK {
		t.Fatalf("alone: %d %s", w.Code, w.Body)
	}
	if b.Used() != 0 {
		t.Errorf("%d bytes are still reserved", b.Used())
	}
	others := b.NewReservation()
	if err := others.Reserve(limit - decodedSize); err != nil { // too little memory for the body and its scaling
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	w := send()
	runtime.ReadMemStats(&after)
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" {
		t.Errorf("above the budget: %d %s, Retry-After %q", w.Code, w.Body, w.Header().Get("Retry-After"))
	}
	if n := after.TotalAlloc - before.TotalAlloc; n >= decodedSize {
		t.Errorf("%d bytes were allocated to refuse an image of %d", n, decodedSize)
	}
	if b.Used() != limit-decodedSize {
		t.Errorf("used = %d after the refusal, want %d", b.Used(), limit-decodedSize)
	}
	others.Release()
	if w := send(); w.Code != http.StatusOK {
		t.Errorf("with enough memory again: %d %s", w.Code, w.Body)
	}

	small := serveImages(t, wire.NewBudget(decodedSize), width, height)
	if w := small(); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("an image that can never fit: %d %s, want 413", w.Code, w.Body)
	}
}

// Eight concurrent images of 191 KB took 2.4 GB, with a queue of 1. The memory of all
// decoded images stays within the budget.
func TestDecodedImagesAreBounded(t *testing.T) {
	const width, height, decodedSize = 1000, 800, 1000 * 800 * 8
	const requests, limit = 24, 3 * decodedSize // 154 MB unbounded, 19 MB bounded
	b := wire.NewBudget(limit)
	send := serveImages(t, b, width, height)
	var answered [600]atomic.Int64
	runtime.GC()
	base := heap()
	var wg sync.WaitGroup
	for range requests {
		wg.Go(func() { answered[send().Code].Add(1) })
	}
	done := make(chan struct{})
	go func() {
		wg.Wait()
		close(done)
	}()
	most := uint64(0)
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for sending := true; sending; {
		most = max(most, heap())
		select {
		case <-done:
			sending = false
		case <-look.C:
		}
	}
	ok, refused := answered[http.StatusOK].Load(), answered[http.StatusServiceUnavailable].Load()
	if ok == 0 || ok+refused != requests {
		t.Errorf("%d answered and %d refused of %d", ok, refused, requests)
	}
	// The heap also has garbage: at most the same amount before the collector runs, and
	// what is allocated while it runs.
	if grown := int64(most) - int64(base); grown > 3*limit {
		t.Errorf("the heap grew by %d MB, want at most 3 times %d MB", grown>>20, limit>>20)
	}
	if b.Used() != 0 {
		t.Errorf("%d bytes are still reserved", b.Used())
	}
}

// heap returns the bytes of all objects, garbage included.
func heap() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
