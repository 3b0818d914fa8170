package torchserve

import (
	"fmt"
	"math"
	"strconv"

	"sweetspot/engine/handler"
	"sweetspot/engine/tensor"
)

// appendNumber appends v with the fewest digits that read back as the same FP32 number. NaN and
// infinities, for which JSON has no syntax, are strings.
func appendNumber(dst []byte, v float32) []byte {
	switch wide := float64(v); {
	case math.IsNaN(wide):
		return append(dst, `"NaN"`...)
	case math.IsInf(wide, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(wide, -1):
		return append(dst, `"-Infinity"`...)
	default:
		return strconv.AppendFloat(dst, wide, 'g', -1, 32)
	}
}

// member is one member of a JSON object.
type member struct {
	name  string
	value float32
}

// appendObject appends an object with numbers. As in a dict of Python, of several members of one name the last value
// counts, at the place of the first.
func appendObject(dst []byte, members []member) []byte {
	places := make(map[string]int, len(members))
	unique := members[:0]
	for _, m := range members {
		if at, ok := places[m.name]; ok {
			unique[at].value = m.value
			continue
		}
		places[m.name] = len(unique)
		unique = append(unique, m)
	}
	dst = append(dst, '{')
	for i, m := range unique {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(handler.AppendString(dst, m.name), ':')
		dst = appendNumber(dst, m.value)
	}
	return append(dst, '}')
}

// floats returns the elements of a tensor of numbers as FP32.
func floats(t tensor.Tensor) []float32 {
	n := len(t.Data) / t.Type.Size()
	out := make([]float32, n)
	for i := range out {
		if t.Type == tensor.Float32 {
			out[i] = tensor.Float32At(t.Data, i)
		} else {
			out[i] = float32(tensor.At(t.Type, t.Data, i))
		}
	}
	return out
}

// softmax replaces the numbers at every stride-th place from the first by their softmax. As in PyTorch the largest is
// subtracted first.
func softmax(v []float32, stride int) {
	largest := float32(math.Inf(-1))
	for i := 0; i < len(v); i += stride {
		largest = max(largest, v[i])
	}
	sum := 0.0
	for i := 0; i < len(v); i += stride {
		e := math.Exp(float64(v[i] - largest))
		sum += e
		v[i] = float32(e)
	}
	for i := 0; i < len(v); i += stride {
		v[i] = float32(float64(v[i]) / sum)
	}
}

// isNumbers reports whether a spec is of numbers.
func isNumbers(s tensor.Spec) bool { return s.Type != tensor.String && s.Type != tensor.Bool }

// checkOutput reports outputs that the steps cannot read, so that no answer is a panic.
func checkOutput(t tensor.Tensor, name string, rank int) error {
	if t.Type.Size() == 0 || len(t.Shape) != rank || tensor.Elements(t.Shape) != int64(len(t.Data)/t.Type.Size()) {
		return fmt.Errorf("output %q: %d bytes of %s %v, expected numbers with %d dimensions", name, len(t.Data), t.Type, t.Shape, rank)
	}
	return nil
}
