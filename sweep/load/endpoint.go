package load

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// Endpoint describes the requests to a server: its URL, headers and bodies.
type Endpoint struct {
	URL    string      // http or https; the requests have its path and query
	TLS    *tls.Config // of an https URL; nil for the certificates of the system
	Header [][2]string // in this order; without a Host header, it is the host of the URL
	Bodies []Body
}

// Config returns the configuration of a run of l. The caller sets its limits and the seed.
func (e Endpoint) Config(l Spec) (Config, error) {
	u, err := url.Parse(e.URL)
	if err != nil {
		return Config{}, fmt.Errorf("load: %w", err)
	}
	c := Config{Path: u.RequestURI(), Header: e.Header, Bodies: e.Bodies, Spec: l}
	port := u.Port()
	switch u.Scheme {
	case "http":
		if port == "" {
			port = "80"
		}
	case "https":
		if port == "" {
			port = "443"
		}
		c.TLS = tlsConfigFor(e.TLS, u.Hostname())
	default:
		return c, fmt.Errorf("load: %q: want http://HOST/PATH or https://HOST/PATH", e.URL)
	}
	if u.Hostname() == "" || u.User != nil {
		return c, errors.New("load: the URL must have a host and no user: send credentials in a header")
	}
	c.Addr = net.JoinHostPort(u.Hostname(), port)
	for _, h := range e.Header {
		if strings.EqualFold(h[0], "Host") {
			return c, nil
		}
	}
	c.Header = append([][2]string{{"Host", u.Host}}, e.Header...)
	return c, nil
}

// tlsConfigFor returns the TLS configuration for a host. It allows only HTTP/1.1, because the
// generator has no other protocol.
func tlsConfigFor(c *tls.Config, host string) *tls.Config {
	if c == nil {
		c = &tls.Config{}
	}
	c = c.Clone()
	if c.ServerName == "" {
		c.ServerName = host
	}
	c.NextProtos = []string{"http/1.1"}
	return c
}
