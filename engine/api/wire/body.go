package wire

import (
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"time"
)

// Limits bound one request's body.
type Limits struct {
	Size int64         // most bytes, at least 1
	Time time.Duration // longest wait for all of them; 0 does not limit
}

// firstRead is the most that is allocated on a client's word alone.
const firstRead = 1 << 20

// ReadBody appends r's whole body to dst. Its errors are Errors: 413 above the
// size, 408 after the time, 400 for a body that breaks off. The time limit ends
// with the body: what comes after may wait for as long as it takes.
func ReadBody(w http.ResponseWriter, r *http.Request, dst []byte, l Limits) ([]byte, error) {
	if r.ContentLength > l.Size {
		return dst, tooLarge(l.Size)
	}
	if l.Time > 0 {
		rc := http.NewResponseController(w)
		if rc.SetReadDeadline(time.Now().Add(l.Time)) == nil {
			defer func() { _ = rc.SetReadDeadline(time.Time{}) }()
		}
	}
	dst = slices.Grow(dst, int(min(max(r.ContentLength, 511), firstRead))+1)
	start := len(dst)
	for {
		n, err := r.Body.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if int64(len(dst)-start) > l.Size {
			return dst, tooLarge(l.Size)
		}
		switch {
		case errors.Is(err, io.EOF):
			return dst, nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			return dst, Errorf(http.StatusRequestTimeout, RequestTimeout, "the request body did not arrive within %v", l.Time)
		case err != nil:
			return dst, Errorf(http.StatusBadRequest, BadRequest, "request body: %v", err)
		case len(dst) == cap(dst):
			dst = slices.Grow(dst, len(dst))
		}
	}
}

func tooLarge(limit int64) *Error {
	return Errorf(http.StatusRequestEntityTooLarge, RequestTooLarge,
		"the request body is above max_request_size, %d bytes; send less, or start the server with a larger one", limit)
}
