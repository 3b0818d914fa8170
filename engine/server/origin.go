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

// sameOrigin refuses what a page of another origin sends through the browser of
// someone who can reach this server, tokens or not. A browser names the page in
// Origin; programs send none and pass. Behind a name that was made to lead to
// this machine a page has the server's own origin, so that on loopback, where the
// names a server can have are known, Host is held against them too. address is
// the one the server was told to listen on, bound is where it does.
func sameOrigin(address string, bound net.Addr) middleware {
	name, allowed := hostname(address), "localhost, 127.0.0.1 or [::1]"
	if !isLoopback(name) {
		allowed = name + ", " + allowed
	}
	local := isLoopback(hostname(bound.String()))
	var last atomic.Pointer[string] // Host that was found right: nearly all requests have the same
	own := func(host string) bool {
		if h := last.Load(); h != nil && *h == host {
			return true
		}
		if !isOwn(host, name) {
			return false
		}
		seen := host // not host itself, which would be allocated at every call
		last.Store(&seen)
		return true
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if local && !own(r.Host) {
				wire.Fail(w, wire.Errorf(http.StatusForbidden, wire.Forbidden,
					"the host %q is not this server's, which listens on loopback; ask for %s, with any port", r.Host, allowed))
				return
			}
			if foreign, ok := foreignOrigin(r); ok {
				wire.Fail(w, wire.Errorf(http.StatusForbidden, wire.Forbidden,
					"pages of the origin %q may not use this server; %s may, and programs that send no Origin", foreign, ownOrigin(r)))
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// isOwn tells whether a Host header names loopback, or name. A request of
// HTTP/1.0 may have none, which no browser sends.
func isOwn(host, name string) bool {
	if host == "" {
		return true
	}
	host = hostname(host)
	return strings.EqualFold(host, name) || isLoopback(host)
}

// isLoopback tells whether a host without its port leads to this machine, by
// its address or by the one name that does so everywhere.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") { // first: parsing a name makes an error
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// hostname takes the port, and the brackets around an IPv6 address, off.
func hostname(hostport string) string {
	u := url.URL{Host: hostport}
	return u.Hostname()
}

// foreignOrigin returns the first Origin of r that is not the server's own.
func foreignOrigin(r *http.Request) (string, bool) {
	origins := r.Header["Origin"]
	if len(origins) == 0 {
		return "", false
	}
	own := ownOrigin(r)
	for _, o := range origins {
		if !strings.EqualFold(o, own) {
			return o, true
		}
	}
	return "", false
}

// ownOrigin is the server's origin in the words of who sent r.
func ownOrigin(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}
