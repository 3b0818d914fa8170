//go:build !race

package server

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"sweetspot/engine/api/wire"
)

// sink is a response writer that discards.
type sink struct{ h http.Header }

func (s sink) Header() http.Header         { return s.h }
func (s sink) WriteHeader(int)             {}
func (s sink) Write(b []byte) (int, error) { return len(b), nil }

// The middleware must not allocate. With the race detector, pools drop items at random, so
// the test is not built.
func TestChainAllocatesNothing(t *testing.T) {
	var counts wire.Counts
	h := chain(answer(200), counts.Watch, lingeringClose(time.Minute), checkOrigin("127.0.0.1:8080", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, CORS{}))
	w := sink{http.Header{}}
	for _, host := range []string{"127.0.0.1:8080", "localhost:8080", "[::1]:8080"} {
		r := httptest.NewRequest("POST", "/predictions/m", http.NoBody)
		r.Host = host
		if n := testing.AllocsPerRun(100, func() { h.ServeHTTP(w, r) }); n != 0 {
			t.Errorf("%s: %v allocations, want 0", host, n)
		}
	}
}
