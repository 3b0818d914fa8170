package handler

import (
	"fmt"
	"strconv"
	"strings"

	"sweetspot/engine/tensor"
)

// decodeRaw takes data as the input's bytes. The tensor shares their memory.
func decodeRaw(param string, data []byte, s tensor.Spec) (tensor.Tensor, error) {
	shape, err := rawShape(param, len(data), s)
	if err != nil {
		return tensor.Tensor{}, fmt.Errorf("input %q: %w; %s", s.Name, err, wantOne(s))
	}
	return tensor.Tensor{Type: s.Type, Shape: shape, Data: data}, nil
}

// exactBytes tells whether n bytes are exactly one value of a fixed shape.
func exactBytes(s tensor.Spec, n int) bool {
	elements := tensor.Elements(s.Shape)
	return elements > 0 && n%s.Type.Size() == 0 && int64(n/s.Type.Size()) == elements
}

// rawShape is the shape of n bytes: the one the sender gave, else the input's
// own with its one open dimension, if there is one, made to fit.
func rawShape(param string, n int, s tensor.Spec) ([]int64, error) {
	if n == 0 || n%s.Type.Size() != 0 {
		return nil, fmt.Errorf("%d bytes, expected a multiple of %d for %s", n, s.Type.Size(), s.Type)
	}
	count := int64(n / s.Type.Size())
	if param != "" {
		given, err := parseShape(param)
		if err != nil {
			return nil, err
		}
		if tensor.Elements(given) != count {
			return nil, fmt.Errorf("%d bytes do not make %s of shape %v", n, s.Type, given)
		}
		return adapt(s.Shape, given)
	}
	shape, ok := fill(s.Shape, count)
	switch {
	case ok:
		return shape, nil
	case s.Fixed():
		return nil, fmt.Errorf("%d bytes, expected %d for %s %v", n, tensor.Elements(s.Shape)*int64(s.Type.Size()), s.Type, s.Shape)
	}
	return nil, fmt.Errorf("%d bytes do not tell the shape, expected %v; say it in the content type", n, s.Shape)
}

func parseShape(text string) ([]int64, error) {
	var out []int64
	for part := range strings.SplitSeq(text, "x") {
		d, err := strconv.ParseInt(part, 10, 64)
		if err != nil || d < 1 {
			return nil, fmt.Errorf("shape %q: %q is no size; write sizes joined by x, such as 1x128", text, part)
		}
		out = append(out, d)
	}
	return out, nil
}

// fill returns want with its open dimension, if there is exactly one, chosen so
// that the shape has count elements. A fixed shape is returned as it is.
func fill(want []int64, count int64) ([]int64, bool) {
	known, open := int64(1), -1
	for i, d := range want {
		switch {
		case d >= 0 && known*d > count: // also keeps the product from overflowing
			return nil, false
		case d >= 0:
			known *= d
		case open >= 0:
			return nil, false
		default:
			open = i
		}
	}
	if open < 0 {
		return want, known == count
	}
	if known == 0 || count%known != 0 {
		return nil, false
	}
	out := append([]int64(nil), want...)
	out[open] = count / known
	return out, true
}

// adapt accepts the shape a sender gave for an input of shape want: the same, or
// with a batch axis of 1 too many or too few, or flat. It returns the shape the
// model gets, or an error that says what was expected.
func adapt(want, got []int64) ([]int64, error) {
	switch {
	case tensor.Fits(want, got):
		return got, nil
	case len(got) > 0 && tensor.Fits(want, got[1:]):
		if got[0] == 1 {
			return got[1:], nil
		}
		return nil, fmt.Errorf("shape %v, expected %v: one request is one item, send %d requests and the server forms the batch", got, want, got[0])
	case len(want) > 0 && want[0] == 1 && tensor.Fits(want[1:], got):
		return append([]int64{1}, got...), nil
	case len(got) == 1:
		if shape, ok := fill(want, got[0]); ok {
			return shape, nil
		}
	}
	return nil, fmt.Errorf("shape %v, expected %v", got, want)
}
