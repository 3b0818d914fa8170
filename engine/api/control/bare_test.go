package control_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/api/control"
	"sweetspot/engine/api/wire"
	"sweetspot/engine/tensor"
)

func TestBare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, h := start(t)
		const path = "/engine/v1/models/m/bare"
		do(t.Context(), h, "PUT", settingsPath, `{"workers":2,"batch_size":4}`)
		got := decode[control.Bare](t, do(t.Context(), h, "POST", path, ""))
		want := control.Bare{RPS: 8000, Workers: 2, BatchSize: 4, Runs: 300, RunMS: 1}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}

		s, err := e.Find("m", "")
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for offset := range 2 { // one after the other: there is always a request in progress
			wg.Go(func() {
				time.Sleep(time.Duration(offset) * time.Millisecond / 2)
				for begin := time.Now(); time.Since(begin) < 3*time.Second; {
					_, _, _ = s.Submit(t.Context(), tensor.Item{{Type: tensor.Int64, Shape: []int64{0}}})
				}
			})
		}
		check := func(path string, code int, want string) {
			t.Helper()
			w := do(t.Context(), h, "POST", path, "")
			if e := decode[wire.Error](t, w); w.Code != code || e.Message != want {
				t.Errorf("%s: %d %q, want %d %q", path, w.Code, e.Message, code, want)
			}
		}
		synctest.Wait()
		check(path, 503, "bare rate: requests are being served: hold the load first")
		check("/engine/v1/models/n/bare", 404, "Model not found: n")
		wg.Wait()
	})
}
