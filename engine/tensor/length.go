package tensor

import "slices"

// Dim is one dimension of one tensor of an item.
type Dim struct{ Tensor, Axis int }

// Length is a size that the sender of an item chooses, such as the number of tokens of a
// text: the open dimensions of one name, or one open dimension without a name.
type Length struct {
	Name string // "" if the dimension has none
	Dims []Dim  // in the order of the inputs; at least one
}

// Lengths returns the lengths of a model with these inputs, in the order of the inputs; nil
// if no dimension is open.
func Lengths(inputs []Spec) []Length {
	var out []Length
	for i, s := range inputs {
		for axis, size := range s.Shape {
			if size >= 0 {
				continue
			}
			name := s.DimName(axis)
			at := slices.IndexFunc(out, func(l Length) bool { return l.Name == name })
			if name == "" || at < 0 {
				at = len(out)
				out = append(out, Length{Name: name})
			}
			out[at].Dims = append(out[at].Dims, Dim{i, axis})
		}
	}
	return out
}

// DimName is the name of a dimension, or "".
func (s Spec) DimName(axis int) string {
	if axis >= len(s.Dims) {
		return ""
	}
	return s.Dims[axis]
}

// WithLengths returns inputs with one size for each of their Lengths. Sizes that are missing
// or negative leave the dimensions open.
func WithLengths(inputs []Spec, sizes []int64) []Spec {
	out := slices.Clone(inputs)
	for k, l := range Lengths(inputs) {
		if k >= len(sizes) || sizes[k] < 0 {
			continue
		}
		for _, d := range l.Dims {
			if &out[d.Tensor].Shape[0] == &inputs[d.Tensor].Shape[0] {
				out[d.Tensor].Shape = slices.Clone(out[d.Tensor].Shape)
			}
			out[d.Tensor].Shape[d.Axis] = sizes[k]
		}
	}
	return out
}
