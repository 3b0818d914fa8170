package handler

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// ErrNotAcceptable is wrapped by Negotiate's errors, and by those of Encode about an answer that
// only another format can have.
var ErrNotAcceptable = errors.New("no acceptable format of the answer")

// Format is the format of an answer.
type Format uint8

// The formats. JSON is the zero value because it can encode every answer.
const (
	JSON   Format = iota // an array; for several outputs, an object by name
	Raw                  // the bytes of the single output
	Binary               // the bytes of several outputs behind their JSON description
)

// HeaderLength is the header of an answer in the format Binary: the length of the JSON at
// its start. It is that of the binary tensor extension of the Open Inference Protocol.
const HeaderLength = "Inference-Header-Content-Length"

// Negotiate chooses the format of the answer from an Accept header. A caller that prefers
// bytes gets those of one output as Raw, and those of several as Binary. The error wraps
// ErrNotAcceptable.
func Negotiate(accept string, outputs []tensor.Spec) (Format, error) {
	bytes := Raw
	if len(outputs) != 1 {
		bytes = Binary
	}
	switch accept { // the header of nearly all callers
	case "", "*/*", TypeJSON:
		return JSON, nil
	case TypeRaw:
		return bytes, nil
	}
	asJSON, raw := preferences(accept)
	switch {
	case raw <= asJSON && asJSON > 0:
		return JSON, nil
	case raw > 0:
		return bytes, nil
	}
	return 0, fmt.Errorf("%w: %q; accept %s or %s", ErrNotAcceptable, accept, TypeJSON, TypeRaw)
}

// preferences returns the weights of the two media types in an Accept header; 0 is not
// accepted. For equal weights, a named type wins over a wildcard, and an earlier type over
// a later one.
func preferences(accept string) (asJSON, raw float64) {
	const named, later = 1e-6, 1e-9
	position := 0.0
	for part := range strings.SplitSeq(accept, ",") {
		media, params, _ := strings.Cut(part, ";")
		q := quality(params)
		if q == 0 {
			continue
		}
		q -= position * later
		position++
		switch strings.ToLower(strings.TrimSpace(media)) {
		case TypeJSON:
			asJSON = max(asJSON, q+named)
		case TypeRaw:
			raw = max(raw, q+named)
		case "*/*", "application/*":
			asJSON = max(asJSON, q)
		}
	}
	return asJSON, raw
}

// quality reads the weight from the parameters of a media type; the default is 1.
func quality(params string) float64 {
	for p := range strings.SplitSeq(params, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if strings.EqualFold(key, "q") {
			q, err := strconv.ParseFloat(value, 64)
			if err != nil || !(q >= 0) {
				return 0
			}
			return min(q, 1)
		}
	}
	return 1
}

// Encode appends item, with one tensor per output, to dst in format f. The Data of the result
// is dst; the result also has the content type and headers.
//
// In JSON, numbers have the fewest digits that read back unchanged; NaN and infinities are
// the strings "NaN", "Infinity" and "-Infinity". The content type of a raw answer has the
// shape if the output has open dimensions. The values of an output with labels are an object
// in JSON, and in their order else. A binary answer is the JSON
//
//	{"outputs": [{"name": "y", "datatype": "FP32", "shape": [2], "parameters": {"binary_data_size": 8}}, ...]}
//
// and then the bytes of each output.
func Encode(dst []byte, f Format, outputs []tensor.Spec, item tensor.Item) (payload.Body, error) {
	if len(item) != len(outputs) {
		return payload.Body{Data: dst}, fmt.Errorf("the model returned %d outputs, expected %d (%s)", len(item), len(outputs), inputNames(outputs))
	}
	for i, t := range item {
		if n := tensor.Elements(t.Shape); n < 0 || t.Type == tensor.Invalid || tensor.Count(t.Type, t.Data) != n {
			return payload.Body{Data: dst}, fmt.Errorf("output %q: %d bytes do not fit %s %v", outputs[i].Name, len(t.Data), t.Type, t.Shape)
		}
	}
	switch {
	case f == Raw && len(item) == 1:
		return payload.Body{Type: rawType(outputs[0], item[0]), Data: append(dst, item[0].Data...)}, nil
	case f == Binary:
		return encodeBinary(dst, outputs, item), nil
	}
	if err := checkTextOutputs(outputs, item); err != nil {
		return payload.Body{Data: dst}, err
	}
	if len(item) == 1 {
		dst = appendNested(dst, outputs[0].Labels, item[0])
	} else {
		dst = appendNamed(dst, outputs, item)
	}
	return payload.Body{Type: TypeJSON, Data: append(dst, '\n')}, nil
}

// encodeBinary appends the outputs in the format Binary.
func encodeBinary(dst []byte, outputs []tensor.Spec, item tensor.Item) payload.Body {
	start := len(dst)
	dst = appendDescription(dst, outputs, item)
	length := strconv.Itoa(len(dst) - start)
	for _, t := range item {
		dst = append(dst, t.Data...)
	}
	return payload.Body{Type: TypeRaw, Data: dst, Header: []payload.Field{{Name: HeaderLength, Value: length}}}
}

func rawType(s tensor.Spec, t tensor.Tensor) string {
	if s.Fixed() {
		return TypeRaw
	}
	return TypeRaw + "; shape=" + shapeText(t.Shape)
}

func appendNamed(dst []byte, outputs []tensor.Spec, item tensor.Item) []byte {
	dst = append(dst, '{')
	for i, t := range item {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = AppendString(dst, outputs[i].Name)
		dst = append(dst, ": "...)
		dst = appendNested(dst, outputs[i].Labels, t)
	}
	return append(dst, '}')
}

// appendDescription writes the JSON at the start of a binary answer.
func appendDescription(dst []byte, outputs []tensor.Spec, item tensor.Item) []byte {
	dst = append(dst, `{"outputs": [`...)
	for i, t := range item {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(dst, `{"name": `...)
		dst = AppendString(dst, outputs[i].Name)
		dst = append(dst, `, "datatype": "`...)
		dst = append(dst, t.Type.String()...)
		dst = append(dst, `", "shape": [`...)
		for j, d := range t.Shape {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = strconv.AppendInt(dst, d, 10)
		}
		dst = append(dst, `], "parameters": {"binary_data_size": `...)
		dst = strconv.AppendInt(dst, int64(len(t.Data)), 10)
		dst = append(dst, "}}"...)
	}
	return append(dst, "]}"...)
}

// appendNested writes t as nested arrays; a scalar is a number. With labels, the last dimension
// is an object with a member for each label.
func appendNested(dst []byte, labels []string, t tensor.Tensor) []byte {
	switch {
	case t.Type == tensor.String:
		texts, _ := tensor.Texts(t.Data)
		return appendTexts(dst, t.Shape, texts)
	case len(t.Shape) == 0:
		return appendValue(dst, t.Type, t.Data)
	case len(t.Shape) == 1 && labels != nil && int64(len(labels)) == t.Shape[0]:
		return appendLabelled(dst, labels, t)
	}
	dst = append(dst, '[')
	n := int(t.Shape[0])
	if len(t.Data) == 0 {
		n = 0 // an inner axis is 0: nothing to write
	}
	sub := tensor.Tensor{Type: t.Type, Shape: t.Shape[1:]}
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		size := len(t.Data) / n
		sub.Data = t.Data[i*size : (i+1)*size]
		dst = appendNested(dst, labels, sub)
	}
	return append(dst, ']')
}

// appendTexts writes texts as nested arrays of strings.
func appendTexts(dst []byte, shape []int64, texts []string) []byte {
	if len(shape) == 0 {
		return AppendString(dst, texts[0])
	}
	dst = append(dst, '[')
	for i := range int(shape[0]) {
		if len(texts) == 0 {
			break // an inner axis is 0: nothing to write
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		size := len(texts) / int(shape[0])
		dst = appendTexts(dst, shape[1:], texts[i*size:(i+1)*size])
	}
	return append(dst, ']')
}

// appendLabelled writes the values of t by their labels.
func appendLabelled(dst []byte, labels []string, t tensor.Tensor) []byte {
	dst = append(dst, '{')
	size := t.Type.Size()
	for i, label := range labels {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(AppendString(dst, label), ": "...)
		dst = appendValue(dst, t.Type, t.Data[i*size:])
	}
	return append(dst, '}')
}

func appendValue(dst []byte, t tensor.Type, b []byte) []byte {
	switch {
	case t == tensor.Bool:
		return strconv.AppendBool(dst, b[0] != 0)
	case t == tensor.Uint64:
		return strconv.AppendUint(dst, uint64(tensor.IntAt(t, b, 0)), 10)
	case !t.IsFloat():
		return strconv.AppendInt(dst, tensor.IntAt(t, b, 0), 10)
	}
	v, bits := tensor.At(t, b, 0), 32
	if t == tensor.Float64 {
		bits = 64
	}
	switch {
	case math.IsNaN(v):
		return append(dst, `"NaN"`...)
	case math.IsInf(v, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(v, -1):
		return append(dst, `"-Infinity"`...)
	}
	return strconv.AppendFloat(dst, v, 'g', -1, bits)
}

// AppendString appends s as a JSON string.
func AppendString(dst []byte, s string) []byte {
	b, err := json.Marshal(s)
	must(err) // every string can be encoded
	return append(dst, b...)
}
