package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// The limits of an answer. A header line must fit into the reader's buffer.
const (
	maxLine   = 16 << 10
	maxHeader = 64 << 10
	maxAnswer = 64 << 20
)

// answer parses one answer incrementally. It is reused; it allocates only for errors, and for
// the first line that arrives in several parts.
type answer struct {
	status int
	close  bool // the connection cannot be reused
	timing timing

	phase       phase
	length      int64 // of the body; -1 if there is no Content-Length
	chunked     bool
	head        int    // header bytes that are still allowed
	left        int64  // remaining bytes of the body or the chunk
	sum         int64  // size of all chunks so far
	partialLine []byte // received part of an incomplete line
	keep        bool   // the body is copied to data, if it is not larger than maxKept
	data        []byte
}

// phase is the part of the answer that comes next.
type phase uint8

const (
	statusLine phase = iota
	headers
	body
	untilClose // a body that ends when the connection is closed
	chunkSize
	chunk
	chunkEnd
	trailers
	complete
)

// begin resets the state for the next answer.
func (a *answer) begin() {
	*a = answer{head: maxHeader, partialLine: a.partialLine[:0], keep: a.keep, data: a.data[:0]}
}

// read reads one final answer completely.
func (a *answer) read(r *bufio.Reader) error {
	a.begin()
	for a.phase != complete {
		if _, err := r.Peek(1); err != nil {
			return a.end(err)
		}
		buffered, _ := r.Peek(r.Buffered()) // cannot fail
		n, err := a.feed(buffered)
		_, _ = r.Discard(n) // cannot fail
		if err != nil {
			return err
		}
	}
	return nil
}

// end handles the error, such as io.EOF, that ended the connection.
func (a *answer) end(err error) error {
	switch {
	case !errors.Is(err, io.EOF):
		return err
	case a.phase == untilClose:
		a.phase = complete
		return nil
	}
	return errors.New("answer: the connection was closed before its end")
}

// feed parses the next bytes and returns how many belong to the answer, which is complete when
// its phase is complete.
func (a *answer) feed(b []byte) (n int, err error) {
	for n < len(b) && a.phase != complete && err == nil {
		if a.phase == body || a.phase == untilClose || a.phase == chunk {
			skip := min(a.left, int64(len(b)-n))
			if a.keep {
				a.copyData(b[n : n+int(skip)])
			}
			n += int(skip)
			a.left -= skip
			if a.left == 0 {
				err = a.endData()
			}
			continue
		}
		line, used, whole := a.line(b[n:])
		n += used
		switch {
		case used == 0:
			err = fmt.Errorf("answer: a header line is longer than %d bytes", maxLine)
		case a.head < 0:
			err = fmt.Errorf("answer: headers are longer than %d bytes", maxHeader)
		case whole:
			err = a.handleLine(line)
			a.partialLine = a.partialLine[:0]
		}
	}
	return n, err
}

// copyData copies a part of the body.
func (a *answer) copyData(b []byte) {
	if len(a.data)+len(b) > maxKept {
		a.keep, a.data = false, nil
		return
	}
	a.data = append(a.data, b...)
}

// line reads a line, or a part of one, from b and returns it without its end. used is the
// number of bytes, or 0 if the line is too long; whole reports whether the line is complete.
func (a *answer) line(b []byte) (line []byte, used int, whole bool) {
	i := bytes.IndexByte(b, '\n')
	whole, used = i >= 0, i+1
	if !whole {
		used = len(b)
	}
	if long := len(a.partialLine) + used; long > maxLine || long == maxLine && !whole {
		return nil, 0, false
	}
	a.head -= used
	line = b[:used]
	if len(a.partialLine) > 0 || !whole {
		a.partialLine = append(a.partialLine, line...)
		line = a.partialLine
	}
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r")), used, whole
}

// handleLine handles a complete line.
func (a *answer) handleLine(line []byte) error {
	switch a.phase {
	case statusLine:
		a.phase, a.length, a.chunked = headers, -1, false
		return a.readStatus(line)
	case headers:
		if len(line) == 0 {
			return a.endHeaders()
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			return fmt.Errorf("answer: header %.40q has no colon", line)
		}
		return a.header(name, bytes.TrimSpace(value))
	case chunkSize:
		return a.readChunkSize(line)
	case chunkEnd:
		if len(line) > 0 {
			return errors.New("answer: a chunk is longer than its size")
		}
		a.awaitChunk()
	case trailers:
		if len(line) == 0 {
			a.phase = complete
		}
	}
	return nil
}

// endHeaders sets the phase after the headers.
func (a *answer) endHeaders() error {
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
		a.phase, a.left, a.close = untilClose, maxAnswer+1, true
	}
	return nil
}

// endData sets the phase after the last byte of a body or a chunk.
func (a *answer) endData() error {
	switch a.phase {
	case untilClose:
		return fmt.Errorf("answer: more than %d bytes", maxAnswer)
	case chunk:
		a.phase, a.head = chunkEnd, maxHeader
	default:
		a.phase = complete
	}
	return nil
}

// awaitChunk sets the phase for the size of a chunk.
func (a *answer) awaitChunk() { a.phase, a.head = chunkSize, maxHeader }

// readChunkSize parses the size of a chunk.
func (a *answer) readChunkSize(line []byte) error {
	size, ok := parseChunk(line)
	a.sum += size
	if !ok || a.sum > maxAnswer {
		return fmt.Errorf("answer: chunk %.40q: want a size in hex, %d bytes in all at most", line, maxAnswer)
	}
	a.phase, a.left = chunk, size
	if size == 0 {
		a.phase = trailers
	}
	return nil
}

// readStatus parses "HTTP/1.1 200 OK".
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
	a.close = line[7] == '0' // unless the header is keep-alive
	return nil
}

// header handles a header; most are ignored.
func (a *answer) header(name, value []byte) error {
	switch {
	case is(name, "content-length"):
		n, ok := parseLength(value)
		if !ok || a.length >= 0 && n != a.length {
			return fmt.Errorf("answer: content-length %.40q: want one number up to %d", value, maxAnswer)
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
