//go:build !race

package server

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"sweetspot/engine/api/wire"
)

// sink is a response writer that costs nothing.
type sink struct{ h http.Header }

func (s sink) Header() http.Header         { return s.h }
func (s sink) WriteHeader(int)             {}
func (s sink) Write(b []byte) (int, error) { return len(b), nil }

// What every request passes costs no allocation. The race detector makes pools
// forget, so it is not there under it.
func TestChainAllocatesNothing(t *testing.T) {
	var counts wire.Counts
	h := chain(answer(200), counts.Watch, lingering, sameOrigin("127.0.0.1:8080", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}))
	w := sink{http.Header{}}
	for _, host := range []string{"127.0.0.1:8080", "localhost:8080", "[::1]:8080"} {
		r := httptest.NewRequest("POST", "/predictions/m", http.NoBody)
		r.Host = host
		if n := testing.AllocsPerRun(100, func() { h.ServeHTTP(w, r) }); n != 0 {
			t.Errorf("%s: %v allocations, want 0", host, n)
		}
	}
}
