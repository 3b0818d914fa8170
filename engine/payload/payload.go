// Package payload holds what travels through the engine: what a caller asks of a
// model, the rows of it that a backend runs, and what comes back. A model takes
// tensors or named parts of bytes, and gives tensors or bytes, whole or streamed;
// nothing here knows a protocol.
//
// A [Request] has one row or several; each [Row] takes one place in a batch and
// has a [Result] of its own. What the rows of a request came to is its [Answer].
// Slices are shared, not copied: what a request holds must not change until it is
// answered, and for ever if its caller gave up before that.
package payload

import (
	"slices"

	"sweetspot/engine/tensor"
)

// Field is one header of a request or an answer.
type Field struct{ Name, Value string }

// Part is one named part of a request for a model that takes bytes: a field of a
// form, a query parameter, or a whole body, which is called "body".
type Part struct {
	Name string
	Type string // media type; "" is not known
	Data []byte
}

// Request is what a caller asks of a model: Items, or Parts with Header. The zero
// value asks for nothing and is refused.
type Request struct {
	// Items are the rows for a model that takes tensors. They run in batches of
	// the model's batch size, together with the rows of others, and are answered
	// together.
	Items []tensor.Item

	Parts  []Part  // the one row for a model that takes bytes
	Header []Field // the caller's, for handlers that look at it
	ID     string  // tells requests of a batch apart; "" where the model takes tensors

	// Streamed says that the caller takes the answer in pieces as they come.
	Streamed bool
}

// Rows is how many places in batches the request takes.
func (r Request) Rows() int {
	if r.IsBytes() {
		return 1
	}
	return len(r.Items)
}

// Bytes is the memory of the request's values.
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

// IsBytes tells whether the request is made of bytes rather than tensors.
func (r Request) IsBytes() bool { return len(r.Items) == 0 && (r.Parts != nil || r.Header != nil) }

// Row is what takes one place in a batch: a tensor for each input of the model, or a
// message. It is the backend's for the time of one run. It is small, since it is
// copied into each batch.
type Row struct {
	Item    tensor.Item
	Message *Message // nil where the model takes tensors
}

// Message is a row for a model that takes bytes.
type Message struct {
	Parts  []Part
	Header []Field
	ID     string
	// Stream takes pieces of the answer while the batch runs; nil where the caller
	// wants it whole. What a session writes to it comes before the Body of its
	// result.
	Stream *Stream
}

// Bytes is an answer that is no tensor. It belongs to the receiver.
type Bytes struct {
	Status int    // as in HTTP; 0 is 200
	Type   string // media type; "" is not known
	Header []Field
	Body   []byte
}

// Result is what came of one row: its outputs, or bytes, or why it failed. It
// belongs to the receiver.
type Result struct {
	Outputs tensor.Item
	Bytes   *Bytes
	Err     error
}

// Answer is what came of a request whose rows all succeeded.
type Answer struct {
	Items []tensor.Item // the outputs of each row, of a model that gives tensors
	Bytes *Bytes        // of one that gives bytes; with a Stream its Body is empty
	// Stream is the rest of an answer that comes in pieces. Its receiver reads it to
	// its end or closes it.
	Stream *Stream
}

// OfItems makes rows of tensors.
func OfItems(items ...tensor.Item) []Row {
	rows := make([]Row, len(items))
	for i, it := range items {
		rows[i].Item = it
	}
	return rows
}

// Part returns the first part of that name.
func (m *Message) Part(name string) (Part, bool) {
	if i := slices.IndexFunc(m.Parts, func(p Part) bool { return p.Name == name }); i >= 0 {
		return m.Parts[i], true
	}
	return Part{}, false
}

// Body is what a caller sent, whatever the protocol.
type Body struct {
	Type   string // media type with its parameters; "" is not known
	Data   []byte
	Header []Field // those a handler may look at
	Query  []Part  // parameters beside the body, in the order they came
}

// Format is a form of an answer that a handler and its caller agreed on. Its values
// are the handler's own.
type Format uint8
