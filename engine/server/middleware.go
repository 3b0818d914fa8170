package server

import "net/http"

// middleware is a step that every request passes before it reaches an API.
type middleware func(http.Handler) http.Handler

// chain returns h behind the steps, the first of them outermost.
func chain(h http.Handler, steps ...middleware) http.Handler {
	for i := len(steps) - 1; i >= 0; i-- {
		h = steps[i](h)
	}
	return h
}
