package server_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sweetspot/engine/api/token"
	"sweetspot/engine/server"
)

// get sends a request with headers, through a client's transport.
func get(t *testing.T, tr *http.Transport, method, url string, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	defer tr.CloseIdleConnections()
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// Addresses are URLs too: https with a certificate of its own, and sockets.
func TestAddresses(t *testing.T) {
	dir, err := os.MkdirTemp("", "sock") // a short path: those of sockets are at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	left, err := net.Listen("unix", socket) // as a killed server leaves it
	if err != nil {
		t.Fatal(err)
	}
	left.(*net.UnixListener).SetUnlinkOnClose(false)
	left.Close()
	s, err := server.Open(server.Config{Inference: "https://127.0.0.1:0", Management: "unix:" + socket, Metrics: "http://127.0.0.1:0"}, newEngine(t, &doubler{}))
	if err != nil {
		t.Fatal(err)
	}
	run(t, s)
	at := s.URLs()
	if !strings.HasPrefix(at.Inference, "https://127.0.0.1:") || at.Management != "unix:"+socket || !strings.HasPrefix(at.Metrics, "http://") {
		t.Errorf("URLs = %+v", at)
	}
	insecure := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	resp, body := get(t, insecure, http.MethodGet, at.Inference+"/ping")
	if resp.StatusCode != http.StatusOK || resp.TLS == nil || resp.TLS.Version < tls.VersionTLS12 {
		t.Errorf("https: %d %s", resp.StatusCode, body)
	}
	if _, err := new(http.Transport).RoundTrip(resp.Request); err == nil {
		t.Error("a client that verifies certificates trusts the one that the server has made")
	}
	old := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}}
	if _, err := old.RoundTrip(resp.Request); err == nil {
		t.Error("TLS 1.1 is offered")
	}
	unix := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	if resp, body := get(t, unix, http.MethodGet, "http://server/models"); resp.StatusCode != http.StatusOK || !strings.Contains(body, `"m"`) {
		t.Errorf("socket: %d %s", resp.StatusCode, body)
	}
}

func TestAddressErrors(t *testing.T) {
	for address, want := range map[string]string{
		"ftp://127.0.0.1:0": `the address "ftp://127.0.0.1:0" has the scheme ftp; want http or https`,
		"unix:here":         "needs an absolute path",
		"127.0.0.1":         "is not host:port, http://host:port, https://host:port or unix:/path",
	} {
		_, err := server.Open(server.Config{Inference: address, Management: anyPort}, newEngine(t, &doubler{}))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", address, err, want)
		}
	}
	if _, err := server.TLS("here.pem", ""); err == nil || !strings.Contains(err.Error(), "only one file is given: here.pem") {
		t.Errorf("half a pair: %v", err)
	}
	if _, err := server.TLS("here.pem", "key.pem"); err == nil || !strings.Contains(err.Error(), "certificate here.pem with key key.pem: ") {
		t.Errorf("no files: %v", err)
	}
}

// Pages of other origins are refused unless CORS allows their origin; then the question that a
// browser asks first is answered without a key.
func TestCORS(t *testing.T) {
	const page, other = "https://page.test", "https://other.test"
	tr := &http.Transport{}
	for _, c := range []struct {
		name   string
		cors   server.CORS
		origin string
		status int
		header string
	}{
		{"none", server.CORS{}, page, http.StatusForbidden, ""},
		{"one", server.CORS{Origin: page, Methods: "GET", Headers: "Authorization"}, page, http.StatusOK, page},
		{"one, and another asks", server.CORS{Origin: page}, other, http.StatusForbidden, page},
		{"any", server.CORS{Origin: "*"}, other, http.StatusOK, "*"},
		{"any, and a program asks", server.CORS{Origin: "*"}, "", http.StatusOK, "*"},
	} {
		a, _ := serve(t, server.Config{CORS: c.cors}, newEngine(t, &doubler{}))
		var headers []string
		if c.origin != "" {
			headers = []string{"Origin", c.origin}
		}
		url := "http://" + a.Inference + "/ping"
		resp, body := get(t, tr, http.MethodGet, url, headers...)
		if resp.StatusCode != c.status || c.status == http.StatusOK && resp.Header.Get("Access-Control-Allow-Origin") != c.header {
			t.Errorf("%s: %d %v %s; want %d, %q", c.name, resp.StatusCode, resp.Header, body, c.status, c.header)
		}
		resp, _ = get(t, tr, http.MethodOptions, url, append(headers, "Access-Control-Request-Method", "POST")...)
		if resp.StatusCode != c.status && c.origin != "" {
			t.Errorf("%s: preflight %d, want %d", c.name, resp.StatusCode, c.status)
		}
		if c.cors.Headers != "" && resp.Header.Get("Access-Control-Allow-Headers") != c.cors.Headers {
			t.Errorf("%s: preflight %v", c.name, resp.Header)
		}
	}
}

// Equal addresses are one listener with all routes, each with its own key.
func TestSharedAddress(t *testing.T) {
	probe, err := net.Listen("tcp", anyPort)
	if err != nil {
		t.Fatal(err)
	}
	address := probe.Addr().String()
	probe.Close()
	keyFile := filepath.Join(t.TempDir(), "keys.json")
	keys, err := token.New(keyFile, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = keys.Close() }()
	s, err := server.Open(server.Config{Inference: address, Management: address, Metrics: address, Tokens: keys}, newEngine(t, &doubler{}))
	if err != nil {
		t.Fatal(err)
	}
	run(t, s)
	if a := s.Addrs(); a.Inference != address || a.Management != address || a.Metrics != address {
		t.Errorf("Addrs = %+v, want %s for all", a, address)
	}
	var file map[string]struct{ Key string }
	text, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]struct{ key, in string }{
		"/ping": {"inference", "Healthy"}, "/models": {"management", `"m"`}, "/models/m": {"management", "modelVersion"},
		"/v1/models/m": {"management", `"ready"`}, "/engine/v1/info": {"management", "cores"}, "/metrics": {"", "ts_"},
	} {
		for _, key := range []string{"inference", "management"} {
			resp, body := get(t, &http.Transport{}, http.MethodGet, "http://"+address+path, "Authorization", "Bearer "+file[key].Key)
			ok := want.key == "" || key == want.key
			if ok != (resp.StatusCode == http.StatusOK) || ok && !strings.Contains(body, want.in) {
				t.Errorf("%s with the %s key: %d %.100s", path, key, resp.StatusCode, body)
			}
		}
	}
}

// TestExposed: a listener that other machines may reach is reported, unless it has keys and TLS.
func TestExposed(t *testing.T) {
	keys := func() *token.Tokens {
		k, err := token.New(filepath.Join(t.TempDir(), "keys.json"), 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = k.Close() })
		return k
	}
	const local = "127.0.0.1:0"
	for _, tt := range []struct {
		name, inference string
		rpc             server.GRPC
		tokens          *token.Tokens
		want            string
	}{
		{"loopback without keys", local, server.GRPC{Inference: local}, nil, ""},
		{"all addresses without keys", "0.0.0.0:0", server.GRPC{}, nil, "needs no key: everyone who reaches it may use it"},
		{"all addresses with keys", "[::]:0", server.GRPC{}, keys(), "keys and bodies can be read on the way; use an https address"},
		{"all addresses with keys and TLS", "https://0.0.0.0:0", server.GRPC{}, keys(), ""},
		{"gRPC without keys", local, server.GRPC{Inference: "0.0.0.0:0"}, nil, "WARN msg=\"gRPC inference "},
		{"gRPC with keys", local, server.GRPC{Management: "0.0.0.0:0"}, keys(), "keys and bodies can be read on the way; use an https:// address, or enable_grpc_ssl"},
		{"gRPC with keys and TLS", local, server.GRPC{Inference: "https://0.0.0.0:0"}, keys(), ""},
		{"gRPC with keys and TLS by the configuration", local, server.GRPC{Inference: "0.0.0.0:0", Secure: true}, keys(), ""},
	} {
		var log bytes.Buffer
		c := server.Config{Inference: tt.inference, Management: local, GRPC: tt.rpc, Tokens: tt.tokens, Log: slog.New(slog.NewTextHandler(&log, nil))}
		s, err := server.Open(c, newEngine(t, &doubler{}))
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		switch got := log.String(); {
		case tt.want == "" && strings.Contains(got, "not only for this machine"):
			t.Errorf("%s: %s", tt.name, got)
		case !strings.Contains(got, tt.want) || strings.Count(got, "not only for this machine") > 1:
			t.Errorf("%s: %q has no %q", tt.name, got, tt.want)
		}
	}
}
