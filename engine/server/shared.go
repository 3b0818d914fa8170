package server

import (
	"net/http"
	"slices"
	"strings"
)

// api is one API and where it is served.
type api struct {
	name, address, flag string
	handler             http.Handler
}

// share joins the APIs with equal addresses to one endpoint each, as TorchServe does: KServe's
// configurations have one address for predictions and management. Port 0 is never shared,
// because each API gets a port of its own.
func (s *Server) share(apis []api) []endpoint {
	var out []endpoint
	for i, a := range apis {
		same := func(b api) bool { return b.address == a.address && !strings.HasSuffix(a.address, ":0") }
		if slices.ContainsFunc(apis[:i], same) {
			continue // served by the endpoint of that one
		}
		handlers, also := map[string]http.Handler{a.name: a.handler}, []string(nil)
		for _, b := range apis[i+1:] {
			if same(b) {
				handlers[b.name] = b.handler
				also = append(also, b.name)
			}
		}
		h := a.handler
		if len(also) > 0 {
			h = byPath(a.handler, handlers)
		}
		out = append(out, endpoint{
			name: a.name, also: also, address: a.address, flag: a.flag, keys: a.name != metricsName || len(also) > 0,
			secure: isSecure(a.address), advice: "use an https address", serve: s.serveHTTP(a.address, h),
		})
	}
	return out
}

// byPath sends each request to the API that has its path, and others to rest.
func byPath(rest http.Handler, apis map[string]http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h, ok := apis[apiOf(r.URL.Path)]; ok {
			h.ServeHTTP(w, r)
			return
		}
		rest.ServeHTTP(w, r)
	})
}

// apiOf returns the name of the API with a path. SageMaker's /models/NAME/invoke and KServe's
// /v1/models/NAME:predict are predictions.
func apiOf(path string) string {
	model, kserve := strings.CutPrefix(path, "/v1/models/")
	switch {
	case path == "/metrics":
		return metricsName
	case path == "/models" || strings.HasPrefix(path, "/models/") && !strings.HasSuffix(path, "/invoke"),
		path == "/token", strings.HasPrefix(path, "/engine/"), kserve && !strings.Contains(model, ":"):
		return managementName
	}
	return inferenceName
}
