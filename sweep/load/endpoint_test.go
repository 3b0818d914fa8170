package load_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sweetspot/sweep/load"
)

func TestEndpoint(t *testing.T) {
	for _, c := range []struct {
		url, addr, path, host string
		secure                bool
		err                   string
	}{
		{url: "http://127.0.0.1:8080/predictions/m", addr: "127.0.0.1:8080", path: "/predictions/m", host: "127.0.0.1:8080"},
		{url: "http://box", addr: "box:80", path: "/", host: "box"},
		{url: "https://box/v2/infer?a=b", addr: "box:443", path: "/v2/infer?a=b", host: "box", secure: true},
		{url: "https://[::1]:8443/a%20b", addr: "[::1]:8443", path: "/a%20b", host: "[::1]:8443", secure: true},
		{url: "ftp://box/", err: `"ftp://box/": want http://HOST/PATH or https://HOST/PATH`},
		{url: "box:80", err: "want http://HOST/PATH"},
		{url: "http://", err: "the URL must have a host"},
		{url: "http://me:secret@box/", err: "send credentials in a header"},
		{url: "http://%zz/", err: "invalid URL escape"},
	} {
		got, err := load.Endpoint{URL: c.url}.Config(load.Spec{})
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want %s", c.url, err, c.err)
			}
			continue
		}
		if err != nil || got.Addr != c.addr || got.Path != c.path || (got.TLS != nil) != c.secure || got.Header[0] != [2]string{"Host", c.host} {
			t.Errorf("%s: %+v, %v", c.url, got, err)
		}
	}
	own, err := load.Endpoint{URL: "http://box", Header: [][2]string{{"host", "other"}}}.Config(load.Spec{})
	if err != nil || len(own.Header) != 1 {
		t.Errorf("a Host header: %v, %v", own.Header, err)
	}
	given := &tls.Config{ServerName: "other"}
	secure, err := load.Endpoint{URL: "https://box", TLS: given}.Config(load.Spec{})
	if err != nil || secure.TLS == given || secure.TLS.ServerName != "other" || given.NextProtos != nil {
		t.Errorf("TLS: %+v, %v", secure.TLS, err)
	}
}

// TestTLS checks closed and open loads over TLS, with the path, headers and bodies of the endpoint.
// Connections are reused, and replaced if the server closes them.
func TestTLS(t *testing.T) {
	var conns, wrong atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.RequestURI != "/v2/infer?x=1" || r.Header.Get("Authorization") != "Bearer word" || r.ProtoMajor != 1 || (string(body) != "a" && string(body) != "bb") {
			wrong.Add(1)
		}
		if r.Header.Get("X-Close") != "" {
			w.Header().Set("Connection", "close")
		}
		fmt.Fprint(w, "ok")
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	s.StartTLS()
	defer s.Close()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	for _, closing := range []bool{false, true} {
		e := load.Endpoint{
			URL: s.URL + "/v2/infer?x=1", TLS: &tls.Config{RootCAs: pool}, Header: [][2]string{{"Authorization", "Bearer word"}},
			Bodies: []load.Body{{Type: "text/plain", Data: []byte("a")}, {Data: []byte("bb")}},
		}
		if closing {
			e.Header = append(e.Header, [2]string{"X-Close", "1"})
		}
		for _, spec := range []load.Spec{closed(4), open(200)} {
			c, err := e.Config(spec)
			if err != nil {
				t.Fatal(err)
			}
			c.Seed, c.Limit, c.Block = 1, time.Minute, 20*time.Millisecond
			before := conns.Load()
			// On a busy machine many requests are due at once, and each has its own connection. It
			// ends when most of the requests had one that there was.
			c.OnBlock = func(_ time.Duration, samples []load.Sample) bool {
				return len(samples) >= 60 && (closing || 3*(conns.Load()-before) <= int64(len(samples)))
			}
			r, err := load.Run(t.Context(), c)
			n := load.Count(r.Samples)
			if made := conns.Load() - before; !closing && 2*made > int64(r.Sent) {
				t.Errorf("%v: %d connections for %d requests", spec, made, r.Sent)
			}
			if err != nil || n.OK != r.Sent || n.OK < 60 {
				t.Errorf("%v, closing %t: %+v of %d sent, %v, %s", spec, closing, n, r.Sent, err, r.Err)
			}
		}
	}
	if wrong.Load() > 0 {
		t.Errorf("%d requests were not the endpoint's", wrong.Load())
	}
	c, err := load.Endpoint{URL: s.URL, Bodies: []load.Body{{}}}.Config(closed(1))
	if err != nil {
		t.Fatal(err)
	}
	c.Max = 1
	if _, err := load.Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an untrusted server: %v", err)
	}
}
