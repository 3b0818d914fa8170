package wire

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// Limits bound the bodies of requests.
type Limits struct {
	Size   int64         // largest body in bytes, at least 1
	Flag   string        // command-line flag that sets Size; "" if there is none
	Time   time.Duration // longest time for one body to arrive; 0 is no limit
	Budget *Budget       // memory of all requests together; nil is no limit
	// Encoded means that who reads the body reads the header Content-Encoding, too.
	Encoded bool
}

// firstRead bounds the first buffer for a body, for any Content-Length.
const firstRead = 1 << 20

// unknownLength is the size of the first buffer for a body of unknown length.
const unknownLength = 511

// ReadBody appends r's whole body to dst. It reserves the memory of dst from c as dst grows;
// the whole capacity counts, also of a reused buffer. Its errors are Errors: 413 above the
// size, 408 after the time, 503 if there is no memory, 400 for an incomplete body. The time
// limit applies only to the body. A body with a Content-Encoding gets 415, unless l allows it: its
// bytes would be read as if they were the values.
func ReadBody(w http.ResponseWriter, r *http.Request, dst []byte, l Limits, c *Reservation) ([]byte, error) {
	if coding := codingOf(r.Header); coding != "" && !l.Encoded {
		w.Header().Set("Accept-Encoding", "identity")
		return dst, Errorf(http.StatusUnsupportedMediaType, BadRequest, "Content-Encoding %q is not supported; send the body as it is", coding)
	}
	if r.ContentLength > l.Size {
		return dst, l.tooLarge(r.ContentLength)
	}
	if l.Time > 0 {
		rc := http.NewResponseController(w)
		if rc.SetReadDeadline(time.Now().Add(l.Time)) == nil {
			defer func() { _ = rc.SetReadDeadline(time.Time{}) }()
		}
	}
	maxSize, start := l.Size, len(dst)
	if r.ContentLength >= 0 {
		maxSize = r.ContentLength
	}
	// One byte more than the length, so that the last read can return EOF.
	dst, err := prepare(dst, min(max(r.ContentLength, unknownLength), firstRead)+1, c)
	if err != nil {
		return dst, err
	}
	for {
		n, err := r.Body.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		size := int64(len(dst) - start)
		switch {
		case size > l.Size:
			return dst, l.tooLarge(0)
		case errors.Is(err, io.EOF):
			return dst, nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			return dst, Errorf(http.StatusRequestTimeout, RequestTimeout, "the request body did not arrive within %v", l.Time)
		case err != nil:
			return dst, Errorf(http.StatusBadRequest, BadRequest, "request body: %v", err)
		case len(dst) == cap(dst):
			if dst, err = grow(dst, min(size, max(maxSize-size, 0)+1), c); err != nil {
				return dst, err
			}
		}
	}
}

// codingOf returns the value of the header Content-Encoding; "" if the body is as it is.
func codingOf(h http.Header) string {
	for _, value := range h["Content-Encoding"] {
		for coding := range strings.SplitSeq(value, ",") {
			if coding = strings.TrimSpace(coding); coding != "" && !strings.EqualFold(coding, "identity") {
				return value
			}
		}
	}
	return ""
}

// prepare returns dst with capacity for n more bytes, reserved from c. If a large reused
// buffer does not fit into the budget, it allocates one of the needed size instead.
func prepare(dst []byte, n int64, c *Reservation) ([]byte, error) {
	need := int64(len(dst)) + n
	if need <= int64(cap(dst)) && c.Reserve(int64(cap(dst))) == nil {
		return dst, nil
	}
	if err := c.Reserve(need); err != nil {
		return dst, err
	}
	return append(make([]byte, 0, need), dst...), nil
}

// grow returns dst with n more bytes of capacity, reserved from c.
func grow(dst []byte, n int64, c *Reservation) ([]byte, error) {
	if err := c.Reserve(n); err != nil {
		return dst, err
	}
	return append(make([]byte, 0, int64(cap(dst))+n), dst...), nil
}

// tooLarge is the error for a body of size bytes; 0 is unknown.
func (l Limits) tooLarge(size int64) *Error {
	text := "the request body"
	if size > 0 {
		text += fmt.Sprintf(" of %d bytes", size)
	}
	text += fmt.Sprintf(" is above the limit of %d bytes; send less", l.Size)
	if l.Flag != "" {
		text += ", or start the server with a larger " + l.Flag
	}
	return Errorf(http.StatusRequestEntityTooLarge, RequestTooLarge, "%s", text)
}
