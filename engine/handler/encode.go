package handler

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"sweetspot/engine/tensor"
)

// ErrNotAcceptable is wrapped by Negotiate's errors.
var ErrNotAcceptable = errors.New("no acceptable form of the answer")

// Format is the form of an answer.
type Format uint8

// The formats. JSON is the zero value: everything can be said in it.
const (
	JSON Format = iota // an array; of several outputs, an object by name
	Raw                // the bytes of the single output
	OIP                // Open Inference Protocol's {"outputs": [...]} with flat data
)

// Negotiate picks the answer's format from a request's Accept header. Raw needs
// one output; a caller who prefers raw gets several as OIP's flat arrays if JSON
// is acceptable too, else an error that wraps ErrNotAcceptable.
func Negotiate(accept string, outputs []tensor.Spec) (Format, error) {
	switch accept { // what nearly all callers send
	case "", "*/*", TypeJSON:
		return JSON, nil
	case TypeRaw:
		if len(outputs) == 1 {
			return Raw, nil
		}
	}
	asJSON, raw := preference(accept)
	switch {
	case raw <= asJSON && asJSON > 0:
		return JSON, nil
	case raw > 0 && len(outputs) == 1:
		return Raw, nil
	case raw > 0 && asJSON > 0:
		return OIP, nil
	case raw > 0:
		return 0, fmt.Errorf("%w: %s holds one output, the model has %d (%s); accept %s",
			ErrNotAcceptable, TypeRaw, len(outputs), names(outputs), TypeJSON)
	}
	return 0, fmt.Errorf("%w: %q; accept %s or %s", ErrNotAcceptable, accept, TypeJSON, TypeRaw)
}

// preference weighs the two media types in an Accept header; 0 is not accepted.
// A type that is named beats one that only a wildcard covers, and an earlier one
// a later one of the same weight.
func preference(accept string) (asJSON, raw float64) {
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

// quality reads the weight among a media type's parameters; 1 without one.
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

// Encode appends item, whose tensors follow outputs, to dst in format f and
// returns it with its content type. Numbers have the fewest digits that read
// back the same; NaN and infinities, which JSON lacks, are null there. Raw
// answers of a shape the model leaves open say it in the content type.
func Encode(dst []byte, f Format, outputs []tensor.Spec, item tensor.Item) ([]byte, string, error) {
	if len(item) != len(outputs) {
		return dst, "", fmt.Errorf("the model gave %d outputs, expected %d (%s)", len(item), len(outputs), names(outputs))
	}
	for i, t := range item {
		if n := tensor.Elements(t.Shape); n < 0 || t.Type.Size() == 0 || int64(len(t.Data)) != n*int64(t.Type.Size()) {
			return dst, "", fmt.Errorf("output %q: %d bytes do not make %s %v", outputs[i].Name, len(t.Data), t.Type, t.Shape)
		}
	}
	switch {
	case f == Raw && len(item) == 1:
		return append(dst, item[0].Data...), rawType(outputs[0], item[0]), nil
	case f == OIP:
		dst = appendOIP(dst, outputs, item)
	case len(item) == 1:
		dst = appendNested(dst, item[0])
	default:
		dst = appendNamed(dst, outputs, item)
	}
	return append(dst, '\n'), TypeJSON, nil
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
		dst = appendText(dst, outputs[i].Name)
		dst = append(dst, ": "...)
		dst = appendNested(dst, t)
	}
	return append(dst, '}')
}

func appendOIP(dst []byte, outputs []tensor.Spec, item tensor.Item) []byte {
	dst = append(dst, `{"outputs": [`...)
	for i, t := range item {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(dst, `{"name": `...)
		dst = appendText(dst, outputs[i].Name)
		dst = append(dst, `, "datatype": "`...)
		dst = append(dst, t.Type.String()...)
		dst = append(dst, `", "shape": [`...)
		for j, d := range t.Shape {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = strconv.AppendInt(dst, d, 10)
		}
		dst = append(dst, `], "data": `...)
		n := tensor.Elements(t.Shape)
		dst = appendNested(dst, tensor.Tensor{Type: t.Type, Shape: []int64{n}, Data: t.Data})
		dst = append(dst, '}')
	}
	return append(dst, "]}"...)
}

// appendNested writes t as arrays in arrays; a scalar is a number.
func appendNested(dst []byte, t tensor.Tensor) []byte {
	if len(t.Shape) == 0 {
		return appendValue(dst, t.Type, t.Data)
	}
	dst = append(dst, '[')
	n := int(t.Shape[0])
	if len(t.Data) == 0 {
		n = 0 // an axis of 0 further in: no rows to write
	}
	row := tensor.Tensor{Type: t.Type, Shape: t.Shape[1:]}
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		size := len(t.Data) / n
		row.Data = t.Data[i*size : (i+1)*size]
		dst = appendNested(dst, row)
	}
	return append(dst, ']')
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
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return append(dst, "null"...)
	}
	return strconv.AppendFloat(dst, v, 'g', -1, bits)
}

// appendText writes s as a JSON string.
func appendText(dst []byte, s string) []byte {
	b, err := json.Marshal(s)
	must(err) // any string has a JSON form
	return append(dst, b...)
}
