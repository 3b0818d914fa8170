package wire

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"
)

// Limits bound the bodies of requests.
type Limits struct {
	Size   int64         // most bytes of one, at least 1
	Time   time.Duration // longest wait for all bytes of one; 0 does not limit
	Budget *Budget       // what all of them together may hold; nil does not limit
}

// firstRead is the most that is allocated on a client's word alone.
const firstRead = 1 << 20

// unknownLength is the first buffer for a body that does not tell its length.
const unknownLength = 511

// ReadBody appends r's whole body to dst, whose memory it takes from c as it
// grows: all of it, since a buffer from an earlier request is held too. Its
// errors are Errors: 413 above the size, 408 after the time, 503 when c has no
// room, 400 for a body that breaks off. The time limit ends with the body: what
// comes after may wait for as long as it takes.
func ReadBody(w http.ResponseWriter, r *http.Request, dst []byte, l Limits, c *Claim) ([]byte, error) {
	if r.ContentLength > l.Size {
		return dst, tooLarge(l.Size)
	}
	if l.Time > 0 {
		rc := http.NewResponseController(w)
		if rc.SetReadDeadline(time.Now().Add(l.Time)) == nil {
			defer func() { _ = rc.SetReadDeadline(time.Time{}) }()
		}
	}
	most, start := l.Size, len(dst)
	if r.ContentLength >= 0 {
		most = r.ContentLength
	}
	// One byte more than is expected, for the read that finds the end.
	dst, err := reserve(dst, min(max(r.ContentLength, unknownLength), firstRead)+1, c)
	if err != nil {
		return dst, err
	}
	for {
		n, err := r.Body.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		size := int64(len(dst) - start)
		switch {
		case size > l.Size:
			return dst, tooLarge(l.Size)
		case errors.Is(err, io.EOF):
			return dst, nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			return dst, Errorf(http.StatusRequestTimeout, RequestTimeout, "the request body did not arrive within %v", l.Time)
		case err != nil:
			return dst, Errorf(http.StatusBadRequest, BadRequest, "request body: %v", err)
		case len(dst) == cap(dst):
			if dst, err = grow(dst, min(size, max(most-size, 0)+1), c); err != nil {
				return dst, err
			}
		}
	}
}

// reserve returns dst with room for n bytes more, its memory taken from c. A
// buffer of an earlier, larger request that finds no room any more is left
// behind for one of the size that is needed.
func reserve(dst []byte, n int64, c *Claim) ([]byte, error) {
	need := int64(len(dst)) + n
	if need <= int64(cap(dst)) && c.Take(int64(cap(dst))) == nil {
		return dst, nil
	}
	if err := c.Take(need); err != nil {
		return dst, err
	}
	return append(make([]byte, 0, need), dst...), nil
}

// grow returns dst, whose memory c holds, with n bytes more of it.
func grow(dst []byte, n int64, c *Claim) ([]byte, error) {
	if err := c.Take(n); err != nil {
		return dst, err
	}
	return append(make([]byte, 0, int64(cap(dst))+n), dst...), nil
}

func tooLarge(limit int64) *Error {
	return Errorf(http.StatusRequestEntityTooLarge, RequestTooLarge,
		"the request body is above max_request_size, %d bytes; send less, or start the server with a larger one", limit)
}
