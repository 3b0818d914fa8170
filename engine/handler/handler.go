// Package handler decodes request bodies to the inputs of a model, and encodes its outputs
// to response bodies. It has only pure functions, without HTTP, engine or waiting; all are
// safe for concurrent use.
//
// [Decode] reads JSON, raw little-endian bytes, multipart forms and images. The content
// type, or without one the body itself, determines the encoding. Decode checks shape, type
// and range, so that a decoded item can run. Its errors are for people: they name the
// input, what is wrong, and what to send instead. [Negotiate] chooses the format of the
// answer from an Accept header, and [Encode] writes it. [Bodies] and [Describe] make legal
// bodies for load tests.
package handler

import (
	"bytes"
	"fmt"
	"mime"
	"strings"

	"sweetspot/engine/tensor"
)

// The media types of bodies.
const (
	TypeJSON = "application/json"
	TypeRaw  = "application/octet-stream"
	typeForm = "multipart/form-data"
)

// encoding is the encoding of a body, or of a part of a form.
type encoding uint8

const (
	rawEncoding encoding = iota
	jsonEncoding
	imageEncoding
	multipartEncoding
)

// Decode decodes one item, with one tensor per input in the order of inputs. The item may
// share memory with body and inputs, which must not change while it is in use.
//
// The value of a single input may be a JSON array (nested as the input's shape, or flat),
// raw bytes (with a content-type parameter such as shape=1x128 if more than one dimension
// is open), or, for a float input of shape [3 H W], a JPEG or PNG image. Several inputs
// are {"name": array, ...}, {"inputs": [...]} of the Open Inference Protocol, or
// multipart/form-data with a part per input.
func Decode(contentType string, body []byte, inputs []tensor.Spec) (tensor.Item, error) {
	if len(body) == 0 {
		return nil, fmt.Errorf("empty body; %s", hint(inputs))
	}
	f, params, err := detectEncoding(contentType, body)
	if err != nil {
		return nil, fmt.Errorf("%w; %s", err, hint(inputs))
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

func decodeAs(f encoding, params map[string]string, body []byte, inputs []tensor.Spec) (tensor.Item, error) {
	switch {
	case f == jsonEncoding:
		return decodeJSON(body, inputs)
	case f == multipartEncoding:
		return decodeMultipart(params["boundary"], body, inputs)
	case len(inputs) != 1:
		return nil, fmt.Errorf("the body has one value, the model takes %d inputs; %s", len(inputs), hint(inputs))
	}
	t, err := decodeBinary(f, params["shape"], body, inputs[0])
	if err != nil {
		return nil, err
	}
	return tensor.Item{t}, nil
}

// decodeBinary decodes the value of one input that is not JSON.
func decodeBinary(f encoding, shape string, data []byte, s tensor.Spec) (tensor.Tensor, error) {
	if f == imageEncoding || isImage(data) && acceptsImage(s) && !exactBytes(s, len(data)) {
		return decodeImage(data, s)
	}
	return decodeRaw(shape, data, s)
}

// detectEncoding determines the encoding of data from its content type, or else from its
// first bytes. URL-encoded forms and plain text do not count, because curl and other
// clients send these types by default.
func detectEncoding(contentType string, data []byte) (encoding, map[string]string, error) {
	switch contentType {
	case TypeRaw: // the two frequent types need no parsing
		return rawEncoding, nil, nil
	case TypeJSON:
		return jsonEncoding, nil, nil
	case "":
		return sniff(data), nil, nil
	}
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return 0, nil, fmt.Errorf("content type %q: %v", contentType, err)
	}
	switch {
	case media == TypeRaw:
		return rawEncoding, params, nil
	case media == TypeJSON || strings.HasSuffix(media, "+json"):
		return jsonEncoding, params, nil
	case media == typeForm:
		return multipartEncoding, params, nil
	case strings.HasPrefix(media, "image/"):
		return imageEncoding, params, nil
	case media == "application/x-www-form-urlencoded" || media == "text/plain":
		return sniff(data), params, nil
	}
	return 0, nil, fmt.Errorf("content type %q is not supported", contentType)
}

// sniff detects JSON by its first byte. Images are distinguished from raw bytes later, when
// the input is known.
func sniff(data []byte) encoding {
	rest := bytes.TrimLeft(data, " \t\r\n")
	if len(rest) > 0 && (rest[0] == '[' || rest[0] == '{') {
		return jsonEncoding
	}
	return rawEncoding
}
