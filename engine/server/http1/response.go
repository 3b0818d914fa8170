package http1

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	bufferedBody = 2 << 10  // of a body before its head, and of a chunk; as in net/http
	bufferedAll  = 16 << 10 // of a head with a body of known length
	keptBytes    = 32 << 10 // the largest buffer that a connection keeps
)

// response is the http.ResponseWriter of a connection. A small answer is one write. The head is
// made by WriteHeader, except for the fields that depend on the body.
type response struct {
	c      *conn
	header http.Header
	names  []string // of header, sorted

	status  int // 0 before WriteHeader
	length  int64
	written int64

	out     []byte // not sent
	body    []byte // likewise; the start of a body whose head is not complete, or the next chunk
	framed  bool   // the head is complete
	chunked bool
	typed   bool // the handler has decided about the Content-Type
	closes  bool // the handler has sent Connection: close
	err     error
}

// reset makes the response ready for the next request.
func (w *response) reset() {
	if w.header == nil {
		w.header = http.Header{}
	}
	clear(w.header)
	*w = response{c: w.c, header: w.header, names: w.names, length: -1, out: keep(w.out), body: keep(w.body)}
}

// keep returns an empty buffer, the same one if it is not large.
func keep(b []byte) []byte {
	if cap(b) > keptBytes {
		return nil
	}
	return b[:0]
}

// Header returns the header of the answer. Changes after WriteHeader have no effect.
func (w *response) Header() http.Header { return w.header }

// hasBody reports whether an answer with the status may have a body.
func hasBody(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// WriteHeader begins the answer. Only the first status counts, except for those below 200, which
// announce another one.
func (w *response) WriteHeader(status int) {
	switch {
	case status < 100 || status > 999:
		panic(fmt.Sprintf("invalid WriteHeader code %v", status))
	case w.status != 0:
		return
	case status < 200 && status != http.StatusSwitchingProtocols:
		w.line(status)
		w.out = append(w.out, "\r\n"...)
		w.flush()
		return
	}
	w.status = status
	w.closes = strings.EqualFold(w.header.Get("Connection"), "close")
	_, w.typed = w.header["Content-Type"]
	w.typed = w.typed || w.header.Get("Content-Encoding") != ""
	if n, err := strconv.ParseInt(w.header.Get("Content-Length"), 10, 64); err == nil && n >= 0 && hasBody(status) {
		w.length = n
	}
	w.line(status)
	if w.length >= 0 && w.typed || !hasBody(status) {
		w.frame(nil)
	}
}

// line appends the status line and the fields of the handler.
func (w *response) line(status int) {
	w.out = append(w.out, "HTTP/1.1 "...)
	w.out = strconv.AppendInt(w.out, int64(status), 10)
	w.out = append(w.out, ' ')
	text := http.StatusText(status)
	if text == "" {
		w.out = append(w.out, "status code "...)
		text = strconv.Itoa(status)
	}
	w.out = append(append(w.out, text...), "\r\n"...)
	w.names = w.names[:0]
	for name := range w.header {
		if w.sends(name, status) {
			w.names = append(w.names, name)
		}
	}
	slices.Sort(w.names)
	for _, name := range w.names {
		for _, value := range w.header[name] {
			w.field(name, value)
		}
	}
}

// sends reports whether a field of the handler is sent as it is.
func (w *response) sends(name string, status int) bool {
	switch name {
	case "Transfer-Encoding", "Trailer":
		return false
	case "Content-Length":
		return w.length >= 0
	case "Content-Type":
		return status != http.StatusNotModified
	}
	return name != "" && all(name, isToken) && !strings.HasPrefix(name, http.TrailerPrefix)
}

// isToken is the class of the bytes of a field name.
func isToken(c byte) bool { return isName(c) || strings.IndexByte("!#$%&'*+.^`|~", c) >= 0 }

// field appends a field. A value cannot begin another line.
func (w *response) field(name, value string) {
	w.out = append(append(w.out, name...), ": "...)
	start := len(w.out)
	w.out = append(w.out, strings.Trim(value, " \t\r\n")...)
	for i, c := range w.out[start:] {
		if c == '\r' || c == '\n' {
			w.out[start+i] = ' '
		}
	}
	w.out = append(w.out, "\r\n"...)
}

// frame completes the head, with the start of the body if it is known. What it adds depends on
// the whole answer: whether its length is known, and whether the connection ends.
func (w *response) frame(body []byte) {
	w.framed = true
	if w.header["Date"] == nil {
		w.field("Date", w.c.l.dateText())
	}
	if !w.typed && len(body) > 0 && hasBody(w.status) {
		w.field("Content-Type", http.DetectContentType(body))
	}
	switch {
	case !hasBody(w.status) || w.header["Content-Length"] != nil && w.length >= 0:
	case w.length >= 0:
		w.field("Content-Length", strconv.FormatInt(w.length, 10))
	default:
		w.chunked = true
		w.field("Transfer-Encoding", "chunked")
	}
	if !w.closes && (w.c.l.draining.Load() || w.c.body.left > 0) {
		w.closes = true
		w.field("Connection", "close")
	}
	w.out = append(w.out, "\r\n"...)
}

// Write sends a part of the body, after 200 if there is no status yet.
func (w *response) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !hasBody(w.status) {
		return 0, http.ErrBodyNotAllowed
	}
	w.written += int64(len(p))
	switch {
	case w.length >= 0 && w.written > w.length:
		return 0, http.ErrContentLength // and the connection ends, because written is not length
	case w.framed && !w.chunked:
		w.plain(p)
	default:
		if w.body = append(w.body, p...); len(w.body) > bufferedBody {
			w.part()
		}
	}
	return len(p), w.err
}

// plain sends a part of a body of known length. It copies only small parts.
func (w *response) plain(p []byte) {
	if len(w.out)+len(p) <= bufferedAll {
		w.out = append(w.out, p...)
		return
	}
	w.flush()
	w.send(p)
}

// part completes the head, and appends the buffered body to it.
func (w *response) part() {
	if !w.framed {
		w.frame(w.body)
	}
	switch {
	case !w.chunked:
		w.plain(w.body)
	case len(w.body) > 0:
		w.out = append(strconv.AppendInt(w.out, int64(len(w.body)), 16), "\r\n"...)
		w.out = append(append(w.out, w.body...), "\r\n"...)
		if len(w.out) > bufferedBody {
			w.flush()
		}
	}
	w.body = w.body[:0]
}

// FlushError sends what is buffered. http.ResponseController uses it.
func (w *response) FlushError() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	w.part()
	w.flush()
	return w.err
}

// finish ends the answer. It reports whether another request may follow on the connection.
func (w *response) finish() bool {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.framed && w.length < 0 { // the whole body is known
		w.length = int64(len(w.body))
	}
	if w.part(); w.chunked {
		w.out = append(w.out, "0\r\n\r\n"...)
	}
	w.flush()
	return w.err == nil && !w.closes && (w.length < 0 || w.written == w.length) && w.status != http.StatusSwitchingProtocols
}

// flush sends the buffered bytes.
func (w *response) flush() {
	w.send(w.out)
	w.out = w.out[:0]
}

// send writes to the connection. After an error the client is gone.
func (w *response) send(p []byte) {
	if w.err != nil || len(p) == 0 {
		return
	}
	if _, w.err = w.c.nc.Write(p); w.err != nil {
		w.c.cancel()
	}
}

// SetReadDeadline sets the deadline of the body. http.ResponseController uses it.
func (w *response) SetReadDeadline(t time.Time) error { return w.c.nc.SetReadDeadline(t) }

// SetWriteDeadline sets the deadline of the answer. http.ResponseController uses it.
func (w *response) SetWriteDeadline(t time.Time) error { return w.c.nc.SetWriteDeadline(t) }
