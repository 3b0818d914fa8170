package oip

import (
	"fmt"
	"net/http"

	"sweetspot/engine/api/wire"
	protocol "sweetspot/engine/oip"
	"sweetspot/engine/payload"
)

// The media types of bodies.
const (
	typeJSON   = wire.TypeJSON
	typeBinary = "application/octet-stream"
)

// exchange is a call whose request and answer are bodies. It is the engine.Handler of one
// request.
type exchange struct {
	protocol.Call
	head       int // length of the JSON of the request; wholeBody, or 0 for a body without JSON
	answer     protocol.Answer
	answerHead int // length of the JSON of the answer
}

// split returns the JSON and the binary data of a body.
func (x *exchange) split(body []byte) (head, tail []byte, err error) {
	switch {
	case x.head == wholeBody:
		return body, nil, nil
	case x.head > len(body):
		return nil, nil, fmt.Errorf("the header %s is %d, but the body has %d bytes", protocol.HeaderLength, x.head, len(body))
	}
	return body[:x.head], body[x.head:], nil
}

// DecodedSize estimates the memory of decoding.
func (x *exchange) DecodedSize(b payload.Body) int64 {
	head, tail, err := x.split(b.Data)
	if err != nil {
		return 0
	}
	return x.Signature.RequestSize(head, tail)
}

// Decode decodes the body to the rows of the request.
func (x *exchange) Decode(r *payload.Request, b payload.Body) error {
	head, tail, err := x.split(b.Data)
	switch {
	case err != nil:
		return err
	case x.head == 0:
		err = x.Signature.Raw(&x.Request, tail)
	default:
		err = protocol.DecodeRequest(&x.Request, head, tail)
	}
	if err != nil {
		return err
	}
	return x.Call.Decode(r, b)
}

// Encode encodes the answer.
func (x *exchange) Encode(dst []byte, f payload.Format, a payload.Answer) (payload.Body, error) {
	out, err := x.Call.Encode(dst, f, a)
	if err != nil {
		return out, err
	}
	x.answer.ID, x.answer.Outputs = x.Request.ID, x.Outputs
	start := len(dst)
	out.Data, x.answerHead, err = protocol.AppendAnswer(dst, &x.answer)
	clear(x.Outputs) // let the outputs be collected
	if err != nil {
		return out, wire.Errorf(http.StatusBadRequest, wire.BadRequest, "%v", err) // asked for in a form that it has not
	}
	out.Type = typeJSON
	if x.answerHead < len(out.Data)-start {
		out.Type = typeBinary
	}
	return out, nil
}
