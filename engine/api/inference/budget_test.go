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

// pictures serves a model p that takes pictures, with a queue of 1, within a
// budget, and returns how to send it one, which is small as a file and takes
// 8 bytes a pixel in memory.
func pictures(t *testing.T, b *wire.Budget, width, height int) (send func() *httptest.ResponseRecorder) {
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
	h := inference.New(e, wire.Limits{Size: 1 << 20, Budget: b})
	return func() *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, "/predictions/p", bytes.NewReader(file.Bytes()))
		r.Header.Set("Content-Type", "image/png")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
}

// A picture that finds no room is refused before it is unpacked.
func TestPictureWithoutRoom(t *testing.T) {
	const width, height, unpacked = 400, 300, 400 * 300 * 8
	const limit = 2 * unpacked
	b := wire.NewBudget(limit)
	send := pictures(t, b, width, height)
	if w := send(); w.Code != http.StatusOK {
		t.Fatalf("alone: %d %s", w.Code, w.Body)
	}
	if b.Used() != 0 {
		t.Errorf("%d bytes did not come back", b.Used())
	}
	others := b.Claim()
	if err := others.Take(limit - unpacked); err != nil { // the body and its scaling find no room
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	w := send()
	runtime.ReadMemStats(&after)
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" {
		t.Errorf("without room: %d %s, Retry-After %q", w.Code, w.Body, w.Header().Get("Retry-After"))
	}
	if n := after.TotalAlloc - before.TotalAlloc; n >= unpacked {
		t.Errorf("%d bytes were allocated to refuse a picture of %d", n, unpacked)
	}
	if b.Used() != limit-unpacked {
		t.Errorf("used = %d after the refusal, want %d", b.Used(), limit-unpacked)
	}
	others.Release()
	if w := send(); w.Code != http.StatusOK {
		t.Errorf("with room again: %d %s", w.Code, w.Body)
	}

	small := pictures(t, wire.NewBudget(unpacked), width, height)
	if w := small(); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a picture that never fits: %d %s, want 413", w.Code, w.Body)
	}
}

// C2: eight pictures of 191 KB at once took 2.4 GB, with a queue of 1. What all
// are unpacked to stays within the budget, whatever comes.
func TestUnpackedPicturesAreBounded(t *testing.T) {
	const width, height, unpacked = 1000, 800, 1000 * 800 * 8
	const requests, limit = 24, 3 * unpacked // 154 MB unbounded, 19 MB bounded
	b := wire.NewBudget(limit)
	send := pictures(t, b, width, height)
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
	// What the collector has not found yet is there too: at most as much again
	// before it runs, and what is made while it does.
	if grown := int64(most) - int64(base); grown > 3*limit {
		t.Errorf("the heap grew by %d MB, want at most 3 times %d MB", grown>>20, limit>>20)
	}
	if b.Used() != 0 {
		t.Errorf("%d bytes did not come back", b.Used())
	}
}

// heap is the bytes of objects, dead ones that were not found yet included.
func heap() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
