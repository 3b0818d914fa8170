// Package tensor describes the values that go into and come out of a model: an
// element [Type], a [Spec] per input or output, and a [Tensor] with its bytes.
// Everything here is per item: the batch axis is the backend's.
//
// It owns how numbers are written as bytes ([At], [AppendFloat] and what stands
// beside them), how shapes are counted and compared ([Elements], [Fits]), and how
// a value that a model takes is made up ([Sample]).
package tensor

import (
	"fmt"
	"math"
	"strings"
)

// Type is a tensor's element type.
type Type uint8

// The element types, named as Open Inference Protocol v2 names them.
const (
	Invalid Type = iota
	Bool
	Uint8
	Uint16
	Uint32
	Uint64
	Int8
	Int16
	Int32
	Int64
	Float16
	Float32
	Float64
)

var types = []struct {
	name string
	size int
}{
	{"INVALID", 0},
	{"BOOL", 1},
	{"UINT8", 1},
	{"UINT16", 2},
	{"UINT32", 4},
	{"UINT64", 8},
	{"INT8", 1},
	{"INT16", 2},
	{"INT32", 4},
	{"INT64", 8},
	{"FP16", 2},
	{"FP32", 4},
	{"FP64", 8},
}

func (t Type) String() string { return types[t].name }

// Size is the number of bytes of one element.
func (t Type) Size() int { return types[t].size }

// IsFloat tells whether elements are floating point.
func (t Type) IsFloat() bool { return t >= Float16 }

// MarshalText renders the OIP v2 name.
func (t Type) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads an OIP v2 name.
func (t *Type) UnmarshalText(b []byte) error {
	for i, k := range types {
		if i > 0 && strings.EqualFold(k.name, string(b)) {
			*t = Type(i)
			return nil
		}
	}
	return fmt.Errorf("tensor: unknown type %q", b)
}

// Spec describes one input or output of a model, for one item.
type Spec struct {
	Name  string  `json:"name"`
	Type  Type    `json:"type"`
	Shape []int64 `json:"shape"` // without the batch axis; -1 is open

	// Min and Max bound the legal values of an input when Bounded, both
	// inclusive: token ids below the vocabulary, pixels, masks.
	Bounded bool    `json:"bounded,omitempty"`
	Min     float64 `json:"min,omitempty"`
	Max     float64 `json:"max,omitempty"`
}

// Fixed tells whether every dimension is known.
func (s Spec) Fixed() bool {
	for _, d := range s.Shape {
		if d < 0 {
			return false
		}
	}
	return true
}

// String is the spec as people write it: x FP32 [3 224 224].
func (s Spec) String() string { return fmt.Sprintf("%s %s %v", s.Name, s.Type, s.Shape) }

// Tensor is one value. Data is little endian, row major, and holds exactly
// Elements(Shape) x Type.Size() bytes. A Tensor owns nothing: who makes the
// bytes may not change them while another holds the Tensor.
type Tensor struct {
	Type  Type
	Shape []int64
	Data  []byte
}

// Item is one request's tensors, one per input (or output) in the model's order.
type Item []Tensor

// Elements is the product of the dimensions, or -1 if it does not fit or a
// dimension is negative.
func Elements(shape []int64) int64 {
	n := int64(1)
	for _, d := range shape {
		if d < 0 || d > 0 && n > math.MaxInt64/d {
			return -1
		}
		n *= d
	}
	return n
}

// Check reports how t breaks s, naming the input and what was expected.
func (s Spec) Check(t Tensor) error {
	if t.Type != s.Type {
		return fmt.Errorf("input %q: type %s, expected %s", s.Name, t.Type, s.Type)
	}
	if !Fits(s.Shape, t.Shape) {
		return fmt.Errorf("input %q: shape %v, expected %v", s.Name, t.Shape, s.Shape)
	}
	if want := Elements(t.Shape) * int64(t.Type.Size()); want != int64(len(t.Data)) {
		return fmt.Errorf("input %q: %d bytes, expected %d for %s %v", s.Name, len(t.Data), want, t.Type, t.Shape)
	}
	return nil
}

// Fits tells whether the shape got is one that want allows: of the same rank, and
// of the same size wherever want is not open.
func Fits(want, got []int64) bool {
	if len(want) != len(got) {
		return false
	}
	for i, d := range want {
		if got[i] < 0 || d >= 0 && d != got[i] {
			return false
		}
	}
	return true
}
