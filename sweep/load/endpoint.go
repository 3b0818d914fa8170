package load

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// Endpoint is where a server takes requests, and what they are: what a target gives
// the generator.
type Endpoint struct {
	URL    string      // http or https; path and query go into each request
	TLS    *tls.Config // of an https URL; nil trusts whom the system trusts
	Header [][2]string // in the order in which it is sent; without Host the URL's is
	Bodies []Body
}

// Config is the run of a load against the endpoint. Times and bounds are the caller's
// to add.
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
		c.TLS = secured(e.TLS, u.Hostname())
	default:
		return c, fmt.Errorf("load: %q: want http://HOST/PATH or https://HOST/PATH", e.URL)
	}
	if u.Hostname() == "" || u.User != nil {
		return c, errors.New("load: the URL wants a host, and no user: credentials go into a header")
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

// secured is a TLS configuration for a host. Our generator speaks HTTP/1.1 only.
func secured(c *tls.Config, host string) *tls.Config {
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
