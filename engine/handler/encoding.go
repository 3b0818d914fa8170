package handler

import (
	"fmt"
	"mime"
	"strings"

	"sweetspot/engine/tensor"
)

// encoding is the encoding of a body, or of a part of a form.
type encoding uint8

// The first two are not certain: the bytes decide.
const (
	unknownEncoding encoding = iota // there is no content type
	textEncoding                    // a type that clients send without being asked
	rawEncoding
	jsonEncoding
	imageEncoding
	multipartEncoding
)

// encodingOf returns the encoding that a content type names, with its parameters.
func encodingOf(contentType string) (encoding, map[string]string, error) {
	switch contentType {
	case TypeRaw: // the two frequent types need no parsing
		return rawEncoding, nil, nil
	case TypeJSON:
		return jsonEncoding, nil, nil
	case "":
		return unknownEncoding, nil, nil
	}
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return 0, nil, fmt.Errorf("content type %q: %v", contentType, err)
	}
	kind, sub, _ := strings.Cut(media, "/")
	switch {
	case isRawType(sub):
		return rawEncoding, params, nil
	case sub == "json" || strings.HasSuffix(sub, "+json"):
		return jsonEncoding, params, nil
	case media == typeForm:
		return multipartEncoding, params, nil
	case kind == "image":
		return imageEncoding, params, nil
	case media == "application/x-www-form-urlencoded" || media == "text/plain":
		return textEncoding, params, nil
	}
	return 0, nil, fmt.Errorf("content type %q is not supported", contentType)
}

// isRawType reports whether a subtype is one of bytes without a meaning, such as that of
// binary/octet-stream, with which object stores answer.
func isRawType(sub string) bool {
	switch sub {
	case "octet-stream", "x-octet-stream", "binary", "x-binary":
		return true
	}
	return false
}

// isExact reports whether n is the size in bytes of a value of an input with a fixed shape.
func isExact(s tensor.Spec, n int) bool {
	elements, size := tensor.Elements(s.Shape), s.Type.Size()
	return elements >= 0 && size > 0 && n%size == 0 && int64(n/size) == elements
}

// mayBeJSON reports whether the value data of s may be JSON although its encoding e does not
// say so.
func mayBeJSON(e encoding, data []byte, s tensor.Spec) bool {
	if isOneText(s) && e < rawEncoding {
		return isQuoted(e, data)
	}
	switch e {
	case unknownEncoding:
		first := (&scanner{b: data}).peek()
		return (first == '[' || first == '{') && !isExact(s, len(data))
	case textEncoding:
		switch first := (&scanner{b: data}).peek(); first {
		case '[', '{', '"', '-', 't', 'f', 'N', 'I':
			return true
		default:
			return isDigit(first)
		}
	}
	return false
}
