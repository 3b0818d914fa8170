package server

import "net/http"

// CORS are the headers that let web pages of other origins use the server. The zero value lets
// none.
type CORS struct {
	Origin  string // * is any; with another value only that one
	Methods string // such as "GET, POST"
	Headers string // such as "Content-Type, Authorization"
}

// allows reports whether pages of the origin may use the server.
func (c CORS) allows(origin string) bool {
	return c.Origin == "*" || c.Origin != "" && c.Origin == origin
}

// answer sets the headers of an answer to a page, and answers the question that a browser asks
// before the request of a page.
func (c CORS) answer(next http.Handler) http.Handler {
	if c.Origin == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", c.Origin)
		if c.Origin != "*" {
			h.Add("Vary", "Origin")
		}
		setNonEmpty(h, "Access-Control-Allow-Methods", c.Methods)
		setNonEmpty(h, "Access-Control-Allow-Headers", c.Headers)
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			w.WriteHeader(http.StatusOK)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func setNonEmpty(h http.Header, name, value string) {
	if value != "" {
		h.Set(name, value)
	}
}
