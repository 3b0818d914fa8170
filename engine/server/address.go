package server

import (
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

// address is where an endpoint listens.
type address struct {
	network string // tcp or unix
	where   string // host:port, or the path of a socket
	secure  bool   // TLS
}

// parseAddress reads host:port, http://host[:port], https://host[:port] or unix:/path. ports are
// those of an http and of an https address without a port.
func parseAddress(text string, plain, secure string) (address, error) {
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		if !strings.HasPrefix(path, "/") {
			return address{}, fmt.Errorf("the address %q needs an absolute path, such as unix:/run/sweetspot.sock", text)
		}
		return address{network: "unix", where: path}, nil
	}
	out := address{network: "tcp", where: text}
	scheme, rest, hasScheme := strings.Cut(text, "://")
	if hasScheme {
		port := plain
		switch strings.ToLower(scheme) {
		case "http":
		case "https":
			out.secure, port = true, secure
		default:
			return address{}, fmt.Errorf("the address %q has the scheme %s; want http or https", text, scheme)
		}
		out.where = strings.TrimSuffix(rest, "/")
		if _, _, err := net.SplitHostPort(out.where); err != nil {
			out.where = net.JoinHostPort(strings.Trim(out.where, "[]"), port)
		}
	}
	if _, _, err := net.SplitHostPort(out.where); err != nil {
		return address{}, fmt.Errorf("the address %q is not host:port, http://host:port, https://host:port or unix:/path", text)
	}
	return out, nil
}

// listen binds an address. A socket that no server uses any more is replaced.
func (a address) listen() (net.Listener, error) {
	if a.network == "unix" {
		removeSocket(a.where)
	}
	return net.Listen(a.network, a.where)
}

// url returns the URL of a bound listener.
func (a address) url(l net.Addr) string {
	switch {
	case a.network == "unix":
		return "unix:" + l.String()
	case a.secure:
		return "https://" + l.String()
	}
	return "http://" + l.String()
}

// removeSocket removes a socket that nobody listens on: a server that was killed leaves its own.
func removeSocket(path string) {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&os.ModeSocket == 0 {
		return
	}
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
		c.Close()
		return
	}
	os.Remove(path) //nolint:errcheck // binding reports it
}
