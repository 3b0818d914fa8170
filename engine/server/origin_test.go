package server_test

import (
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"

	"sweetspot/engine/api/wire"
	"sweetspot/engine/server"
)

// from sends a request with the given Host and Origins.
func from(t *testing.T, method, url, host string, origins ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader("[21]"))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	r.Header["Origin"] = origins
	r.Header.Set("Content-Type", "text/plain") // what a page may send without asking first
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// Without tokens, a page of any site could make the browser of its visitor change
// settings and stop requests.
func TestForeignOrigins(t *testing.T) {
	a, _ := serve(t, server.Config{}, newEngine(t, newDoubler()))
	const evil = "http://evil.example"
	tests := []struct{ method, url string }{
		{"POST", a.Management + "/engine/v1/models/m/bare"},
		{"PUT", a.Management + "/engine/v1/models/m/settings"},
		{"OPTIONS", a.Management + "/engine/v1/models/m/settings"},
		{"GET", a.Management + "/engine/v1/info"},
		{"GET", a.Management + "/token?type=inference"},
		{"POST", a.Inference + "/predictions/m"},
		{"OPTIONS", a.Inference + "/predictions/m"},
	}
	for _, tt := range tests {
		resp := from(t, tt.method, "http://"+tt.url, "", evil)
		var e wire.Error
		if err := json.Unmarshal([]byte(read(t, resp)), &e); err != nil {
			t.Fatal(err)
		}
		own, _, _ := strings.Cut(tt.url, "/")
		want := wire.Error{Code: 403, Type: wire.Forbidden, Message: `pages of the origin "http://evil.example" may not use this server; http://` + own + " may, and programs that send no Origin"}
		if resp.StatusCode != 403 || e != want {
			t.Errorf("%s %s: %d %+v, want %+v", tt.method, tt.url, resp.StatusCode, e, want)
		}
		for name := range resp.Header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s %s: header %s allows the page", tt.method, tt.url, name)
			}
		}
	}
}

func TestOriginAndHost(t *testing.T) {
	a, _ := serve(t, server.Config{}, newEngine(t, newDoubler()))
	_, port, err := net.SplitHostPort(a.Inference)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, host string
		origins    []string
		code       int
	}{
		{"a program", "", nil, 200},
		{"own page", "", []string{"http://" + a.Inference}, 200},
		{"own page by name", "localhost:" + port, []string{"http://localhost:" + port}, 200},
		{"in capitals", "LocalHost:" + port, []string{"http://localhost:" + port}, 200},
		{"through a tunnel", "localhost:9000", []string{"http://localhost:9000"}, 200},
		{"without a port", "localhost", nil, 200},
		{"another loopback address", "127.0.0.2:" + port, nil, 200},
		{"IPv6", "[::1]:" + port, []string{"http://[::1]:" + port}, 200},
		{"IPv6 without a port", "[::1]", nil, 200},
		{"IPv4 in IPv6", "[::ffff:127.0.0.1]:" + port, nil, 200},

		{"no origin at all", "", []string{"null"}, 403},
		{"empty", "", []string{""}, 403},
		{"another scheme", "", []string{"https://" + a.Inference}, 403},
		{"another port", "", []string{"http://127.0.0.1:1"}, 403},
		{"another name of loopback", "", []string{"http://localhost:" + port}, 403},
		{"one of two", "", []string{"http://" + a.Inference, "http://evil.example"}, 403},
		{"rebound name", "evil.example:" + port, nil, 403},
		{"rebound name, its own page", "evil.example:" + port, []string{"http://evil.example:" + port}, 403},
		{"name that begins as loopback", "localhost.evil.example", nil, 403},
		{"address that begins as loopback", "127.0.0.1.evil.example", nil, 403},
		{"another machine's address", "192.0.2.1:" + port, nil, 403},
		{"another machine's IPv6 address", "[2001:db8::1]:" + port, nil, 403},
	}
	for _, tt := range tests {
		if resp := from(t, "POST", "http://"+a.Inference+"/predictions/m", tt.host, tt.origins...); resp.StatusCode != tt.code {
			t.Errorf("%s: %d %s, want %d", tt.name, resp.StatusCode, read(t, resp), tt.code)
		}
	}
}
