package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"

	"sweetspot/engine"
	"sweetspot/engine/api/control"
	"sweetspot/engine/api/grpc"
	"sweetspot/engine/api/inference"
	"sweetspot/engine/api/management"
	"sweetspot/engine/api/metrics"
	"sweetspot/engine/api/oip"
	"sweetspot/engine/api/token"
	"sweetspot/engine/api/wire"
)

// endpoint is one API on one address.
type endpoint struct {
	name    string   // unique in a server
	also    []string // the names of other APIs at the address
	address string   // to bind: host:port, http://, https:// or unix:/path
	flag    string   // command-line flag that sets the address
	keys    bool     // requests need keys, where keys are on
	secure  bool     // TLS
	advice  string   // how to turn TLS on
	rpc     bool     // gRPC, whose addresses are no URLs
	// serve answers the requests of a listener until ctx ends. Then it refuses new
	// requests, waits for the running ones, at most for the drain time, and closes the
	// listener. Aborted requests are an error, the end of ctx is not.
	serve func(ctx context.Context, l net.Listener) error
}

// The names of the endpoints.
const (
	inferenceName  = "inference"
	managementName = "management"
	metricsName    = "metrics"
	grpcName       = "gRPC inference"
	grpcManageName = "gRPC management"
)

// defaultPorts are TorchServe's ports of http and https addresses without a port.
var defaultPorts = map[string][2]string{
	inferenceName: {"80", "443"}, managementName: {"8081", "8444"}, metricsName: {"8082", "8445"},
	grpcName: {"7070", "7070"}, grpcManageName: {"7071", "7071"},
}

// endpoints returns the endpoints of a server for e.
func (s *Server) endpoints(e *engine.Engine) []endpoint {
	c, budget := s.cfg, wire.NewBudget(s.cfg.RequestMemory)
	limits := inference.Limits{
		Limits: wire.Limits{Size: c.MaxRequestSize, Flag: "--max-request-size", Time: c.BodyTime, Budget: budget},
		Raised: c.raised, Response: c.MaxResponseSize,
	}
	predictions := predictions(e, limits, c.Version)
	s.models = management.New(e, c.Models)
	out := []api{
		{inferenceName, c.Inference, "--listen", withoutKey(predictions, c.Tokens.Guard(token.Inference, predictions))},
		{managementName, c.Management, "--management", s.management(e)},
	}
	s.host = newHostSampler()
	s.measured = metrics.Config{Mode: c.MetricsMode, Engine: e, Answers: s.counts.Snapshot, Budget: budget, Host: s.host.sample}
	s.measured.Selection, s.measured.Interval = c.MetricsWith.Selection, c.MetricsWith.Interval
	if c.MetricsWith.NoSystem {
		s.measured.Host = nil
	}
	if c.Metrics != "" {
		out = append(out, api{metricsName, c.Metrics, "--metrics", metrics.New(s.measured)})
	}
	return append(s.share(out), s.grpcEndpoints(e, limits)...)
}

// grpcEndpoints returns the endpoints of gRPC.
func (s *Server) grpcEndpoints(e *engine.Engine, limits inference.Limits) []endpoint {
	c := s.cfg
	limits.Flag = "" // the library has a text of its own
	var out []endpoint
	add := func(name, address, flag string, age Age, open func(grpc.Config) *grpc.Server) {
		if address == "" {
			return
		}
		ep := endpoint{name: name, address: address, flag: flag, keys: true, secure: c.grpcSecure(address), rpc: true, advice: "use an https:// address, or enable_grpc_ssl"}
		config := grpc.Config{
			Engine: e, Models: s.models, Tokens: c.Tokens, Counts: &s.counts, Limits: limits,
			MaxAge: age.Max, MaxAgeGrace: age.Grace, DrainTime: c.DrainTime, Version: c.Version, Log: c.Log,
		}
		if ep.secure {
			config.TLS = c.TLS
		}
		g := open(config)
		ep.serve = func(ctx context.Context, l net.Listener) error { return g.Serve(ctx, stallListener{l, c.WriteTime}) }
		out = append(out, ep)
	}
	add(grpcName, c.GRPC.Inference, "--grpc", c.GRPC.InferenceAge, grpc.NewInference)
	add(grpcManageName, c.GRPC.Management, "--grpc-management", c.GRPC.ManagementAge, grpc.NewManagement)
	return out
}

// optional reports whether a server does without an endpoint whose address is in use.
func (c *Config) optional(name string) bool {
	return c.MetricsOptional && name == metricsName ||
		c.GRPC.InferenceOptional && name == grpcName || c.GRPC.ManagementOptional && name == grpcManageName
}

// predictions returns the handler of the inference listener: TorchServe's routes, and those of
// the Open Inference Protocol.
func predictions(e *engine.Engine, l inference.Limits, version string) http.Handler {
	torchServe := inference.New(e, l)
	v2 := oip.New(e, l, torchServe, version)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if oip.Serves(r.URL.Path) {
			v2.ServeHTTP(w, r)
			return
		}
		torchServe.ServeHTTP(w, r)
	})
}

// management returns the handler of the management listener: the management API, the control
// API and the renewal of keys.
func (s *Server) management(e *engine.Engine) http.Handler {
	t := s.cfg.Tokens
	models := withoutKey(s.models, t.Guard(token.Management, s.models))
	engineAPI := t.Guard(token.Management, control.New(e, s.cfg.Host))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case path == "/token":
			t.ServeHTTP(w, r)
		case strings.HasPrefix(path, "/engine/"):
			engineAPI.ServeHTTP(w, r)
		default:
			models.ServeHTTP(w, r)
		}
	})
}

// withoutKey sends the requests that need no key to open and the others to guarded. As in
// TorchServe, descriptions need none; and the routes of probes, because a probe cannot renew its
// key.
func withoutKey(open, guarded http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/", "/api-description", "/ready", oip.LivePath, oip.ReadyPath:
			open.ServeHTTP(w, r)
		default:
			guarded.ServeHTTP(w, r)
		}
	})
}

// bound is an endpoint with its listener.
type bound struct {
	endpoint
	net.Listener
	url string
}

// shown returns the address as logs name it: the URL, or what is served at an address of gRPC.
func (b bound) shown() string {
	if b.rpc {
		return b.name + " " + b.Addr().String()
	}
	return b.url
}

// serves reports whether an API is at the endpoint.
func (e endpoint) serves(name string) bool { return e.name == name || slices.Contains(e.also, name) }

// bind binds the endpoint's address.
func (e endpoint) bind() (bound, error) {
	ports := defaultPorts[e.name]
	at, err := parseAddress(e.address, ports[0], ports[1])
	if err != nil {
		return bound{}, fmt.Errorf("%s: %w; see %s", e.name, err, e.flag)
	}
	l, err := at.listen()
	if err != nil {
		return bound{}, &bindError{e, err}
	}
	return bound{e, l, at.url(l.Addr())}, nil
}

// bindError is the reason why the address of an endpoint cannot be bound.
type bindError struct {
	endpoint
	err error
}

func (e *bindError) Error() string {
	return fmt.Sprintf("%s address %s %s; choose another with %s host:port", e.name, e.address, bindErrorText(e.err), e.flag)
}

func (e *bindError) Unwrap() error { return e.err }

// bindErrorText describes why an address cannot be bound.
func bindErrorText(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "is in use already"
	case errors.Is(err, os.ErrPermission):
		return "is not allowed for this user (ports below 1024 are reserved)"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "is not an address of this machine"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	return fmt.Sprintf("cannot be used: %v", err)
}
