// Package wire has the code that all REST listeners use: TorchServe's conventions for
// headers, error bodies and request bodies, so that clients of TorchServe understand every
// answer.
//
// A handler reads a request with [ReadBody] and answers with [JSON] or, for an error, with
// [Fail]. [SetHeaders] sets the common headers of other answers. A [Budget] bounds the memory
// of all requests that are being read and decoded, and [Counts] counts the answers of a
// server.
package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
)

// TypeJSON is the content type of every JSON answer.
const TypeJSON = "application/json"

// The error types, with TorchServe's names where it has them.
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
	InvalidModel       = "InvalidModelException"
	InvalidVersion     = "InvalidModelVersionException"
	NotImplemented     = "NotImplementedException"
)

// Error is an error answer; its JSON is the body.
type Error struct {
	Code       int    `json:"code"` // HTTP status, 400 or above
	Type       string `json:"type"` // one of the types above
	Message    string `json:"message"`
	RetryAfter int    `json:"-"` // seconds, for the header; 0 is no header
	// Text is the message again, for clients of KServe's protocols.
	Text string `json:"error,omitempty"`
}

func (e *Error) Error() string { return e.Message }

// Errorf makes an Error with a formatted message.
func Errorf(code int, typ, format string, a ...any) *Error {
	return &Error{Code: code, Type: typ, Message: fmt.Sprintf(format, a...)}
}

// NoRoute returns the answer to a path without a route.
func NoRoute(r *http.Request) *Error {
	return Errorf(http.StatusNotFound, ResourceNotFound, "no such resource: %s", r.URL.Path)
}

// NotAllowed refuses the method of r; allowed are those that its path takes.
func NotAllowed(w http.ResponseWriter, r *http.Request, allowed ...string) error {
	methods := strings.Join(allowed, ", ")
	w.Header().Set("Allow", methods)
	return Errorf(http.StatusMethodNotAllowed, MethodNotAllowed, "%s does not take %s; it takes %s", r.URL.Path, r.Method, methods)
}

// Status is the body of answers that only say what has happened.
type Status struct {
	Status string `json:"status"`
}

// Segments splits a path as TorchServe does: empty segments at the end do not count.
func Segments(path string) []string {
	path = strings.TrimRight(strings.TrimPrefix(path, "/"), "/")
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

// JSON answers with v as indented JSON and a line feed. After a status of 400 or above, the
// connection is closed, as TorchServe does.
func JSON(w http.ResponseWriter, code int, v any) {
	body := Text(v)
	h := w.Header()
	SetHeaders(h, string(AppendID(nil)))
	h.Set("Content-Type", TypeJSON)
	if code >= http.StatusBadRequest {
		h.Set("Connection", "close")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(code)
	_, _ = w.Write(body) // an error means that the client has left
}

// Text returns v as indented JSON and a line feed, as TorchServe writes it.
func Text(v any) []byte {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("wire: " + err.Error()) // all answer types can be encoded
	}
	return text.Bytes()
}

// Fail answers with err if it is an Error, else with 500 and its text.
func Fail(w http.ResponseWriter, err error) {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		e = Errorf(http.StatusInternalServerError, InternalServer, "%v", err)
	}
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(e.RetryAfter))
	}
	JSON(w, e.Code, e)
}

// Constant header values that all answers use.
var (
	pragma       = []string{"no-cache"}
	cacheControl = []string{"no-cache; no-store, must-revalidate, private"}
	expires      = []string{"Thu, 01 Jan 1970 00:00:00 UTC"}
)

// RequestID is the header of the request id that [AppendID] makes.
const RequestID = "X-Request-Id"

// SetHeaders sets the headers of every answer in h, with the request id.
func SetHeaders(h http.Header, id string) {
	h[RequestID] = []string{id}
	SetNoCache(h)
}

// SetNoCache sets the constant headers of every answer in h.
func SetNoCache(h http.Header) {
	h["Pragma"] = pragma
	h["Cache-Control"] = cacheControl
	h["Expires"] = expires
}

// idLength is the length of what AppendID appends.
const idLength = 36

// AppendID appends a new request id, a random UUID. The id is not a secret.
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
