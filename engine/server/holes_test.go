package server_test

import (
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sweetspot/engine/api/token"
	"sweetspot/engine/server"
)

// The default addresses are on loopback: nobody else reaches predictions, management and
// metrics. (TorchServe's containers bound management to all interfaces, GHSA-mjmj-j48q-9wg2.)
func TestDefaultsAreLoopback(t *testing.T) {
	for _, address := range []string{server.DefaultInference, server.DefaultManagement, server.DefaultMetrics} {
		host, _, err := net.SplitHostPort(address)
		if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
			t.Errorf("%s is not on loopback", address)
		}
	}
}

// With tokens on, only what tells nothing about models needs no key; no path that looks like
// one of those routes gets around the key.
func TestWhatNeedsNoKey(t *testing.T) {
	tokens, err := token.New(filepath.Join(t.TempDir(), "keys.json"), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := serve(t, server.Config{Tokens: tokens}, newEngine(t, newDoubler()))
	for _, tt := range []struct {
		address, method, path string
		code                  int
	}{
		{a.Inference, "GET", "/ready", 200},
		{a.Inference, "OPTIONS", "/", 200},
		{a.Inference, "GET", "/", 405},
		{a.Inference, "GET", "/api-description", 200},
		{a.Management, "OPTIONS", "/", 200},
		{a.Management, "GET", "/api-description", 200},
		{a.Management, "GET", "/ready", 404},
		{a.Metrics, "GET", "/metrics", 200},

		{a.Inference, "GET", "/ping", 400},
		{a.Inference, "POST", "/predictions/m", 400},
		{a.Inference, "OPTIONS", "/predictions/m", 400},
		{a.Inference, "POST", "/m/predict", 400},
		{a.Inference, "POST", "/invocations", 400},
		{a.Inference, "POST", "/models/m/invoke", 400},
		{a.Inference, "POST", "/v1/models/m:predict", 400},
		{a.Inference, "GET", "/v1/models", 400},
		{a.Inference, "GET", "/ready/", 400},
		{a.Inference, "GET", "/ready/../ping", 400},
		{a.Inference, "GET", "//", 400},
		{a.Management, "GET", "/models", 400},
		{a.Management, "GET", "/models/m", 400},
		{a.Management, "POST", "/models?url=x", 400},
		{a.Management, "PUT", "/models/m", 400},
		{a.Management, "DELETE", "/models/m", 400},
		{a.Management, "GET", "/v1/models/m", 400},
		{a.Management, "GET", "/engine/v1/info", 400},
		{a.Management, "GET", "/engine/../models", 400},
		{a.Management, "GET", "/models/token", 400}, // TorchServe takes any path with /token for the renewal
		{a.Management, "GET", "/token?type=inference", 400},
	} {
		conn, err := net.Dial("tcp", tt.address)
		if err != nil {
			t.Fatal(err)
		}
		// Written by hand, because a client would clean the path.
		if _, err := conn.Write([]byte(tt.method + " " + tt.path + " HTTP/1.1\r\nHost: " + tt.address + "\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, 12)
		_, err = conn.Read(answer)
		_ = conn.Close()
		if want := "HTTP/1.1 " + http.StatusText(tt.code); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 "+digits(tt.code)) {
			t.Errorf("%s %s: %q %v, want %s", tt.method, tt.path, answer, err, want)
		}
	}
}

func digits(code int) string {
	return string([]byte{byte('0' + code/100), byte('0' + code/10%10), byte('0' + code%10)})
}
