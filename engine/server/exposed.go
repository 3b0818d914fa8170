package server

import "fmt"

// warnExposed logs which listeners other machines may reach, and what they should have then:
// keys, and TLS, without which keys can be read on the way. The metrics have no keys, as in TorchServe.
func (s *Server) warnExposed() {
	for _, b := range s.bound {
		if !b.keys || b.Addr().Network() == "unix" || isLoopback(hostname(b.Addr().String())) {
			continue
		}
		switch {
		case s.cfg.Tokens == nil:
			s.cfg.Log.Warn(fmt.Sprintf("%s is not only for this machine and needs no key: everyone who reaches it may use it; turn token authorization on, or use a loopback address", b.shown()))
		case !b.secure:
			s.cfg.Log.Warn(fmt.Sprintf("%s is not only for this machine: keys and bodies can be read on the way; %s", b.shown(), b.advice))
		}
	}
}
