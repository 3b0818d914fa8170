package http1

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// behaviours are handlers by the last part of the path. All read the whole body first, as
// predictions do.
var behaviours = map[string]func(w http.ResponseWriter, r *http.Request, body []byte){
	"echo": func(w http.ResponseWriter, r *http.Request, body []byte) {
		h := w.Header()
		for i, name := range slices.Sorted(maps.Keys(r.Header)) {
			h.Set("Echo-"+strconv.Itoa(i), name+"="+strings.Join(r.Header[name], ","))
		}
		h.Set("Request", fmt.Sprint(r.Method+r.URL.String(), r.RequestURI, r.Proto, r.ProtoMajor, r.ProtoMinor, r.Host, r.ContentLength, r.TransferEncoding, r.Close, r.Trailer))
		h.Set("Content-Type", "text/plain")
		h.Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body)
	},
	"empty":   func(http.ResponseWriter, *http.Request, []byte) {},
	"unknown": func(w http.ResponseWriter, _ *http.Request, body []byte) { _, _ = w.Write(body) },
	"large": func(w http.ResponseWriter, _ *http.Request, body []byte) {
		_, _ = w.Write(body)
		_, _ = w.Write([]byte(strings.Repeat("y", 3*bufferedAll)))
		_, _ = w.Write(body)
	},
	"large-known": func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		w.Header().Set("Content-Length", strconv.Itoa(3*bufferedAll))
		for range 3 {
			_, _ = w.Write([]byte(strings.Repeat("y", bufferedAll)))
		}
	},
	"stream": func(w http.ResponseWriter, _ *http.Request, body []byte) {
		for _, part := range []string{"<html>", string(body), ""} {
			_, _ = io.WriteString(w, part)
			_ = http.NewResponseController(w).Flush()
		}
	},
	"flush": func(w http.ResponseWriter, _ *http.Request, _ []byte) { _ = http.NewResponseController(w).Flush() },
	"no-type": func(w http.ResponseWriter, _ *http.Request, body []byte) {
		w.Header()["Content-Type"] = nil
		_, _ = w.Write(body)
	},
	"204": func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		w.WriteHeader(204)
		_, err := w.Write([]byte("x"))
		if err == nil {
			panic("a body after 204")
		}
	},
	"304": func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(304)
	},
	"103": func(w http.ResponseWriter, _ *http.Request, body []byte) {
		w.Header().Set("Link", "</a>")
		w.WriteHeader(103)
		w.WriteHeader(201)
		w.WriteHeader(500)
		_, _ = w.Write(body)
	},
	"999": func(w http.ResponseWriter, _ *http.Request, _ []byte) { w.WriteHeader(999) },
	"short": func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		w.Header().Set("Content-Length", "9")
		_, _ = w.Write([]byte("x"))
	},
	"long": func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		w.Header().Set("Content-Length", "1")
		_, _ = w.Write([]byte("x"))
		_, _ = w.Write([]byte("yz"))
	},
	"inject": func(w http.ResponseWriter, _ *http.Request, body []byte) {
		h := w.Header()
		h["X"] = []string{" a\r\nSet-Cookie: b ", "c\n"}
		h["Bad Name"], h[""], h["Lower"] = []string{"d"}, []string{"e"}, []string{"f", "g"}
		_, _ = w.Write(body)
	},
	"close": func(w http.ResponseWriter, _ *http.Request, body []byte) {
		w.Header().Set("Connection", "close")
		_, _ = w.Write(body)
	},
	"panic": func(http.ResponseWriter, *http.Request, []byte) { panic(http.ErrAbortHandler) },
	"cut": func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		_, _ = w.Write([]byte("x"))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	},
}

var behave = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.Header().Set("Connection", "close")
		w.WriteHeader(400)
		return
	}
	name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	if b, ok := behaviours[name]; ok {
		b(w, r, body)
		return
	}
	behaviours["echo"](w, r, body)
})

// fin is the last request of an exchange, and finished what its answer has in its head. If the
// bytes before are no whole requests, it becomes a part of them.
const (
	finPath  = "/p/fin"
	finished = "Echo-0: Content-Length=3\r\nRequest: POST" + finPath
)

// quiet is the time without an answer after which a client of an exchange closes its side: the
// server may wait for the rest of a request. The answers do not depend on it.
const quiet = 30 * time.Millisecond

// exchange sends text and a last request, and describes all answers until the server closes.
func exchange(t testing.TB, address, text string) (answers []string) {
	t.Helper()
	c := dial(t, address)
	_, _ = io.WriteString(c, text+post(finPath, "end")) // the server may close it before the end
	var got bytes.Buffer
	_ = c.SetReadDeadline(time.Now().Add(quiet))
	for buf := make([]byte, 64<<10); ; {
		n, err := c.Read(buf)
		got.Write(buf[:n])
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded), err == nil && bytes.Contains(got.Bytes(), []byte(finished)):
			_ = c.CloseWrite()
			_ = c.SetReadDeadline(time.Time{})
		case err != nil:
			_ = c.Close()
			return describe(&got)
		}
	}
}

// describe describes answers, without their dates.
func describe(got io.Reader) (answers []string) {
	r := bufio.NewReader(got)
	for {
		resp, err := http.ReadResponse(r, &http.Request{Method: http.MethodPost})
		if err != nil {
			return answers
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			body = append(body, "... cut"...)
		}
		resp.Header.Del("Date")
		answers = append(answers, fmt.Sprint(resp.Status, resp.Proto, resp.ContentLength, resp.TransferEncoding, resp.Close, resp.Header, string(body)))
	}
}

// both serves the behaviours with net/http alone and through a Listener.
func both(t testing.TB) (alone, through string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: behave, ReadHeaderTimeout: longTime, MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	t.Cleanup(func() {
		_ = srv.Close()
		<-ended
	})
	_, through = serve(t, Config{Handler: behave})
	return l.Addr().String(), through
}

// exchanges are the bytes of clients: all kinds of answers, and messages that parsers read in
// different ways, which is how requests are smuggled.
func exchanges() []string {
	const head = "POST /p/m HTTP/1.1\r\nHost: localhost\r\n"
	out := []string{
		"", "\r\n", "x", "GET /p/m HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.0\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "\x16\x03\x01\x02",
		post("/p/m", "a") + post("/p/m", "b") + post("/p/m", "") + post("/p/m", "d"),
		post("/p/m", "a") + "\r\n" + post("/p/m", "b") + "\r\n\r\n" + post("/p/m", "c") + "\r\n\r\n\r\n" + post("/p/m", "d"),
		"\r\n" + post("/p/m", "a"),
		post("/p/m", strings.Repeat("z", 3*readBytes)) + post("/p/m", "b"),
		post("/p/m", "a") + "GET /p/m HTTP/1.1\r\nHost: a\r\n\r\n" + post("/p/m", "b"),
		post("/p/m", "a")[:40], post("/p/m", "abc")[:len(post("/p/m", "abc"))-1], head, head + "Content-Length: 3", head + "Content-Length: 3\r\n",
		head + "Content-Length: 3\r\n\r\nabcPOST /p/m HTTP/1.1\r\n",
		head + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", head + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", head + "Content-Length: 3, 3\r\n\r\nabc",
		head + "Content-Length: +3\r\n\r\nabc", head + "Content-Length: -3\r\n\r\nabc", head + "Content-Length: 0x3\r\n\r\nabc", head + "Content-Length: 3 \r\n\r\nabc",
		head + "Content-Length: \r\n\r\n", head + "Content-Length:\r\n\r\nabc", head + "Content-Length: 003\r\n\r\nabc", head + "Content-Length: 99999999999999999999\r\n\r\nabc",
		head + "Content-Length : 3\r\n\r\nabc", head + " Content-Length: 3\r\n\r\nabc", head + "\tContent-Length: 3\r\n\r\nabc", head + "Content_Length: 3\r\n\r\nabc",
		head + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", head + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + post("/p/m", "b"),
		head + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", head + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", head + "Transfer-Encoding:\vchunked\r\nContent-Length: 3\r\n\r\nabc",
		head + "Transfer-Encoding: identity\r\nContent-Length: 3\r\n\r\nabc", head + "X: a\r\n b\r\nContent-Length: 3\r\n\r\nabc", head + "X: a\r\n\tContent-Length: 4\r\nContent-Length: 3\r\n\r\nabc",
		head + "X: a\nContent-Length: 3\r\n\r\nabc", head + "Content-Length: 3\n\nabc", "POST /p/m HTTP/1.1\nHost: a\nContent-Length: 3\n\nabc", head + "X: a\rContent-Length: 4\r\nContent-Length: 3\r\n\r\nabc",
		head + "Content-Length: 3\r\n\nabc", head + "Content-Length: 3\n\r\nabc", head + "X: \x00\r\nContent-Length: 3\r\n\r\nabc", head + "X\x00: a\r\nContent-Length: 3\r\n\r\nabc", head + ": a\r\nContent-Length: 3\r\n\r\nabc",
		head + "X\r\nContent-Length: 3\r\n\r\nabc", head + "X: \xff\r\nContent-Length: 3\r\n\r\nabc", head + "X:  a  \r\nContent-Length: 3\r\n\r\nabc", head + "X:\r\nContent-Length: 3\r\n\r\nabc",
		head + "Host: other\r\nContent-Length: 3\r\n\r\nabc", "POST /p/m HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "POST /p/m HTTP/1.1\r\nHost:\r\nContent-Length: 3\r\n\r\nabc", "POST /p/m HTTP/1.1\r\nHost: a b\r\nContent-Length: 3\r\n\r\nabc",
		"POST /p/m HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 3\r\n\r\nabc", "POST /p/m HTTP/1.1\r\nHost: a[]:\r\nContent-Length: 3\r\n\r\nabc", "POST /p/../m HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "POST /p//m/ HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
		"POST  /p/m HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "POST /p/m  HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "POST /p/m HTTP/1.1 \r\nHost: a\r\nContent-Length: 0\r\n\r\n", "POST /p/m HTTP/1.10\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
		"post /p/m HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "POST /p/m HTTP/2.0\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "POST /p/m\r\nHost: a\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		head + "Connection: close\r\nContent-Length: 3\r\n\r\nabc" + post("/p/m", "b"), head + "Connection: keep-alive, close\r\nContent-Length: 3\r\n\r\nabc" + post("/p/m", "b"), head + "Connection: keep-alive\r\nContent-Length: 3\r\n\r\nabc" + post("/p/m", "b"),
		head + "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc", head + "Expect: x\r\nContent-Length: 3\r\n\r\nabc", head + "Pragma: no-cache\r\nContent-Length: 3\r\n\r\nabc", head + "Trailer: A\r\nContent-Length: 3\r\n\r\nabc",
		head + "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AA\r\nContent-Length: 3\r\n\r\nabc",
		head + "X: " + strings.Repeat("a", 2*readBytes) + "\r\nContent-Length: 3\r\n\r\nabc", head + strings.Repeat("X: "+strings.Repeat("a", 1000)+"\r\n", 80) + "Content-Length: 3\r\n\r\nabc",
	}
	for _, name := range slices.Sorted(maps.Keys(behaviours)) {
		out = append(out, post("/p/"+name, "some text")+post("/p/m", "after it"))
	}
	return out
}

// compare sends the same bytes to net/http and through a Listener.
func compare(t testing.TB, alone, through, text string) {
	t.Helper()
	want, got := exchange(t, alone, text), exchange(t, through, text)
	if !slices.Equal(got, want) {
		t.Errorf("%.300q:\n got %.900q\nwant %.900q", text, got, want)
	}
}

// Whatever a client sends, the answers are those of net/http.
func TestSameAsNetHTTP(t *testing.T) {
	alone, through := both(t)
	for _, text := range exchanges() {
		compare(t, alone, through, text)
	}
}

func FuzzSameAsNetHTTP(f *testing.F) {
	for _, text := range exchanges() {
		if len(text) < readBytes {
			f.Add([]byte(text))
		}
	}
	alone, through := both(f)
	f.Fuzz(func(t *testing.T, text []byte) { compare(t, alone, through, string(text)) })
}
