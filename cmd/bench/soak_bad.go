package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"sweetspot/engine/handler"
)

// Clients of the soak that do not behave. Each has a random number n below 1000.

// dial opens a connection of its own, and returns the head of a request for a payload.
func (c *soakClients) dial(ctx context.Context, b handler.Body) (conn net.Conn, head string, err error) {
	d := net.Dialer{Timeout: soakTimeout}
	conn, err = d.DialContext(ctx, "tcp", c.host)
	if err != nil {
		return nil, "", err
	}
	_ = conn.SetDeadline(time.Now().Add(soakTimeout))
	return conn, fmt.Sprintf("POST /predictions/%s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nAccept: %s\r\nContent-Length: %d\r\n\r\n",
		c.model, b.Type, handler.TypeRaw, len(b.Data)), nil
}

// trickle sends a request in ten pieces over up to two seconds and waits for its answer. The server may refuse the
// request, and close the connection, before the last piece.
func (c *soakClients) trickle(ctx context.Context, id, n int) {
	b := c.payloads.bodies[id]
	conn, head, err := c.dial(ctx, b)
	if err != nil {
		c.finish(id, true, soakAnswer{err: err})
		return
	}
	defer conn.Close()
	request := head + string(b.Data)
	const pieces = 10
	for i := range pieces {
		piece := request[len(request)*i/pieces : len(request)*(i+1)/pieces]
		if _, err := io.WriteString(conn, piece); err != nil {
			break // the answer says why
		}
		time.Sleep(time.Duration(n) * 2 * time.Millisecond / pieces)
	}
	c.finish(id, true, readRaw(conn))
}

// readSlowly sends a request at once, and reads its answer in small pieces with pauses.
func (c *soakClients) readSlowly(ctx context.Context, id, n int) {
	b := c.payloads.bodies[id]
	conn, head, err := c.dial(ctx, b)
	if err == nil {
		_, err = io.WriteString(conn, head+string(b.Data))
	}
	if err != nil {
		c.finish(id, true, soakAnswer{err: err})
		return
	}
	defer conn.Close()
	c.finish(id, true, readRaw(slowReader{conn, time.Duration(n/20) * time.Millisecond}))
}

// slowReader reads at most 64 bytes after a pause.
type slowReader struct {
	from  io.Reader
	pause time.Duration
}

func (s slowReader) Read(p []byte) (int, error) {
	time.Sleep(s.pause)
	return s.from.Read(p[:min(len(p), 64)])
}

// readRaw reads one answer from a connection.
func readRaw(from io.Reader) soakAnswer {
	res, err := http.ReadResponse(bufio.NewReader(from), nil)
	if err != nil {
		return soakAnswer{err: err}
	}
	return readSoakAnswer(res)
}

// vanish closes the connection in the head, in the body, or after the whole request, in half of the cases with a reset.
func (c *soakClients) vanish(ctx context.Context, id, n int) {
	defer c.countAbandoned()
	b := c.payloads.bodies[id]
	conn, head, err := c.dial(ctx, b)
	if err != nil {
		return
	}
	defer conn.Close()
	request := head + string(b.Data)
	switch n % 3 {
	case 0:
		request = request[:len(head)/2]
	case 1:
		request = request[:len(head)+len(b.Data)/2]
	}
	_, _ = io.WriteString(conn, request)
	if tcp, ok := conn.(*net.TCPConn); ok && n%2 == 0 {
		_ = tcp.SetLinger(0)
	}
}

// stall sends half of a request and then nothing. One in 20 stays until the clients are stopped, or the server ends
// the connection; the others leave after up to a second.
func (c *soakClients) stall(ctx context.Context, id, n int) {
	defer c.countAbandoned()
	b := c.payloads.bodies[id]
	conn, head, err := c.dial(ctx, b)
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, head+string(b.Data[:len(b.Data)/2]))
	stay := time.Duration(n) * time.Millisecond
	if n%20 == 0 {
		stay = soakTimeout
	}
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, conn) // until the server or this client closes it
		close(ended)
	}()
	timer := time.NewTimer(stay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.stopped:
	case <-ctx.Done():
	case <-ended:
	}
	_ = conn.Close()
	<-ended
}

// badRequest is a request that must be refused with one of the statuses, or for load.
type badRequest struct {
	method, path string
	body         handler.Body
	want         []int
}

// badRequests returns requests that must be refused. good is a body of the model.
func badRequests(model string, good handler.Body) []badRequest {
	text := func(s string) handler.Body { return handler.Body{Type: "application/json", Data: []byte(s)} }
	half := handler.Body{Type: good.Type, Data: good.Data[:len(good.Data)/2]}
	long := handler.Body{Type: good.Type, Data: append(good.Data[:len(good.Data):len(good.Data)], 1, 2, 3)}
	bad, none := []int{http.StatusBadRequest}, []int{http.StatusNotFound}
	predict := "/predictions/" + model
	all := []badRequest{
		{http.MethodPost, predict, text(`{"x": [1, 2`), bad},
		{http.MethodPost, predict, text(`[[1, 2], [3]]`), bad},
		{http.MethodPost, predict, text(`{"no such input": [1]}`), bad},
		{http.MethodPost, predict, text(strings.Repeat("[", 5000)), bad},
		{http.MethodPost, predict, half, bad},
		{http.MethodPost, predict, handler.Body{Type: "image/png", Data: []byte("\x89PNG\r\n")}, []int{http.StatusBadRequest, http.StatusUnsupportedMediaType}},
		{http.MethodPost, "/predictions/no-such-model", good, none},
		{http.MethodDelete, "/v1/models/" + model, good, []int{http.StatusMethodNotAllowed}}, // any method predicts
	}
	if good.Type == handler.TypeRaw { // after the parts of a form there may be anything
		all = append(all, badRequest{http.MethodPost, predict, long, bad})
	}
	return all
}

// sendBad sends a request that must be refused.
func (c *soakClients) sendBad(ctx context.Context, id, n int) {
	all := badRequests(c.model, c.payloads.bodies[id])
	r := all[n%len(all)]
	a := c.exchange(ctx, r.method, "http://"+c.host+r.path, r.body)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count.bad++
	if a.err != nil {
		c.unclear(fmt.Sprintf("%s %s with %.40q: %v", r.method, r.path, r.body.Data, a.err))
		return
	}
	what := a.reason()
	if a.status != http.StatusServiceUnavailable && !slices.Contains(r.want, a.status) {
		what = fmt.Sprintf("%s %s with %s of %d bytes %.40q has the status %d, want %v", r.method, r.path, r.body.Type, len(r.body.Data), r.body.Data, a.status, r.want)
	}
	c.unclear(what)
}
