package oip

import (
	"fmt"
	"slices"
	"strings"

	"sweetspot/engine"
	"sweetspot/engine/tensor"
)

// Signature describes the inputs and outputs of a model as clients of the protocol see them. It
// does not change after it is made, so that it is safe for concurrent use.
type Signature struct {
	Inputs, Outputs []Port
	// Batch means that the model has a batch axis: a request may have several rows.
	Batch bool

	platform string
}

// Port is an input or an output.
type Port struct {
	tensor.Spec // of one row
	// Axis is the position of the axis that a row does not have: that of the batch, or one of
	// size 1 if the model has no batch axis. -1 means that a row has the whole tensor.
	Axis int
	// Ragged means that the first dimension counts entries of all rows.
	Ragged bool
	// Index means that the values of a ragged output are positions of rows.
	Index bool
}

// NewSignature returns the signature of m. That of a model that takes and returns bytes instead
// of tensors has no inputs and no outputs.
func NewSignature(m *engine.Model) *Signature {
	s := &Signature{Batch: m.BatchAxis, platform: platformOf(m.Backend)}
	axis := func(t tensor.Spec) int {
		if slices.Contains(m.Unbatched, t.Name) {
			return -1
		}
		return min(m.Axes[t.Name], len(t.Shape))
	}
	for _, in := range m.Inputs {
		s.Inputs = append(s.Inputs, Port{Spec: in, Axis: axis(in)})
	}
	for _, out := range m.Outputs {
		p := Port{Spec: out, Axis: axis(out)}
		if slices.Contains(m.Ragged.Outputs, out.Name) {
			p.Axis, p.Ragged, p.Index = -1, true, out.Name == m.Ragged.Index
		}
		s.Outputs = append(s.Outputs, p)
	}
	return s
}

// platformOf returns the name that the protocol's list of platforms has for a backend, or else
// that of the backend.
func platformOf(backend string) string {
	if backend == "onnx" {
		return "onnxruntime_onnx"
	}
	return backend
}

// Metadata describes the model name.
func (s *Signature) Metadata(name string, versions ...string) ModelMetadata {
	describe := func(ports []Port) []TensorMetadata {
		out := make([]TensorMetadata, len(ports))
		for i, p := range ports {
			out[i] = TensorMetadata{p.Name, p.Type.String(), p.WholeShape(s.Batch)}
		}
		return out
	}
	return ModelMetadata{Name: name, Versions: versions, Platform: s.platform, Inputs: describe(s.Inputs), Outputs: describe(s.Outputs)}
}

// WholeShape returns the shape of the whole tensor; -1 is an open dimension. batch says whether
// the model has a batch axis. A shape of unknown rank is [-1], because the protocol has no word
// for it.
func (p Port) WholeShape(batch bool) []int64 {
	switch {
	case p.Shape == nil:
		return []int64{-1}
	case p.Axis < 0:
		return append([]int64{}, p.Shape...)
	}
	n := int64(1)
	if batch {
		n = -1
	}
	return withAxis(p.Shape, p.Axis, n)
}

// withAxis returns shape with one more axis of size n. A shape of a lower rank than the axis
// gets it at the end.
func withAxis(shape []int64, axis int, n int64) []int64 {
	axis = min(axis, len(shape))
	out := make([]int64, 0, len(shape)+1)
	out = append(append(out, shape[:axis]...), n)
	return append(out, shape[axis:]...)
}

// fits reports whether shape is one of the whole tensor, and how many rows it has.
func (p Port) fits(shape []int64, batch bool) (rows int64, ok bool) {
	if p.Axis < 0 {
		return 1, tensor.Fits(p.Shape, shape)
	}
	if len(shape) != len(p.Shape)+1 || !tensor.Fits(p.Shape[:p.Axis], shape[:p.Axis]) || !tensor.Fits(p.Shape[p.Axis:], shape[p.Axis+1:]) {
		return 0, false
	}
	rows = shape[p.Axis]
	return rows, rows == 1 || batch && rows >= 0
}

// shapeError says which shape the port takes instead of one that does not fit.
func (p Port) shapeError(shape []int64, batch bool) error {
	text := fmt.Sprintf("input %q: shape %v, expected %v", p.Name, shape, p.WholeShape(batch))
	switch {
	case p.Axis >= 0 && batch:
		text += fmt.Sprintf(", where dimension %d counts the rows: it is 1 for a single one", p.Axis)
	case p.Axis >= 0 && len(shape) == len(p.Shape)+1 && shape[p.Axis] > 1:
		text += ": this model has no batch axis, so that a request has one row"
	}
	return fmt.Errorf("%s", text)
}

// find returns the position of the port called name.
func find(ports []Port, name, kind string) (int, error) {
	for i := range ports {
		if ports[i].Name == name {
			return i, nil
		}
	}
	names := make([]string, len(ports))
	for i, p := range ports {
		names[i] = fmt.Sprintf("%q", p.Name)
	}
	have := strings.Join(names, ", ")
	if have == "" {
		have = "none"
	}
	return 0, fmt.Errorf("unknown %s %q; the model has %s", kind, name, have)
}
