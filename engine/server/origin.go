package server

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"

	"sweetspot/engine/api/wire"
)

// checkOrigin refuses requests that a web page of another origin sends through the browser of a
// user who can reach this server. Browsers send the page's origin in the header Origin;
// other programs send none and are allowed. In a DNS rebinding attack, a page has the origin
// of the server. On loopback the possible host names are few, so that Host is checked too.
// address is the configured address, bound the actual one; pages that cors allows are let in.
func checkOrigin(address string, bound net.Addr, cors CORS) middleware {
	name, allowed := hostname(address), "localhost, 127.0.0.1 or [::1]"
	if !isLoopback(name) {
		allowed = name + ", " + allowed
	}
	local := isLoopback(hostname(bound.String()))
	var last atomic.Pointer[string] // the last allowed Host, which nearly all requests have
	allowedHost := func(host string) bool {
		if h := last.Load(); h != nil && *h == host {
			return true
		}
		if !isOwnHost(host, name) {
			return false
		}
		seen := host // not host itself, which would be allocated at every call
		last.Store(&seen)
		return true
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if local && !allowedHost(r.Host) {
				wire.FailOn(w, r, wire.Errorf(http.StatusForbidden, wire.Forbidden,
					"the host %q is not allowed: this server listens on loopback; use %s, with any port", r.Host, allowed))
				return
			}
			if foreign, ok := foreignOrigin(r, cors); ok {
				wire.FailOn(w, r, wire.Errorf(http.StatusForbidden, wire.Forbidden,
					"pages of the origin %q may not use this server; %s may, and programs that send no Origin", foreign, ownOrigin(r)))
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// isOwnHost reports whether a Host header is loopback or name. A request of HTTP/1.0 may have
// none; browsers do not send such requests.
func isOwnHost(host, name string) bool {
	if host == "" {
		return true
	}
	host = hostname(host)
	return strings.EqualFold(host, name) || isLoopback(host)
}

// isLoopback reports whether a host without port is a loopback address or localhost.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") { // first, because parsing a name allocates an error
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// hostname removes the port and the brackets of an IPv6 address.
func hostname(hostport string) string {
	u := url.URL{Host: hostport}
	return u.Hostname()
}

// foreignOrigin returns the first Origin of r that is neither the server's own nor allowed.
func foreignOrigin(r *http.Request, cors CORS) (string, bool) {
	origins := r.Header["Origin"]
	if len(origins) == 0 {
		return "", false
	}
	own := ownOrigin(r)
	for _, o := range origins {
		if !strings.EqualFold(o, own) && !cors.allows(o) {
			return o, true
		}
	}
	return "", false
}

// ownOrigin returns the server's origin with the host of r.
func ownOrigin(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}
