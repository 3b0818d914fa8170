// Package payload has the data that travels through the engine: the request of a caller,
// the rows that a backend runs, and the answer. A model takes tensors or named parts of
// bytes, and returns tensors or bytes, whole or streamed. The package knows no protocol.
//
// A [Request] has one row or several; each [Row] is one element of a batch and has its own
// [Result]. The results of its rows make the [Answer] of a request. Slices are not
// copied: the contents of a request must not change until it is answered, and never if
// its caller has abandoned it.
package payload

import (
	"fmt"
	"slices"

	"sweetspot/engine/tensor"
)

// Field is one header of a request or an answer.
type Field struct{ Name, Value string }

// Part is one named part of a request for a model that takes bytes: a form field, a
// query parameter, or a whole body, whose name is "body".
type Part struct {
	Name string
	Type string // media type; "" is unknown
	Data []byte
}

// Request is a request to a model: Items, or Parts with Header. The zero value has no rows
// and is refused.
type Request struct {
	// Items are the rows for a model that takes tensors. They run in batches of the
	// batch size, also with rows of other requests, and are answered together.
	Items []tensor.Item

	Parts  []Part  // the one row for a model that takes bytes
	Header []Field // of the caller's request, for handlers that read it
	ID     string  // unique in a batch; "" if the model takes tensors

	// Streamed means that the caller accepts a streamed answer.
	Streamed bool

	// State is what the handler's Decode leaves for its Encode, such as the size of a picture.
	// The engine does not read it.
	State any
}

// Rows returns the number of rows of the request.
func (r Request) Rows() int {
	if r.IsBytes() {
		return 1
	}
	return len(r.Items)
}

// Bytes returns the size of the request's data in bytes.
func (r Request) Bytes() int64 {
	n := int64(0)
	for _, item := range r.Items {
		for _, t := range item {
			n += int64(len(t.Data))
		}
	}
	for _, p := range r.Parts {
		n += int64(len(p.Data))
	}
	return n
}

// IsBytes reports whether the request has parts of bytes instead of tensors.
func (r Request) IsBytes() bool { return len(r.Items) == 0 && (r.Parts != nil || r.Header != nil) }

// Row is one element of a batch: a tensor for each input of the model, or a message. The
// backend may use it until its run ends. It is small because each batch copies it.
type Row struct {
	Item    tensor.Item
	Message *Message // nil if the model takes tensors
}

// Message is a row for a model that takes bytes.
type Message struct {
	Parts  []Part
	Header []Field
	ID     string
	// Stream takes pieces of the answer while the batch runs; nil if the caller takes
	// the answer whole. The pieces come before the Body of the result.
	Stream *Stream
}

// Bytes is an answer without tensors. It belongs to the receiver.
type Bytes struct {
	Status int    // as in HTTP; 0 is 200
	Type   string // media type; "" is unknown
	Header []Field
	Body   []byte
}

// Result is the result of one row: outputs, bytes, or an error. It belongs to the
// receiver.
type Result struct {
	Outputs tensor.Item
	Bytes   *Bytes
	Err     error
}

// Answer is the answer to a request whose rows all succeeded.
type Answer struct {
	Items []tensor.Item // the outputs of each row, if the model returns tensors
	Bytes *Bytes        // if the model returns bytes; with a Stream its Body is empty
	// Stream is the rest of a streamed answer. The receiver must read it to its end or
	// close it.
	Stream *Stream
	State  any // of the request
}

// StatusError is an error of a model's handler, with the status that it chose for the caller.
type StatusError struct {
	Status  int // as in HTTP, 200 to 599
	Message string
	Cause   string // the exception of the handler, for whoever runs the server and not for the caller; "" is unknown
}

func (e *StatusError) Error() string {
	text := fmt.Sprintf("the handler answered with the status %d: %s", e.Status, e.Message)
	if e.Cause != "" {
		text += ": " + e.Cause
	}
	return text
}

// OfItems returns a row for each item.
func OfItems(items ...tensor.Item) []Row {
	rows := make([]Row, len(items))
	for i, it := range items {
		rows[i].Item = it
	}
	return rows
}

// Part returns the first part called name.
func (m *Message) Part(name string) (Part, bool) {
	if i := slices.IndexFunc(m.Parts, func(p Part) bool { return p.Name == name }); i >= 0 {
		return m.Parts[i], true
	}
	return Part{}, false
}

// Body is the body of a request or an answer in any protocol, with what handlers need or
// set beside it.
type Body struct {
	Type   string // media type with its parameters; "" is unknown
	Data   []byte
	Header []Field // of a request: those that a handler may read
	Query  []Part  // of a request: the parameters of the URL, in their order
	Parts  []Part  // of a request whose protocol has named parts: they are there instead of Data
	ID     string  // of a request: what its answer is identified by; "" if no handler reads it
}

// Format is the format of an answer that a handler has negotiated with the caller. Each
// handler defines its own values.
type Format uint8
