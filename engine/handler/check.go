package handler

import (
	"fmt"
	"strings"

	"sweetspot/engine/tensor"
)

// checkValues is CheckValues with what to send instead.
func (d decoder) checkValues(s tensor.Spec, t tensor.Tensor) error {
	if err := CheckValues(s, t); err != nil {
		return fmt.Errorf("%w; %s", err, d.hintOne(s))
	}
	return nil
}

// CheckValues reports the first value of t that s does not allow: a number outside the
// bounds, a bool that is neither 0 nor 1, or a text with a NUL, at which models end it. NaN and infinities are legal: they mask, and
// stand for missing values. t may have several items, with a further axis.
func CheckValues(s tensor.Spec, t tensor.Tensor) error {
	bad, text := -1, ""
	switch {
	case t.Type == tensor.String:
		return checkNUL(s, t)
	case s.Bounded:
		bad = firstOutside(t, s.Min, s.Max)
		text = "is outside " + formatFloat(s.Min) + " to " + formatFloat(s.Max)
	case t.Type == tensor.Bool:
		bad = firstOutside(t, 0, 1)
		text = "is not a bool, expected 0 or 1"
	}
	if bad < 0 {
		return nil
	}
	return fmt.Errorf("input %q: value %s%s %s", s.Name, formatFloat(tensor.At(t.Type, t.Data, bad)), indexText(t.Shape, bad), text)
}

// checkNUL reports the first text of t with a NUL.
func checkNUL(s tensor.Spec, t tensor.Tensor) error {
	texts, _ := tensor.Texts(t.Data)
	for i, text := range texts {
		if strings.IndexByte(text, 0) >= 0 {
			return fmt.Errorf("input %q: text %d has a NUL character, which a model cannot take", s.Name, i)
		}
	}
	return nil
}

// CheckSizes reports the first two dimensions of one name that have different sizes in item,
// among the inputs at the positions that which is true of. It explains why a model has failed, and
// is no reason to refuse an item that runs alone: some exporters give unrelated dimensions one
// name, such as those of the two texts of a dual encoder, and a dimension of size 1 may be
// broadcast.
func CheckSizes(inputs []tensor.Spec, item tensor.Item, which func(input int) bool) error {
	for _, l := range tensor.Lengths(inputs) {
		first := -1
		for k, d := range l.Dims {
			switch {
			case item[d.Tensor].IsZero() || !which(d.Tensor):
			case first < 0:
				first = k
			default:
				f := l.Dims[first]
				if a, b := item[f.Tensor].Shape[f.Axis], item[d.Tensor].Shape[d.Axis]; a != b {
					return fmt.Errorf("the dimension %q has the size %d in the input %q and %d in the input %q", l.Name, a, inputs[f.Tensor].Name, b, inputs[d.Tensor].Name)
				}
			}
		}
	}
	return nil
}

// firstOutside returns the index of the first value outside low..high, or -1.
func firstOutside(t tensor.Tensor, low, high float64) int {
	for i := range len(t.Data) / t.Type.Size() {
		if v := tensor.At(t.Type, t.Data, i); !(v >= low && v <= high) { // NaN is outside too
			return i
		}
	}
	return -1
}

// indexText formats the indices of element i: " at [0 17]"; "" for a scalar.
func indexText(shape []int64, i int) string {
	if len(shape) == 0 {
		return ""
	}
	index := make([]int64, len(shape))
	for d := len(shape) - 1; d >= 0; d-- {
		index[d] = int64(i) % shape[d]
		i = int(int64(i) / shape[d])
	}
	return fmt.Sprintf(" at %v", index)
}
