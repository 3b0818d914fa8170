// Package protocol encodes and decodes the messages between a server and TorchServe's Python
// worker, ts/model_service_worker.py of TorchServe 0.12.
//
// The server sends a [Load] and then batches of requests; the worker answers each with a
// reply. All numbers are signed 32-bit integers, big endian. A text is its length in bytes and
// then the bytes; the length -1 ends a list. A message has no length of its own, so that after
// an error the connection can no longer be used.
//
// Append functions append a message to a slice. A [Reader] reads messages within [Limits]: the
// worker runs code of an archive and is not trusted. The package has no goroutines and does not
// wait. Both directions are here, so that tests can have a worker in Go.
package protocol

import (
	"encoding/binary"
	"fmt"
	"math"

	"sweetspot/engine/payload"
)

// The commands, the first byte of a message to the worker.
const (
	CommandLoad    = 'L'
	CommandPredict = 'I'
)

// endOfList ends lists in place of the length of the next element.
const endOfList = -1

// NoGPU is the GPU of a model that runs on the CPU.
const NoGPU = -1

// Load asks a worker to load its model. A worker loads one model in its life.
type Load struct {
	Name        string // of the model
	Dir         string // absolute path of the unpacked archive
	BatchSize   int    // for handlers that read it; a worker takes batches of any size
	Handler     string // as the manifest has it: image_classifier, file.py, file.py:function
	GPU         int    // NoGPU or the index of the GPU
	Envelope    string // "" is none
	LimitPixels bool   // keep the limit of PIL for the pixels of a picture
}

// LoadReply is the answer to a Load. Code is 200 if the model is loaded.
type LoadReply struct {
	Code    int
	Message string
}

// Reply is the answer to a batch, or a piece of a streamed one. If Code is not 200, all
// requests failed with that status, and the items say nothing.
type Reply struct {
	Code    int
	Message string
	Items   []Item
}

// Item is the answer to one request.
type Item struct {
	ID     string // of the request
	Type   string // media type; "" is none
	Status int    // as in HTTP
	Reason string // phrase of the status; usually ""
	Header []payload.Field
	Body   []byte
}

// streamNext is the header that says whether more pieces follow.
const streamNext = "ts_stream_next"

// More reports whether more pieces of a streamed answer follow this reply: an item says so.
func (r *Reply) More() bool {
	for i := range r.Items {
		for _, f := range r.Items[i].Header {
			if f.Name == streamNext && f.Value == "true" {
				return true
			}
		}
	}
	return false
}

// writer appends the parts of messages. The first error stays.
type writer struct {
	b   []byte
	err error
}

func (w *writer) int(n int) {
	if n < math.MinInt32 || n > math.MaxInt32 {
		if w.err == nil {
			w.err = fmt.Errorf("worker protocol: the number %d does not fit into 32 bits", n)
		}
		n = 0
	}
	w.b = binary.BigEndian.AppendUint32(w.b, uint32(int32(n))) //nolint:gosec // checked
}

func (w *writer) text(s string) {
	w.int(len(s))
	w.b = append(w.b, s...)
}

func (w *writer) bytes(b []byte) {
	w.int(len(b))
	w.b = append(w.b, b...)
}

// AppendLoad appends a request to load a model to dst. An error means that a number or a length
// does not fit into 32 bits.
func AppendLoad(dst []byte, l Load) ([]byte, error) {
	w := writer{b: append(dst, CommandLoad)}
	w.text(l.Name)
	w.text(l.Dir)
	w.int(l.BatchSize)
	w.text(l.Handler)
	w.int(l.GPU)
	w.text(l.Envelope)
	limit := byte(0)
	if l.LimitPixels {
		limit = 1
	}
	w.b = append(w.b, limit)
	return w.b, w.err
}

// AppendPredict appends a batch of requests to dst. Their IDs must differ, because the reply
// names them. Errors are those of AppendLoad.
func AppendPredict(dst []byte, batch []*payload.Message) ([]byte, error) {
	w := writer{b: append(dst, CommandPredict)}
	for _, m := range batch {
		w.text(m.ID)
		for _, f := range m.Header {
			w.text(f.Name)
			w.text(f.Value)
		}
		w.int(endOfList)
		for i := range m.Parts {
			w.text(m.Parts[i].Name)
			w.text(m.Parts[i].Type)
			w.bytes(m.Parts[i].Data)
		}
		w.int(endOfList)
	}
	w.int(endOfList)
	return w.b, w.err
}

// AppendLoadReply appends the answer to a Load to dst.
func AppendLoadReply(dst []byte, r LoadReply) ([]byte, error) {
	w := writer{b: dst}
	w.int(r.Code)
	w.text(r.Message)
	w.int(endOfList)
	return w.b, w.err
}

// AppendReply appends the answer to a batch, or a piece of one, to dst.
func AppendReply(dst []byte, r *Reply) ([]byte, error) {
	w := writer{b: dst}
	w.int(r.Code)
	w.text(r.Message)
	for i := range r.Items {
		it := &r.Items[i]
		w.text(it.ID)
		w.text(it.Type)
		w.int(it.Status)
		w.text(it.Reason)
		w.int(len(it.Header))
		for _, f := range it.Header {
			w.text(f.Name)
			w.text(f.Value)
		}
		w.bytes(it.Body)
	}
	w.int(endOfList)
	return w.b, w.err
}
