//go:build linux && !race

package http1

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// null is a connection that sends the same request again and again.
type null struct {
	net.Conn
	text string
}

func (n null) Read(p []byte) (int, error)    { return copy(p, n.text), nil }
func (null) Write(p []byte) (int, error)     { return len(p), nil }
func (null) SetReadDeadline(time.Time) error { return nil }
func (null) RemoteAddr() net.Addr            { return &net.TCPAddr{} }

// A request allocates nothing here, only in its handler.
func TestAllocatesNothing(t *testing.T) {
	var body [16]byte
	text, lengths := []string{"text/plain"}, []string{"3"}
	l := &Listener{cfg: Config{Prefix: "/p/", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.ReadFull(r.Body, body[:r.ContentLength])
		w.Header()["Content-Type"], w.Header()["Content-Length"] = text, lengths
		_, _ = w.Write(body[:n])
	})}}
	c := &conn{l: l, nc: null{text: post("/p/m", "abc")}, cancel: func() {}, blank: new(http.Request).WithContext(context.Background()), last: head{length: -1}}
	c.w.c = c
	one := func() {
		if !c.read(time.Minute) || !c.next() || !c.answer() {
			t.Fatal("no answer")
		}
	}
	one()
	if n := testing.AllocsPerRun(100, one); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
