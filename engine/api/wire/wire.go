// Package wire holds what all REST listeners share: TorchServe's conventions for
// headers, error bodies and request bodies, so that a client written for
// TorchServe understands every answer.
//
// A handler reads a request with [ReadBody], answers with [JSON], and hands what
// went wrong to [Fail], which knows an [Error] from a fault of ours. [Stamp]
// puts the common headers on answers that are written by hand. A [Budget] bounds
// the memory of all requests that are being read and decoded, and [Counts]
// counts the answers of a server.
package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
)

// TypeJSON is the content type of every JSON answer.
const TypeJSON = "application/json"

// The error types, named as TorchServe names them, as far as it has them.
const (
	BadRequest         = "BadRequestException"
	InvalidKey         = "InvalidKeyException"
	Forbidden          = "ForbiddenException"
	ResourceNotFound   = "ResourceNotFoundException"
	ModelNotFound      = "ModelNotFoundException"
	VersionNotFound    = "ModelVersionNotFoundException"
	MethodNotAllowed   = "MethodNotAllowedException"
	Conflict           = "ConflictStatusException"
	NotAcceptable      = "NotAcceptableException"
	RequestTimeout     = "RequestTimeoutException"
	RequestTooLarge    = "RequestTooLargeException"
	ServiceUnavailable = "ServiceUnavailableException"
	InternalServer     = "InternalServerException"
)

// Error is an answer that is no success. It is the JSON body of one.
type Error struct {
	Code       int    `json:"code"` // HTTP status, 400 or above
	Type       string `json:"type"` // one of the types above
	Message    string `json:"message"`
	RetryAfter int    `json:"-"` // seconds, for the header; 0 is no header
}

func (e *Error) Error() string { return e.Message }

// Errorf makes an Error with a formatted message.
func Errorf(code int, typ, format string, a ...any) *Error {
	return &Error{Code: code, Type: typ, Message: fmt.Sprintf(format, a...)}
}

// NoRoute is the answer to a path that leads nowhere.
func NoRoute(r *http.Request) *Error {
	return Errorf(http.StatusNotFound, ResourceNotFound, "no such resource: %s", r.URL.Path)
}

// JSON answers with v, indented by two blanks and ended by a line feed.
func JSON(w http.ResponseWriter, code int, v any) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("wire: " + err.Error()) // answers are our own types, which have a JSON form
	}
	h := w.Header()
	Stamp(h, string(AppendID(nil)))
	h.Set("Content-Type", TypeJSON)
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(code)
	_, _ = w.Write(body.Bytes()) // the client may have left; nobody else wants to know
}

// Fail answers with err: as it says if it is an Error, else with 500. The
// connection closes after it, as TorchServe's does.
func Fail(w http.ResponseWriter, err error) {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		e = Errorf(http.StatusInternalServerError, InternalServer, "%v", err)
	}
	w.Header().Set("Connection", "close")
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(e.RetryAfter))
	}
	JSON(w, e.Code, e)
}

// The header values that never change; shared by all answers and never written.
var (
	pragma       = []string{"no-cache"}
	cacheControl = []string{"no-cache; no-store, must-revalidate, private"}
	expires      = []string{"Thu, 01 Jan 1970 00:00:00 UTC"}
)

// RequestID is the header with an answer's id, from [AppendID].
const RequestID = "X-Request-Id"

// Stamp puts the headers of every answer into h, with id as its request id.
func Stamp(h http.Header, id string) {
	h[RequestID] = []string{id}
	NoCache(h)
}

// NoCache puts those headers of every answer into h that never change.
func NoCache(h http.Header) {
	h["Pragma"] = pragma
	h["Cache-Control"] = cacheControl
	h["Expires"] = expires
}

// idLength is the length of what AppendID appends.
const idLength = 36

// AppendID appends a fresh request id, a random UUID. The id tells requests
// apart and guards nothing.
func AppendID(dst []byte) []byte {
	const hex = "0123456789abcdef"
	high, low := rand.Uint64(), rand.Uint64()
	high = high&^0xf000 | 0x4000 // version 4
	low = low&^(3<<62) | 1<<63   // variant 1
	for i := range idLength {
		switch i {
		case 8, 13, 18, 23:
			dst = append(dst, '-')
			continue
		}
		dst = append(dst, hex[high>>60])
		high = high<<4 | low>>60
		low <<= 4
	}
	return dst
}
