package server

import (
	"io"
	"net/http"
	"time"
)

// middleware wraps the handler of an API.
type middleware func(http.Handler) http.Handler

// chain wraps h in all middleware; the first is the outermost.
func chain(h http.Handler, all ...middleware) http.Handler {
	for i := len(all) - 1; i >= 0; i-- {
		h = all[i](h)
	}
	return h
}

// lingerBytes is how much of the rest of a refused body is read.
const lingerBytes = 64 << 20

// lingeringClose reads the rest of a refused request's body, for at most the time
// limit. Many
// clients send the whole body before they read, and closing a connection with unread data
// resets it: they would get a broken pipe instead of the error.
func lingeringClose(limit time.Duration) middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r)
			closes := w.Header()["Connection"] != nil // only wire.JSON sets it
			if !closes || r.Body == http.NoBody || r.Header["Expect"] != nil {
				return // a client that waits for 100 Continue will not send its body
			}
			c := http.NewResponseController(w)
			if c.SetReadDeadline(time.Now().Add(limit)) == nil && c.Flush() == nil {
				_, _ = io.CopyN(io.Discard, r.Body, lingerBytes) // the error does not matter: the connection closes
			}
		})
	}
}
