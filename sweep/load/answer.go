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

// answer is what is kept of one answer. It takes bytes as they come and is
// reused; reading allocates only for errors, and for the first line that comes in
// pieces.
type answer struct {
	status int
	close  bool // the server closes the connection, or we cannot go on with it
	timing timing

	phase   phase
	length  int64 // of the body, -1 unless given
	chunked bool
	head    int    // header bytes that may still come
	left    int64  // bytes of the body or the chunk that are still to come
	sum     int64  // of the chunks
	part    []byte // of a line whose end is still to come
}

// phase is what an answer goes on with.
type phase uint8

const (
	statusLine phase = iota
	headers
	body
	rest // a body that ends with the connection
	chunkSize
	chunk
	chunkEnd
	trailers
	complete
)

// begin makes room for the next answer.
func (a *answer) begin() { *a = answer{head: headMost, part: a.part[:0]} }

// read reads one final answer to its last byte.
func (a *answer) read(r *bufio.Reader) error {
	a.begin()
	for a.phase != complete {
		if _, err := r.Peek(1); err != nil {
			return a.end(err)
		}
		there, _ := r.Peek(r.Buffered()) // is there
		n, err := a.feed(there)
		_, _ = r.Discard(n) // likewise
		if err != nil {
			return err
		}
	}
	return nil
}

// end takes the error, io.EOF for one, that ends the connection.
func (a *answer) end(err error) error {
	switch {
	case !errors.Is(err, io.EOF):
		return err
	case a.phase == rest:
		a.phase = complete
		return nil
	}
	return errors.New("answer: the connection was closed in the middle of it")
}

// feed takes the next bytes and returns how many of them are the answer's. It is
// complete when its phase says so.
func (a *answer) feed(b []byte) (n int, err error) {
	for n < len(b) && a.phase != complete && err == nil {
		if a.phase == body || a.phase == rest || a.phase == chunk {
			skip := min(a.left, int64(len(b)-n))
			n += int(skip)
			a.left -= skip
			if a.left == 0 {
				err = a.skipped()
			}
			continue
		}
		line, taken, whole := a.line(b[n:])
		n += taken
		switch {
		case taken == 0:
			err = fmt.Errorf("answer: a header line is longer than %d bytes", lineMost)
		case a.head < 0:
			err = fmt.Errorf("answer: headers are longer than %d bytes", headMost)
		case whole:
			err = a.take(line)
			a.part = a.part[:0]
		}
	}
	return n, err
}

// line takes a line from b, or what there is of it, and returns it without its
// end. It takes nothing when the line is too long.
func (a *answer) line(b []byte) (line []byte, taken int, whole bool) {
	i := bytes.IndexByte(b, '\n')
	whole, taken = i >= 0, i+1
	if !whole {
		taken = len(b)
	}
	if long := len(a.part) + taken; long > lineMost || long == lineMost && !whole {
		return nil, 0, false
	}
	a.head -= taken
	line = b[:taken]
	if len(a.part) > 0 || !whole {
		a.part = append(a.part, line...)
		line = a.part
	}
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r")), taken, whole
}

// take reads a whole line.
func (a *answer) take(line []byte) error {
	switch a.phase {
	case statusLine:
		a.phase, a.length, a.chunked = headers, -1, false
		return a.readStatus(line)
	case headers:
		if len(line) == 0 {
			return a.headed()
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			return fmt.Errorf("answer: header %.40q has no colon", line)
		}
		return a.header(name, bytes.TrimSpace(value))
	case chunkSize:
		return a.chunkSize(line)
	case chunkEnd:
		if len(line) > 0 {
			return errors.New("answer: a chunk is longer than it says")
		}
		a.awaitChunk()
	case trailers:
		if len(line) == 0 {
			a.phase = complete
		}
	}
	return nil
}

// headed decides what follows the headers.
func (a *answer) headed() error {
	switch {
	case a.status == 101:
		return errors.New("answer: 101 switching protocols: want plain HTTP/1.1")
	case a.status < 200:
		a.phase = statusLine
	case a.status == 204 || a.status == 304:
		a.phase = complete
	case a.chunked:
		a.awaitChunk()
	case a.length > 0:
		a.phase, a.left = body, a.length
	case a.length == 0:
		a.phase = complete
	default:
		a.phase, a.left, a.close = rest, answerMost+1, true
	}
	return nil
}

// skipped goes on after the last byte of a body or a chunk.
func (a *answer) skipped() error {
	switch a.phase {
	case rest:
		return fmt.Errorf("answer: more than %d bytes", answerMost)
	case chunk:
		a.phase, a.head = chunkEnd, headMost
	default:
		a.phase = complete
	}
	return nil
}

// awaitChunk expects a chunk's size, whose line is no header.
func (a *answer) awaitChunk() { a.phase, a.head = chunkSize, headMost }

// chunkSize reads the size of a chunk.
func (a *answer) chunkSize(line []byte) error {
	size, ok := parseChunk(line)
	a.sum += size
	if !ok || a.sum > answerMost {
		return fmt.Errorf("answer: chunk %.40q: want a size in hex, %d bytes in all at most", line, answerMost)
	}
	a.phase, a.left = chunk, size
	if size == 0 {
		a.phase = trailers
	}
	return nil
}

// readStatus reads "HTTP/1.1 200 OK".
func (a *answer) readStatus(line []byte) error {
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
