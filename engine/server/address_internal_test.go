package server

import (
	"net"
	"strings"
	"testing"
)

func TestParseAddress(t *testing.T) {
	for text, want := range map[string]address{
		"127.0.0.1:8080":       {"tcp", "127.0.0.1:8080", false},
		"http://0.0.0.0:1":     {"tcp", "0.0.0.0:1", false},
		"HTTPS://host":         {"tcp", "host:443", true},
		"http://[::1]":         {"tcp", "[::1]:80", false},
		"http://127.0.0.1:80/": {"tcp", "127.0.0.1:80", false},
		"unix:/run/s":          {"unix", "/run/s", false},
	} {
		got, err := parseAddress(text, "80", "443")
		if err != nil || got != want {
			t.Errorf("parseAddress(%q) = %+v, %v; want %+v", text, got, err, want)
		}
	}
}

// FuzzParseAddress checks that any text is an error, or an address that can be split.
func FuzzParseAddress(f *testing.F) {
	f.Add("https://[::1]:0/")
	f.Add("unix:/a")
	f.Fuzz(func(t *testing.T, text string) {
		at, err := parseAddress(text, "80", "443")
		if err != nil {
			return
		}
		if at.network == "unix" {
			if !strings.HasPrefix(at.where, "/") {
				t.Fatalf("socket %q", at.where)
			}
			return
		}
		if _, _, err := net.SplitHostPort(at.where); err != nil {
			t.Fatalf("%q: %v", at.where, err)
		}
	})
}
