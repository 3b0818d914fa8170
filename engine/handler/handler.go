// Package handler decodes request bodies to the inputs of a model, and encodes its outputs
// to response bodies. It has only pure functions, without HTTP, engine or waiting; all are
// safe for concurrent use.
//
// [Decode] reads JSON, raw little-endian bytes, multipart forms and images. The content
// type, or without one the body itself, determines the encoding. Decode checks shape, type
// and range, so that a decoded item can run. Its errors are for people: they name the
// input, what is wrong, and what to send instead. [Negotiate] chooses the format of the
// answer from an Accept header, and [Encode] writes it. [ImageOptions] say how an image
// becomes an input. [Bodies] and [Describe] make legal bodies for load tests.
package handler

import (
	"fmt"

	"sweetspot/engine/handler/picture"
	"sweetspot/engine/tensor"
)

// The media types of bodies.
const (
	TypeJSON = "application/json"
	TypeRaw  = "application/octet-stream"
	typeForm = "multipart/form-data"
)

// Decode decodes one item, with one tensor per input in the order of inputs. The item may
// share memory with body and inputs, which must not change while it is in use.
//
// The value of a single input may be a JSON array (nested as the input's shape, or flat),
// raw bytes (with a content-type parameter such as shape=1x128 if more than one dimension
// is open), or, for an input that is an image, a JPEG or PNG file. Several inputs are
// {"name": array, ...}, {"inputs": [...]} of the Open Inference Protocol, or
// multipart/form-data with a part per input.
//
// If the content type does not tell the encoding, what is certain comes first: a body with
// exactly as many bytes as the single input has is raw, whatever its bytes are. Of other
// bodies, those that begin like an image or like JSON are that if they can be, and else raw.
// The types of text that clients send by default (text/plain, and forms of curl) make it
// JSON first: a body that is JSON for the inputs, from its first to its last byte, is JSON. For
// a single input of one text, such a body is the text itself, unless it is JSON or raw.
func Decode(contentType string, body []byte, inputs []tensor.Spec) (tensor.Item, error) {
	return decoder{inputs: inputs}.decode(contentType, body)
}

// decoder decodes bodies for a model.
type decoder struct {
	inputs []tensor.Spec
	images ImageOptions
}

// alone reports whether a value without a name is the value of the first input: there is no
// other, or the others may be left out. Optional inputs are last.
func (d decoder) alone() bool {
	return len(d.inputs) == 1 || len(d.inputs) > 1 && !d.inputs[0].Optional && d.inputs[1].Optional
}

func (d decoder) decode(contentType string, body []byte) (tensor.Item, error) {
	e, params, err := encodingOf(contentType)
	if err != nil {
		return nil, fmt.Errorf("%w; %s", err, d.hint())
	}
	if err := checkCharset(e, params, body); err != nil {
		return nil, err
	}
	if len(body) == 0 && !(d.alone() && (isExact(d.inputs[0], 0) || params["shape"] != "")) {
		return nil, fmt.Errorf("empty body; %s", d.hint())
	}
	item, err := d.decodeAny(contentType, e, params, body)
	if err != nil {
		return nil, err
	}
	for i, s := range d.inputs {
		if item[i].IsZero() {
			continue // left out
		}
		if err := d.checkValues(s, item[i]); err != nil {
			return nil, err
		}
	}
	return item, nil
}

// decodeAny decodes fields if the body is that, or else what its encoding says.
func (d decoder) decodeAny(contentType string, e encoding, params map[string]string, body []byte) (tensor.Item, error) {
	if e == textEncoding {
		if fields, ok := readFields(contentType, body); ok {
			if item, ok, err := d.decodeFields(fields); ok {
				return item, err
			}
		}
		if err := d.checkBareText(contentType, body); err != nil {
			return nil, err
		}
	}
	return d.decodeAs(e, params, body)
}

func (d decoder) decodeAs(e encoding, params map[string]string, body []byte) (tensor.Item, error) {
	switch {
	case e == multipartEncoding:
		return d.decodeMultipart(params["boundary"], body)
	case e == jsonEncoding || !d.alone() && e < rawEncoding:
		return d.decodeJSON(body)
	case !d.alone():
		return nil, fmt.Errorf("the body has one value, the model takes %d inputs; %s", len(d.inputs), d.hint())
	}
	s := d.inputs[0]
	if !mayBeJSON(e, body, s) {
		return d.one(d.decodeBinary(e, params["shape"], body, s))
	}
	item, err := d.decodeJSON(body)
	if err == nil || isOneText(s) {
		return item, err
	}
	if t, notRaw := d.decodeBinary(e, params["shape"], body, s); notRaw == nil {
		return d.one(t, nil)
	}
	return nil, err
}

// one returns the item of a single input; those that may be left out are.
func (d decoder) one(t tensor.Tensor, err error) (tensor.Item, error) {
	if err != nil {
		return nil, err
	}
	item := make(tensor.Item, len(d.inputs))
	item[0] = t
	return item, nil
}

// decodeBinary decodes the value of one input that is not JSON.
func (d decoder) decodeBinary(e encoding, shape string, data []byte, s tensor.Spec) (tensor.Tensor, error) {
	if e == imageEncoding || picture.Is(data) && !isExact(s, len(data)) && d.takesImage(s) {
		return d.decodeImage(data, s)
	}
	if isOneText(s) && e < rawEncoding {
		return d.decodeText(data, s)
	}
	return d.decodeRaw(shape, data, s)
}
