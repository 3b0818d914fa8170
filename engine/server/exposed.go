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
		isGRPC := b.serves(grpcName) || b.serves(grpcManageName)
		needsKey := b.serves(inferenceName) || b.serves(managementName) || isGRPC
		isSecure, url := strings.HasPrefix(b.url, "https:"), b.url
		if isGRPC {
			isSecure, url = s.cfg.grpcSecure(b.address), b.name+" "+b.Addr().String()
		}
		switch {
		case needsKey && s.cfg.Tokens == nil:
			s.cfg.Log.Warn(fmt.Sprintf("%s is not only for this machine and needs no key: everyone who reaches it may use it; turn token authorization on, or use a loopback address", url))
		case isGRPC && !isSecure:
			s.cfg.Log.Warn(fmt.Sprintf("%s is not only for this machine: keys and bodies can be read on the way; use an https:// address, or enable_grpc_ssl", url))
		case needsKey && !isSecure:
			s.cfg.Log.Warn(fmt.Sprintf("%s is not only for this machine: keys and bodies can be read on the way; use an https address", url))
		}
	}
}
