// Package handler turns request bodies into a model's inputs and a model's
// outputs into response bodies. It holds pure functions only: no HTTP, no
// engine, nothing that waits; all are safe for concurrent use.
//
// [Decode] reads JSON, raw little-endian bytes, multipart forms and pictures,
// whichever the content type (or, without one, the body itself) says, and checks
// shape, type and range, so that what it returns can run. Its errors are for
// people: they name the input, what is wrong, and what to send instead.
// [Negotiate] picks the form of the answer from an Accept header and [Encode]
// writes it. [Bodies] and [Describe] make legal bodies for load tests.
package handler

import (
	"bytes"
	"fmt"
	"mime"
	"strings"

	"sweetspot/engine/tensor"
)

// The media types with a meaning here.
const (
	TypeJSON = "application/json"
	TypeRaw  = "application/octet-stream"
	typeForm = "multipart/form-data"
)

// form is how a body, or a part of one, is written.
type form uint8

const (
	formRaw form = iota
	formJSON
	formPicture
	formMultipart
)

// Decode reads one item, with one tensor per input in the order of inputs. The
// item may share memory with body and inputs, which must not change while it is
// in use.
//
// A single input may be a JSON array (nested as the input's shape, or flat), its
// bytes (with a content-type parameter such as shape=1x128 when more than one
// dimension is open), or, for a float input of shape [3 H W], a JPEG or
// PNG picture. Several inputs come as {"name": array, ...}, as Open Inference
// Protocol's {"inputs": [...]}, or as multipart/form-data with a part per input.
func Decode(contentType string, body []byte, inputs []tensor.Spec) (tensor.Item, error) {
	if len(body) == 0 {
		return nil, fmt.Errorf("empty body; %s", want(inputs))
	}
	f, params, err := classify(contentType, body)
	if err != nil {
		return nil, fmt.Errorf("%w; %s", err, want(inputs))
	}
	item, err := decodeAs(f, params, body, inputs)
	if err != nil {
		return nil, err
	}
	for i, s := range inputs {
		if err := checkValues(s, item[i]); err != nil {
			return nil, err
		}
	}
	return item, nil
}

func decodeAs(f form, params map[string]string, body []byte, inputs []tensor.Spec) (tensor.Item, error) {
	switch {
	case f == formJSON:
		return decodeJSON(body, inputs)
	case f == formMultipart:
		return decodeMultipart(params["boundary"], body, inputs)
	case len(inputs) != 1:
		return nil, fmt.Errorf("the body carries one value, the model takes %d inputs; %s", len(inputs), want(inputs))
	}
	t, err := decodeBinary(f, params["shape"], body, inputs[0])
	if err != nil {
		return nil, err
	}
	return tensor.Item{t}, nil
}

// decodeBinary reads one input that is not JSON.
func decodeBinary(f form, shape string, data []byte, s tensor.Spec) (tensor.Tensor, error) {
	if f == formPicture || isPicture(data) && takesPicture(s) && !exactBytes(s, len(data)) {
		return decodePicture(data, s)
	}
	return decodeRaw(shape, data, s)
}

// classify decides how data is written: by its content type if that says, else
// by its first bytes. Form encoding and plain text say nothing: they are what
// curl and others claim when nobody told them better.
func classify(contentType string, data []byte) (form, map[string]string, error) {
	switch contentType {
	case TypeRaw: // the two hot ones need no parsing
		return formRaw, nil, nil
	case TypeJSON:
		return formJSON, nil, nil
	case "":
		return sniff(data), nil, nil
	}
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return 0, nil, fmt.Errorf("content type %q: %v", contentType, err)
	}
	switch {
	case media == TypeRaw:
		return formRaw, params, nil
	case media == TypeJSON || strings.HasSuffix(media, "+json"):
		return formJSON, params, nil
	case media == typeForm:
		return formMultipart, params, nil
	case strings.HasPrefix(media, "image/"):
		return formPicture, params, nil
	case media == "application/x-www-form-urlencoded" || media == "text/plain":
		return sniff(data), params, nil
	}
	return 0, nil, fmt.Errorf("content type %q is not understood", contentType)
}

// sniff guesses how untyped data is written. Pictures are told from raw bytes
// later, when the input is known.
func sniff(data []byte) form {
	rest := bytes.TrimLeft(data, " \t\r\n")
	if len(rest) > 0 && (rest[0] == '[' || rest[0] == '{') {
		return formJSON
	}
	return formRaw
}
