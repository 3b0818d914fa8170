package explain

import (
	"fmt"
	"slices"

	"sweetspot/engine/tensor"
)

// Score is the element of an output that is explained.
type Score struct {
	Target []int64 // its index
	Value  float64 // for the unchanged input

	output string
	shape  []int64
	at     int
}

// Score finds the score in an output for the unchanged input: at the target, or else the largest element, of equal ones
// the first.
func (o Options) Score(out tensor.Spec, t tensor.Tensor) (Score, error) {
	n := tensor.Elements(t.Shape)
	if t.Type == tensor.String || t.Type == tensor.Invalid || n <= 0 {
		return Score{}, fmt.Errorf("output %q (%s %v) has no number to explain; choose another one with output=NAME", out.Name, t.Type, t.Shape)
	}
	s := Score{output: out.Name, shape: slices.Clone(t.Shape)}
	if o.Target == nil {
		s.at = largest(t, int(n))
		s.Target = indexOf(s.at, t.Shape)
	} else if err := s.setTarget(o.Target); err != nil {
		return Score{}, err
	}
	s.Value = tensor.At(t.Type, t.Data, s.at)
	return s, nil
}

// largest returns the place of the largest of n elements; NaN is never the largest unless it is the first.
func largest(t tensor.Tensor, n int) int {
	best, value := 0, tensor.At(t.Type, t.Data, 0)
	for i := range n {
		if v := tensor.At(t.Type, t.Data, i); v > value || value != value && v == v {
			best, value = i, v
		}
	}
	return best
}

// indexOf returns the index of element i.
func indexOf(i int, shape []int64) []int64 {
	index := make([]int64, len(shape))
	for axis := len(shape) - 1; axis >= 0; axis-- {
		index[axis] = int64(i) % shape[axis]
		i /= int(shape[axis])
	}
	return index
}

// setTarget sets the place of an index. Leading axes of size 1 may be left out.
func (s *Score) setTarget(target []int64) error {
	missing := len(s.shape) - len(target)
	for axis := range max(0, missing) {
		if s.shape[axis] != 1 {
			missing = -1
		}
	}
	if missing < 0 && !(len(s.shape) == 0 && slices.Equal(target, []int64{0})) {
		return fmt.Errorf("target: %d indices, and the output %q of shape %v needs %d", len(target), s.output, s.shape, len(s.shape))
	}
	s.Target = append(make([]int64, max(0, missing)), target...)
	s.at = 0
	for axis, size := range s.shape {
		if s.Target[axis] >= size {
			return fmt.Errorf("target: index %d, and axis %d of the output %q has %d elements, from 0 on", s.Target[axis], axis, s.output, size)
		}
		s.at = s.at*int(size) + int(s.Target[axis])
	}
	return nil
}

// Difference returns by how much the score for a changed input is smaller than that for the unchanged one.
func (s Score) Difference(t tensor.Tensor) (float64, error) {
	if !slices.Equal(s.shape, t.Shape) {
		return 0, fmt.Errorf("output %q has the shape %v for a changed input and %v for the unchanged one: only outputs of one shape can be explained; choose another one with output=NAME", s.output, t.Shape, s.shape)
	}
	return s.Value - tensor.At(t.Type, t.Data, s.at), nil
}
