package wire

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Route is a kind of route.
type Route uint8

// The kinds, by the first segment of the path.
const (
	RouteOther       Route = iota
	RoutePing              // /ping, /ready, /v2/health/...
	RoutePredictions       // predictions on any route
	RouteControl           // /engine/...
	RouteToken             // /token
	RouteModels            // management: /models...; descriptions of models
	RouteMetrics           // /metrics
	routes                 // number of kinds
)

var routeNames = [routes]string{"other", "ping", "predictions", "control", "token", "models", "metrics"}

func (r Route) String() string { return routeNames[r] }

// RouteOf returns the kind of a path.
func RouteOf(path string) Route {
	first, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch first {
	case "predictions", "explanations", "invocations":
		return RoutePredictions
	case "ping", "ready":
		return RoutePing
	case "engine":
		return RouteControl
	case "token":
		return RouteToken
	case "metrics":
		return RouteMetrics
	case "models":
		if strings.HasSuffix(rest, "/invoke") {
			return RoutePredictions
		}
		return RouteModels
	case "v1":
		if strings.Contains(rest, ":") {
			return RoutePredictions
		}
		return RouteModels
	case "v2":
		return routeOfOIP(rest)
	}
	if strings.HasSuffix(rest, "predict") {
		return RoutePredictions
	}
	return RouteOther
}

// routeOfOIP returns the kind of a path of the Open Inference Protocol, without its first segment.
func routeOfOIP(rest string) Route {
	switch {
	case strings.HasSuffix(rest, "/infer"):
		return RoutePredictions
	case strings.HasPrefix(rest, "health/"):
		return RoutePing
	case strings.HasPrefix(rest, "models"), strings.HasPrefix(rest, "repository"):
		return RouteModels
	}
	return RouteOther
}

// Statuses that are counted.
const (
	lowestStatus  = 200 // lower ones are not final answers
	highestStatus = 599
)

// Counts counts answers by kind of route and status. Its zero value is ready for use, and it
// is safe for concurrent use. It does not count requests that net/http itself refuses, nor
// those that a panic ended.
type Counts struct {
	// Log gets every answer, with the times at its begin and its end; nil costs nothing. It is
	// set before the first request.
	Log func(r *http.Request, status int, start, end time.Time)

	n [routes][highestStatus - lowestStatus + 1]atomic.Int64
}

// Count is the number of answers with one status of one kind of route.
type Count struct {
	Route  Route
	Status int
	N      int64 // at least 1
}

// Snapshot returns the counts so far, sorted by route and status. It may miss concurrent
// answers.
func (c *Counts) Snapshot() []Count {
	var out []Count
	for route := range c.n {
		for i := range c.n[route] {
			if n := c.n[route][i].Load(); n > 0 {
				out = append(out, Count{Route(route), lowestStatus + i, n})
			}
		}
	}
	return out
}

// Add counts an answer. Watch does it for HTTP; an answer of another protocol counts as the
// status that HTTP has for it.
func (c *Counts) Add(r Route, status int) {
	if status >= lowestStatus && status <= highestStatus {
		c.n[r][status-lowestStatus].Add(1)
	}
}

// Watch returns a handler that counts the answers of next.
func (c *Counts) Watch(next http.Handler) http.Handler {
	pool := sync.Pool{New: func() any { return new(recorder) }}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		route := RouteOf(r.URL.Path) // before a handler can change the path
		rec := pool.Get().(*recorder)
		*rec = recorder{ResponseWriter: w, status: http.StatusOK} // the default of net/http
		var start time.Time
		if c.Log != nil {
			start = time.Now()
		}
		next.ServeHTTP(rec, r)
		c.Add(route, rec.status)
		if c.Log != nil {
			c.Log(r, rec.status, start, time.Now())
		}
		*rec = recorder{}
		pool.Put(rec)
	})
}

// recorder is a ResponseWriter that records the status.
type recorder struct {
	http.ResponseWriter
	status int
	wrote  bool // the status is sent; a second one does not count
}

// WriteHeader is http.ResponseWriter's.
func (r *recorder) WriteHeader(status int) {
	if !r.wrote && status >= lowestStatus {
		r.status, r.wrote = status, true
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write is http.ResponseWriter's.
func (r *recorder) Write(b []byte) (int, error) {
	r.wrote = true
	return r.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
