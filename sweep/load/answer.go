package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// The bounds of an answer. A header line has to fit the reader's buffer.
const (
	lineMost   = 16 << 10
	headMost   = 64 << 10
	answerMost = 64 << 20
)

// answer is what is kept of one answer. It is reused; reading allocates only
// for errors.
type answer struct {
	status int
	close  bool // the server closes the connection, or we cannot go on with it
	timing timing

	length  int64 // of the body, -1 unless given
	chunked bool
	head    int // header bytes that may still come
}

// read reads one final answer to its last byte. r has a buffer of lineMost.
func (a *answer) read(r *bufio.Reader) error {
	*a = answer{head: headMost}
	for {
		if err := a.readHead(r); err != nil {
			return inside(err)
		}
		if a.status >= 200 {
			return inside(a.readBody(r))
		}
		if a.status == 101 {
			return errors.New("answer: 101 switching protocols: want plain HTTP/1.1")
		}
	}
}

// inside names the end of a connection in the middle of an answer.
func inside(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("answer: the connection was closed in the middle of it")
	}
	return err
}

// readHead reads status line and headers.
func (a *answer) readHead(r *bufio.Reader) error {
	line, err := a.line(r)
	if err != nil {
		return err
	}
	if err := a.statusLine(line); err != nil {
		return err
	}
	a.length, a.chunked = -1, false
	for {
		line, err := a.line(r)
		if err != nil {
			return err
		}
		if len(line) == 0 {
			return nil
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			return fmt.Errorf("answer: header %.40q has no colon", line)
		}
		if err := a.header(name, bytes.TrimSpace(value)); err != nil {
			return err
		}
	}
}

// line reads one line without its end. The result is good until the next read.
func (a *answer) line(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	a.head -= len(line)
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, fmt.Errorf("answer: a header line is longer than %d bytes", lineMost)
	case err != nil:
		return nil, err
	case a.head < 0:
		return nil, fmt.Errorf("answer: headers are longer than %d bytes", headMost)
	}
	line = line[:len(line)-1]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line, nil
}

// statusLine reads "HTTP/1.1 200 OK".
func (a *answer) statusLine(line []byte) error {
	const start = "HTTP/1.x 200"
	ok := len(line) >= len(start) && string(line[:7]) == "HTTP/1." && line[8] == ' ' &&
		(len(line) == len(start) || line[len(start)] == ' ')
	a.status = 0
	for _, d := range line[min(9, len(line)):min(12, len(line))] {
		ok = ok && d >= '0' && d <= '9'
		a.status = a.status*10 + int(d-'0')
	}
	if !ok || a.status < 100 {
		return fmt.Errorf("answer: status line %.40q: want HTTP/1.1 and a number", line)
	}
	a.close = line[7] == '0' // unless a header says keep-alive
	return nil
}

// header reads the few headers that matter.
func (a *answer) header(name, value []byte) error {
	switch {
	case is(name, "content-length"):
		n, ok := parseLength(value)
		if !ok || a.length >= 0 && n != a.length {
			return fmt.Errorf("answer: content-length %.40q: want one number up to %d", value, answerMost)
		}
		a.length = n
	case is(name, "transfer-encoding"):
		if !is(value, "chunked") {
			return fmt.Errorf("answer: transfer-encoding %.40q: want chunked", value)
		}
		a.chunked = true
	case is(name, "connection"):
		a.close = a.close && !hasToken(value, "keep-alive") || hasToken(value, "close")
	case is(name, "server-timing"):
		a.timing.parse(value)
	}
	return nil
}

// readBody reads the body and forgets it.
func (a *answer) readBody(r *bufio.Reader) error {
	switch {
	case a.status == 204 || a.status == 304:
		return nil
	case a.chunked:
		return a.readChunks(r)
	case a.length >= 0:
		_, err := r.Discard(int(a.length))
		return err
	}
	a.close = true // the end of the connection is the end of the body
	_, err := r.Discard(answerMost + 1)
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("answer: more than %d bytes", answerMost)
}

// readChunks reads a chunked body with its trailers.
func (a *answer) readChunks(r *bufio.Reader) error {
	for sum := int64(0); ; {
		a.head = headMost // a chunk's line is no header
		line, err := a.line(r)
		if err != nil {
			return err
		}
		size, ok := parseChunk(line)
		sum += size
		if !ok || sum > answerMost {
			return fmt.Errorf("answer: chunk %.40q: want a size in hex, %d bytes in all at most", line, answerMost)
		}
		if size == 0 {
			break
		}
		if _, err := r.Discard(int(size)); err != nil {
			return err
		}
		if line, err = a.line(r); err != nil {
			return err
		}
		if len(line) > 0 {
			return errors.New("answer: a chunk is longer than it says")
		}
	}
	for { // trailers
		line, err := a.line(r)
		if err != nil || len(line) == 0 {
			return err
		}
	}
}

// parseLength reads a content length within bounds.
func parseLength(b []byte) (n int64, ok bool) {
	for _, d := range b {
		if d < '0' || d > '9' || n > answerMost {
			return 0, false
		}
		n = n*10 + int64(d-'0')
	}
	return n, len(b) > 0 && n <= answerMost
}

// parseChunk reads a chunk's size, which an extension may follow.
func parseChunk(line []byte) (n int64, ok bool) {
	if i := bytes.IndexByte(line, ';'); i >= 0 {
		line = line[:i]
	}
	line = bytes.TrimSpace(line)
	for _, d := range line {
		switch {
		case n > answerMost:
			return 0, false
		case d >= '0' && d <= '9':
			n = n<<4 | int64(d-'0')
		case d|32 >= 'a' && d|32 <= 'f':
			n = n<<4 | int64(d|32-'a'+10)
		default:
			return 0, false
		}
	}
	return n, len(line) > 0
}

// is tells whether b equals a lower-case word, in any case.
func is(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c |= 32
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// hasToken tells whether a comma-separated list holds a lower-case word.
func hasToken(list []byte, lower string) bool {
	for len(list) > 0 {
		var token []byte
		token, list, _ = bytes.Cut(list, []byte(","))
		if is(bytes.TrimSpace(token), lower) {
			return true
		}
	}
	return false
}
