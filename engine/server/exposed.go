package server

import (
	"fmt"
	"strings"
)

// warnExposed logs which listeners other machines may reach, and what they should have then:
// keys, and TLS, without which keys can be read on the way. The metrics have no keys, as in TorchServe.
func (s *Server) warnExposed() {
	for _, b := range s.bound {
		if b.Addr().Network() == "unix" || isLoopback(hostname(b.Addr().String())) {
			continue
		}
		needsKey := b.serves(inferenceName) || b.serves(managementName)
		switch {
		case needsKey && s.cfg.Tokens == nil:
			s.cfg.Log.Warn(fmt.Sprintf("%s is not only for this machine and needs no key: everyone who reaches it may use it; turn token authorization on, or use a loopback address", b.url))
		case needsKey && !strings.HasPrefix(b.url, "https:"):
			s.cfg.Log.Warn(fmt.Sprintf("%s is not only for this machine: keys and bodies can be read on the way; use an https address", b.url))
		}
	}
}
