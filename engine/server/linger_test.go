package server_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"sweetspot/engine/api/token"
	"sweetspot/engine/server"
)

// sendThenRead sends a whole request before it reads a byte of the answer.
func sendThenRead(addr, head string, body []byte) (status int, answer string, err error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = c.Close() }()
	request := append(fmt.Appendf(nil, "%s\r\nHost: %s\r\n\r\n", head, addr), body...)
	if _, err := c.Write(request); err != nil {
		return 0, "", err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// A client that sends all of a large body before it reads gets the error, not a reset
// connection.
func TestRefusalReachesSender(t *testing.T) {
	const size = 8 << 20
	e := newEngine(t, newDoubler())
	const slow = time.Hour // a slow machine needs long for a body
	small, _ := serve(t, server.Config{MaxRequestSize: 1 << 20, BodyTime: slow}, e)
	guarded, _ := serve(t, server.Config{Tokens: token.Fixed("secret"), BodyTime: slow}, e)
	narrow, _ := serve(t, server.Config{MaxRequestSize: size, RequestMemory: 2 << 20, BodyTime: slow}, e)
	length := fmt.Sprintf("\r\nContent-Length: %d", size)
	plain := make([]byte, size)
	chunked := fmt.Appendf(nil, "%x\r\n%s\r\n0\r\n\r\n", size, plain)
	tests := []struct {
		name, addr, head string
		body             []byte
		status           int
		text             string
	}{
		{"too large", small.Inference, "POST /predictions/m HTTP/1.1" + length, plain, 413, "limit of 1048576 bytes"},
		{"too large, chunked", small.Inference, "POST /predictions/m HTTP/1.1\r\nTransfer-Encoding: chunked", chunked, 413, "--max-request-size"},
		{"too large, one request", small.Inference, "POST /predictions/m HTTP/1.1\r\nConnection: close" + length, plain, 413, "--max-request-size"},
		{"too large for all requests", narrow.Inference, "POST /predictions/m HTTP/1.1" + length, plain, 413, "all requests together may use 2097152"},
		{"change too large", small.Management, "PUT /engine/v1/models/m/settings HTTP/1.1" + length, plain, 413, "limit of 65536 bytes"},
		{"unknown model", small.Inference, "POST /predictions/n HTTP/1.1" + length, plain, 404, "Model not found: n"},
		{"no token", guarded.Inference, "POST /predictions/m HTTP/1.1" + length, plain, 400, "key is missing"},
		{"page of another origin", small.Inference, "POST /predictions/m HTTP/1.1\r\nOrigin: null" + length, plain, 403, "programs that send no Origin"},
	}
	for _, tt := range tests {
		status, text, err := sendThenRead(tt.addr, tt.head, tt.body)
		if err != nil || status != tt.status || !strings.Contains(text, tt.text) {
			t.Errorf("%s: %d %s %v, want %d with %q", tt.name, status, text, err, tt.status, tt.text)
		}
	}
}

// A body that does not fit beside those of running requests gets 503 with Retry-After.
func TestNoMemoryForBody(t *testing.T) {
	const size = 1 << 20
	a, _ := serve(t, server.Config{RequestMemory: size + size/2}, newEngine(t, newDoubler()))
	head := fmt.Sprintf("POST /predictions/m HTTP/1.1\r\nContent-Length: %d", size)
	body := bytes.Repeat([]byte("x"), size)
	ask := func(want int) string {
		t.Helper()
		for { // until the server has received the other request, or it has ended
			status, text, err := sendThenRead(a.Inference, head, body)
			if err != nil {
				t.Fatal(err)
			}
			if status == want {
				return text
			}
		}
	}
	ask(400) // it fits, and is no JSON
	slow, err := net.Dial("tcp", a.Inference)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(slow, "%s\r\nHost: %s\r\n\r\n", head, a.Inference); err != nil {
		t.Fatal(err)
	}
	const want = "no memory for this request now: it needs 1048577 bytes, and running requests use 1048577 of 1572864; retry later"
	if text := ask(503); !strings.Contains(text, want) {
		t.Errorf("503 %s, want %q", text, want)
	}
	if err := slow.Close(); err != nil {
		t.Fatal(err)
	}
	ask(400) // the memory of a client that has disconnected is free again
}
