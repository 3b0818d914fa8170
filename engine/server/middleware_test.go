package server

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func answer(code int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
}

func TestChainOrder(t *testing.T) {
	var order []string
	step := func(name string) middleware {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				order = append(order, name)
				next.ServeHTTP(w, r)
			})
		}
	}
	chain(answer(200), step("a"), step("b")).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	if got := strings.Join(order, " "); got != "a b" {
		t.Errorf("order = %s, want a b", got)
	}
}

// A server that is not on loopback accepts any Host; on loopback it accepts the configured
// name too.
func TestHostByListener(t *testing.T) {
	loopback, outside := net.IPv4(127, 0, 1, 1), net.IPv4(192, 0, 2, 1)
	tests := []struct {
		name, address string
		bound         net.IP
		host, origin  string
		code          int
		text          string
	}{
		{"outside, any host", "0.0.0.0:8080", outside, "models.example", "", 200, ""},
		{"outside, own page", "0.0.0.0:8080", outside, "models.example", "http://models.example", 200, ""},
		{"outside, foreign page", "0.0.0.0:8080", outside, "models.example", "http://evil.example", 403, "http://models.example may"},
		{"everywhere", ":8080", net.IPv6unspecified, "models.example", "", 200, ""},
		{"given name", "box.example:8080", loopback, "box.example:8080", "http://box.example:8080", 200, ""},
		{"given name, other", "box.example:8080", loopback, "evil.example:8080", "", 403, "use box.example, localhost, 127.0.0.1 or [::1], with any port"},
		{"loopback, none", "127.0.0.1:8080", loopback, "", "", 200, ""},
		{"loopback, other", "127.0.0.1:8080", loopback, "evil.example", "", 403, "use localhost, 127.0.0.1 or [::1], with any port"},
	}
	for _, tt := range tests {
		h := checkOrigin(tt.address, &net.TCPAddr{IP: tt.bound, Port: 8080}, CORS{})(answer(200))
		r := httptest.NewRequest("POST", "/", nil)
		r.Host = tt.host
		if tt.origin != "" {
			r.Header.Set("Origin", tt.origin)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != tt.code || !strings.Contains(w.Body.String(), tt.text) {
			t.Errorf("%s: %d %s, want %d with %q", tt.name, w.Code, w.Body, tt.code, tt.text)
		}
	}
}
