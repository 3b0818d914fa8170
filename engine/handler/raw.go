package handler

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"sweetspot/engine/tensor"
)

// decodeRaw makes a tensor that shares the memory of data.
func (d decoder) decodeRaw(param string, data []byte, s tensor.Spec) (tensor.Tensor, error) {
	shape, err := rawShape(param, data, s)
	if err != nil {
		return tensor.Tensor{}, fmt.Errorf("input %q: %w; %s", s.Name, err, d.hintOne(s))
	}
	return tensor.Tensor{Type: s.Type, Shape: shape, Data: data}, nil
}

// partBytes is more than the bytes of a part of a form beside its data, with a usual name.
const partBytes = 1 << 10

// BodySize returns a size in bytes that is enough for an item as raw bytes or a form of them;
// 0 if an input has open dimensions, so that no size is enough.
func BodySize(inputs []tensor.Spec) int64 {
	size := int64(0)
	for _, s := range inputs {
		n := tensor.Elements(s.Shape)
		if n < 0 || n > math.MaxInt32 {
			return 0
		}
		if s.Type == tensor.String { // of any length
			return 0
		}
		size += n*int64(s.Type.Size()) + partBytes
	}
	return size
}

// rawShape returns the shape of data: the sender's shape parameter, or else the input's
// shape, with a single open dimension inferred.
func rawShape(param string, data []byte, s tensor.Spec) ([]int64, error) {
	n, count := len(data), tensor.Count(s.Type, data)
	switch {
	case count < 0 && s.Type == tensor.String:
		return nil, fmt.Errorf("%d bytes are not texts with their lengths before them, as 4 bytes each", n)
	case count < 0:
		return nil, fmt.Errorf("%d bytes, expected a multiple of %d for %s", n, s.Type.Size(), s.Type)
	}
	if param != "" {
		given, err := parseShape(param)
		if err != nil {
			return nil, err
		}
		if tensor.Elements(given) != count {
			return nil, fmt.Errorf("%d bytes do not fit %s of shape %v", n, s.Type, given)
		}
		return adaptShape(s.Shape, given)
	}
	shape, ok := inferOpenDimension(s.Shape, count)
	switch {
	case ok:
		return shape, nil
	case s.Type == tensor.String:
		return nil, fmt.Errorf("%d texts, expected %v", count, s.Shape)
	case s.Fixed():
		return nil, fmt.Errorf("%d bytes, expected %d for %s %v", n, tensor.Elements(s.Shape)*int64(s.Type.Size()), s.Type, s.Shape)
	}
	return nil, fmt.Errorf("%d bytes do not determine the shape, expected %v; add it to the content type", n, s.Shape)
}

func parseShape(text string) ([]int64, error) {
	var out []int64
	for part := range strings.SplitSeq(text, "x") {
		d, err := strconv.ParseInt(part, 10, 64)
		if err != nil || d < 0 {
			return nil, fmt.Errorf("shape %q: %q is not a size; write sizes joined by x, such as 1x128", text, part)
		}
		out = append(out, d)
	}
	return out, nil
}

// inferOpenDimension returns want with its single open dimension set so that the shape has
// count elements. A fixed shape is returned unchanged.
func inferOpenDimension(want []int64, count int64) ([]int64, bool) {
	if tensor.Elements(want) == count {
		return want, true
	}
	product, open := int64(1), -1
	for i, d := range want {
		switch {
		case d > 0 && product > math.MaxInt64/d:
			return nil, false
		case d >= 0:
			product *= d
		case open >= 0:
			return nil, false
		default:
			open = i
		}
	}
	if open < 0 || product == 0 || count%product != 0 {
		return nil, false
	}
	out := append([]int64(nil), want...)
	out[open] = count / product
	return out, true
}

// adaptShape converts the sender's shape got to the input's shape want. It accepts the same
// shape, a shape with an additional or missing leading axis of 1, a flat shape, and for a
// value without elements every other one too, because nested arrays cannot show its sizes.
func adaptShape(want, got []int64) ([]int64, error) {
	switch {
	case tensor.Fits(want, got):
		return got, nil
	case len(got) > 0 && got[0] > 0 && tensor.Fits(want, got[1:]):
		if got[0] == 1 {
			return got[1:], nil
		}
		return nil, fmt.Errorf("shape %v, expected %v: one request is one item, send %d requests and the server builds the batch", got, want, got[0])
	case len(want) > 0 && want[0] == 1 && tensor.Fits(want[1:], got):
		return append([]int64{1}, got...), nil
	case len(got) == 1:
		if shape, ok := inferOpenDimension(want, got[0]); ok {
			return shape, nil
		}
	}
	if tensor.Elements(want) == 0 && tensor.Elements(got) == 0 {
		return want, nil
	}
	return nil, fmt.Errorf("shape %v, expected %v", got, want)
}
