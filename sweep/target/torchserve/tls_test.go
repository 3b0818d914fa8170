package torchserve_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sweetspot/sweep"
	"sweetspot/sweep/load"
	"sweetspot/sweep/target/torchserve"
	"sweetspot/sweep/trial"
)

// listen serves a handler on a loopback port and returns its URL.
func listen(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// certificate returns a certificate for 127.0.0.1 that signs itself, and the pool that trusts it.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool
}

// TestTLSAndTokens: a server with https addresses and tokens is changed, loaded and restored; without its token or its certificate
// nothing is.
func TestTLSAndTokens(t *testing.T) {
	pair, pool := certificate(t)
	s := startTLS(t, pair, "m")
	before := s.inForce(t, "m")
	c := s.config()
	c.TLS = &tls.Config{RootCAs: pool}
	if err := torchserve.ReadKeys(s.keys, &c); err != nil {
		t.Fatal(err)
	}
	d, err := torchserve.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Apply(t.Context(), settings(t, d, 2, 4, 2*time.Millisecond)); err != nil {
		t.Error(err)
	}
	r, err := d.Measure(t.Context(), sweep.Measurement{
		Load: load.Spec{Concurrency: 2}, SLA: trial.SLA{Percentile: 50, Limit: time.Minute}, Max: 30,
		Stop: func(time.Duration, []load.Sample) (bool, string) { return false, "" },
	})
	if err != nil || r.Counts.OK != r.Counts.Sent || r.Counts.OK == 0 || r.Status["200"] != r.Counts.OK {
		t.Errorf("%+v, %v", r.Counts, err)
	}
	if err := d.Close(t.Context()); err != nil || s.inForce(t, "m") != before {
		t.Errorf("after Close %s, %v; want %s", s.inForce(t, "m"), err, before)
	}

	for _, tc := range []struct {
		name   string
		change func(*torchserve.Config)
		want   string
	}{
		{"no certificate", func(c *torchserve.Config) { c.TLS = nil }, "certificate"},
		{"no management token", func(c *torchserve.Config) { c.ManagementKey = "" }, "give it with --key-file"},
		{"wrong management token", func(c *torchserve.Config) { c.ManagementKey = c.InferenceKey }, "give it with --key-file"},
		{"wrong inference token", func(c *torchserve.Config) { c.InferenceKey = "x" }, "give it with --key-file"},
	} {
		wrong := c
		tc.change(&wrong)
		if _, err := torchserve.Open(t.Context(), wrong); err == nil || !strings.Contains(err.Error(), tc.want) || s.inForce(t, "m") != before {
			t.Errorf("%s: %v, want %q; in force %s", tc.name, err, tc.want, s.inForce(t, "m"))
		}
	}
}
