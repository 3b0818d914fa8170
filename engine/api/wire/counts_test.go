package wire_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/api/wire"
)

func TestRouteOf(t *testing.T) {
	for path, want := range map[string]string{
		"/predictions/m/1.0": "predictions", "/predictions": "predictions", "/ping": "ping", "/engine/v1/info": "control",
		"/token": "token", "/": "other", "": "other", "/pings": "other", "//ping": "other", "/x/predictions": "other",
	} {
		if got := wire.RouteOf(path).String(); got != want {
			t.Errorf("RouteOf(%q) = %s, want %s", path, got, want)
		}
	}
}

func TestCounts(t *testing.T) {
	var c wire.Counts
	if got := c.Snapshot(); len(got) != 0 {
		t.Errorf("at first: %v", got)
	}
	h := c.Watch(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/predictions/written":
			_, _ = w.Write([]byte("x"))
			w.WriteHeader(500) // too late, as for net/http
		case "/predictions/announced":
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(503)
		case "/predictions/deadline":
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Errorf("Unwrap does not reach the writer: %v", err)
			}
		case "/ping": // writes nothing
			r.URL.Path = "/changed"
		}
	}))
	const times = 50
	var wg sync.WaitGroup
	for _, path := range []string{"/predictions/written", "/predictions/announced", "/predictions/deadline", "/ping"} {
		for range times {
			wg.Go(func() { h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil)) })
		}
	}
	wg.Wait()
	want := []wire.Count{{wire.RoutePing, 200, times}, {wire.RoutePredictions, 200, 2 * times}, {wire.RoutePredictions, 503, times}}
	if diff := cmp.Diff(want, c.Snapshot()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
