package server_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"sweetspot/engine/server"
)

// badClient sends a part of a request, or a request that must be refused, and does not behave.
type badClient struct {
	name  string
	head  string
	body  string
	stays bool // it keeps the connection open and never reads
}

func badClients() []badClient {
	const post = "POST /predictions/m HTTP/1.1\r\nHost: localhost\r\n"
	return []badClient{
		{"a body that does not come", post + "Content-Length: 1000\r\n\r\n", "[1", true},
		{"headers that do not end", "POST /predictions/m HTTP/1.1\r\nHost: local", "", true},
		{"pieces that do not end", post + "Transfer-Encoding: chunked\r\n\r\n", "3\r\n[1,\r\n", true},
		{"answers that nobody reads", strings.Repeat(post+"Content-Length: 3\r\n\r\n[1]", 50), "", true},
		{"gone in the headers", "POST /predictions/m HT", "", false},
		{"gone in the body", post + "Content-Length: 1000\r\n\r\n", "[1", false},
		{"gone before the answer", post + "Content-Length: 3\r\n\r\n", "[1]", false},
		{"too large, and gone", post + "Content-Length: 2000000\r\n\r\n", strings.Repeat("x", 100_000), false},
		{"too large in pieces, and gone", post + "Transfer-Encoding: chunked\r\n\r\n", "20000\r\n" + strings.Repeat("x", 0x20000) + "\r\n", false},
		{"no HTTP", "\x16\x03\x01\x02\x00\x01\x00", "", false},
	}
}

// TestBadClients checks that slow, vanishing and oversized clients do not disturb others: each
// request of a normal client gets its own answer, and the memory of requests is free at the end.
func TestBadClients(t *testing.T) {
	const long = time.Hour // the slow ones stay until the test ends them
	a, _ := serve(t, server.Config{MaxRequestSize: 100_000, BodyTime: long, WriteTime: long}, newEngine(t, newDoubler()))
	var open []net.Conn
	for range 4 {
		for _, b := range badClients() {
			c, err := net.Dial("tcp", a.Inference)
			if err != nil {
				t.Fatal(err)
			}
			_, err = fmt.Fprint(c, b.head+b.body) // an error is a refusal while it sends
			switch {
			case b.stays && err != nil:
				t.Errorf("%s: %v", b.name, err)
			case b.stays:
				open = append(open, c)
			default:
				_ = c.Close()
			}
		}
	}
	var normal sync.WaitGroup
	for range 4 {
		normal.Go(func() {
			for i := range 50 {
				resp, err := http.Post("http://"+a.Inference+"/predictions/m", "application/json", strings.NewReader(fmt.Sprintf("[%d]", i)))
				if err != nil {
					t.Error(err)
					return
				}
				if got := read(t, resp); resp.StatusCode != 200 || strings.TrimSpace(got) != fmt.Sprintf("[%d]", 2*i) {
					t.Errorf("request %d: %d %s", i, resp.StatusCode, got)
				}
				_ = resp.Body.Close()
			}
		})
	}
	normal.Wait()
	for _, c := range open {
		_ = c.Close()
	}
	for { // until the server has noticed that they are gone
		text := read(t, do(t, "GET", "http://"+a.Metrics+"/metrics?name[]=sweetspot_request_memory_bytes", "", ""))
		if strings.HasSuffix(text, "sweetspot_request_memory_bytes 0\n") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}
