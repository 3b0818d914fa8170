package onnx

import (
	"fmt"
	"slices"

	ort "github.com/yalue/onnxruntime_go"

	"sweetspot/engine"
	"sweetspot/engine/tensor"
)

// tensorPort is one input or output.
type tensorPort struct {
	tensor.Spec
	binding
	batched bool // the tensor has a batch axis that Shape does not have
	axis    int  // where it is
	ragged  bool // the first dimension counts entries of all items
	// size is the size of one item in bytes, or -1 if it is only known after a run: then
	// the runtime allocates the output.
	size int64
	// fill is the value of a constant, or of an optional input that an item leaves out.
	fill     []byte
	constant bool
	follows  []tensor.Dim // where the open dimensions of a constant have their sizes

	// lifted means that the runtime takes the scalar with the shape [1], because the wrapper cannot
	// make it without dimensions.
	lifted bool

	slot int // in the runtime's inputs or outputs
	// flat means that the runtime returns the output in two values, its shape and its
	// numbers without a shape, because the wrapper cannot take it otherwise.
	flat bool
	// input is the input that the output is, and same the earlier output of the same
	// name; -1 if there is none. The runtime would not write these.
	input, same int
}

func newPort(s tensor.Spec, m *engine.Model) (tensorPort, error) {
	p := tensorPort{Spec: s, size: -1, slot: -1, input: -1, same: -1}
	if s.Type == tensor.Invalid {
		return p, fmt.Errorf("%q has no element type", s.Name)
	}
	p.binding = bindings[s.Type]
	if p.batched = !slices.Contains(m.Unbatched, s.Name); p.batched {
		p.axis = m.Axes[s.Name]
	}
	if s.Shape == nil {
		return p, nil
	}
	if p.axis > len(s.Shape) {
		return p, fmt.Errorf("%q has the shape %v and no axis %d", s.Name, s.Shape, p.axis)
	}
	if !s.Fixed() {
		return p, nil
	}
	n := tensor.Elements(s.Shape)
	if n < 0 || n > maxBytes {
		return p, fmt.Errorf("%q has too many elements: %v", s.Name, s.Shape)
	}
	p.size = n * int64(s.Type.Size())
	return p, nil
}

// checkInput checks an input that newPort has made.
func (p *tensorPort) checkInput() error {
	want := p.size
	switch {
	case p.isText() && p.fill != nil:
		want = int64(len(p.fill)) // of any length
	case p.follows != nil:
		want = int64(p.Type.Size())
	}
	if p.fill != nil && int64(len(p.fill)) != want {
		return fmt.Errorf("%q has %d bytes of a constant or default value, want %d", p.Name, len(p.fill), want)
	}
	p.lifted = p.isScalar() && (p.isHalf() || p.isText())
	return nil
}

// newOutput makes the port of an output. The number of entries of a ragged output is only
// known after a run.
func newOutput(s tensor.Spec, m *engine.Model) (tensorPort, error) {
	p, err := newPort(s, m)
	if err != nil {
		return p, err
	}
	if slices.Contains(m.Ragged.Outputs, s.Name) {
		if s.Name == m.Ragged.Index && s.Type != tensor.Int64 {
			return p, fmt.Errorf("%q maps entries to items and must be INT64, not %s", s.Name, s.Type)
		}
		p.batched, p.axis = false, 0
		if p.isScalar() || p.isText() {
			return p, fmt.Errorf("%q has no dimensions or has texts, so it cannot be ragged", s.Name)
		}
		p.ragged, p.size = true, -1
	}
	p.flat = p.size < 0 && (p.isHalf() || s.Shape == nil) || p.isScalar() && p.isHalf()
	p.flat = p.flat && !p.isText()
	return p, nil
}

// isScalar reports whether the tensor has no dimensions; the wrapper has another type for
// these.
func (p *tensorPort) isScalar() bool {
	return !p.batched && p.Shape != nil && len(p.Shape) == 0 && !p.lifted
}

// isHalf reports whether the element type is one for which the wrapper cannot make values.
func (p *tensorPort) isHalf() bool { return p.Type == tensor.Float16 || p.Type == tensor.BFloat16 }

// isText reports whether the elements are texts: each run makes new values for them.
func (p *tensorPort) isText() bool { return p.Type == tensor.String }

// shape returns the shape of the runtime's tensor for n items of fixed size.
func (p *tensorPort) shape(n int) ort.Shape { return p.withAxis(p.Shape, n) }

// withAxis returns the shape of an item with the batch axis for n items.
func (p *tensorPort) withAxis(shape []int64, n int) ort.Shape {
	out := make(ort.Shape, 0, len(shape)+1)
	if p.lifted {
		return append(out, 1)
	}
	if !p.batched {
		return append(out, shape...)
	}
	out = append(append(out, shape[:p.axis]...), int64(n))
	return append(out, shape[p.axis:]...)
}

// itemShape returns the shape of input i of an item; of a constant the one that it has beside
// the item.
func (p *tensorPort) itemShape(item tensor.Item, i int) []int64 {
	switch {
	case !p.constant && p.size < 0:
		return item[i].Shape
	case p.follows == nil:
		return p.Shape
	}
	out := slices.Clone(p.Shape)
	for k, size := range out {
		if size < 0 {
			out[k] = item[p.follows[k].Tensor].Shape[p.follows[k].Axis]
		}
	}
	return out
}

// bytes is the size of the buffer for n items; a tensor without batch axis has a single
// item.
func (p *tensorPort) bytes(n int) int64 {
	if !p.batched {
		n = 1
	}
	return p.size * int64(n)
}

// value returns the bytes of an item's tensor t, or the default if the item leaves it out.
func (p *tensorPort) value(t *tensor.Tensor) []byte {
	if t.Data == nil && p.fill != nil {
		return p.fill
	}
	return t.Data
}

// interleave copies the tensor of item k into buf, which has n items along an axis that is
// not the leading one: each part of the item goes between the parts of the others. outer is
// the number of parts, the product of the dimensions before the axis.
func interleave(buf, item []byte, outer, k, n int) {
	if len(item) == 0 {
		return
	}
	part := len(item) / outer
	for o := range outer {
		copy(buf[(o*n+k)*part:], item[o*part:(o+1)*part])
	}
}

// separate returns the tensor of item k of n from data, the inverse of interleave. outer is
// the product of the dimensions before the axis.
func separate(data []byte, outer, k, n int) []byte {
	out := make([]byte, 0, len(data)/n)
	part := len(data) / (outer * n)
	for o := range outer {
		at := (o*n + k) * part
		out = append(out, data[at:at+part]...)
	}
	return out
}
