package server

import (
	"io"
	"net/http"
	"time"
)

// middleware is a step that every request passes before it reaches an API.
type middleware func(http.Handler) http.Handler

// chain returns h behind the steps, the first of them outermost.
func chain(h http.Handler, steps ...middleware) http.Handler {
	for i := len(steps) - 1; i >= 0; i-- {
		h = steps[i](h)
	}
	return h
}

// How much of a refused body is read, and for how long.
const (
	lingerBytes = 64 << 20
	lingerTime  = 10 * time.Second
)

// lingering reads on after a refusal while its client still sends. Many clients
// send all before they read, and closing a connection with data on the way
// resets it: they would find a broken pipe instead of the reason.
func lingering(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r)
		closes := w.Header()["Connection"] != nil // set by wire.Fail alone
		if !closes || r.Body == http.NoBody || r.Header["Expect"] != nil {
			return // a client that expects a word before its body sends none now
		}
		c := http.NewResponseController(w)
		if c.SetReadDeadline(time.Now().Add(lingerTime)) == nil && c.Flush() == nil {
			_, _ = io.CopyN(io.Discard, r.Body, lingerBytes) // how it ends does not matter: the connection closes
		}
	})
}
