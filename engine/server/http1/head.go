package http1

import (
	"bytes"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// head is the head of a request that this package answers.
type head struct {
	raw    []byte // with the empty line at its end
	path   string
	host   string
	length int64 // of the body; -1 is no head
	names  []string
	values []string // of the names
}

// lengthDigits is the most digits of a Content-Length.
const lengthDigits = 15

// parse reads the head at the start of b. It returns false if the head is not complete or not
// for this package. Nothing is corrected or guessed.
func (h *head) parse(b []byte, prefix string) bool {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return false
	}
	h.raw = append(h.raw[:0], b[:end+4]...)
	h.host, h.length, h.names, h.values = "", -1, h.names[:0], h.values[:0]
	text := string(b[:end])
	line, rest, _ := strings.Cut(text, "\r\n")
	method, line, _ := strings.Cut(line, " ")
	path, version, _ := strings.Cut(line, " ")
	if method != http.MethodPost || version != "HTTP/1.1" || !strings.HasPrefix(path, prefix) || !all(path, isPath) {
		return false
	}
	h.path = path
	for rest != "" {
		line, rest, _ = strings.Cut(rest, "\r\n")
		if !h.field(line) {
			return false
		}
	}
	return h.host != "" && h.length >= 0
}

// field reads a line of a head.
func (h *head) field(line string) bool {
	name, value, ok := strings.Cut(line, ":")
	value = strings.Trim(value, " ")
	if !ok || name == "" || !all(name, isName) || !all(value, isValue) {
		return false
	}
	name = textproto.CanonicalMIMEHeaderKey(name)
	switch name {
	case "Host":
		if h.host != "" || value == "" || !all(value, isHost) {
			return false
		}
		h.host = value
		return true // net/http, too, keeps it apart from the others
	case "Content-Length":
		n, err := strconv.ParseUint(value, 10, 63)
		if err != nil || len(value) > lengthDigits || !all(value, isDigit) {
			return false
		}
		h.length = int64(n)
	case "Connection":
		if !strings.EqualFold(value, "keep-alive") {
			return false
		}
	case "Transfer-Encoding", "Trailer", "Expect", "Upgrade", "Pragma", "Http2-Settings":
		return false
	}
	if slices.Contains(h.names, name) {
		return false
	}
	h.names, h.values = append(h.names, name), append(h.values, value)
	return true
}

// fill makes a request of the head and a blank one with a context. It uses the map and the URL
// that r has.
func (h *head) fill(r, blank *http.Request) {
	header, u := r.Header, r.URL
	if header == nil {
		header, u = make(http.Header, len(h.names)), new(url.URL)
	}
	clear(header)
	for i, name := range h.names {
		header[name] = h.values[i : i+1 : i+1]
	}
	*u = url.URL{Path: h.path}
	*r = *blank
	r.Method, r.URL, r.RequestURI = http.MethodPost, u, h.path
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
	r.Header, r.Host, r.ContentLength = header, h.host, h.length
}

// all reports whether all bytes of s are of a class.
func all(s string, class func(byte) bool) bool {
	for i := range len(s) {
		if !class(s[i]) {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isName(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || isDigit(c) || c == '-' || c == '_'
}

func isPath(c byte) bool { return isName(c) || c == '/' || c == '.' }

func isHost(c byte) bool { return isName(c) || c == '.' || c == ':' || c == '[' || c == ']' }

func isValue(c byte) bool { return ' ' <= c && c <= '~' }
