// Package tensor describes the values that go into and come out of a model: an
// element [Type], a [Spec] per input or output, and a [Tensor] with its bytes.
// Everything here is per item: only backends know the batch axis.
//
// It encodes numbers as bytes ([At], [AppendFloat] and others), counts the elements of
// shapes and compares shapes ([Elements], [Fits]), and makes random inputs ([Sample],
// [Sampler]). The open dimensions of a model's inputs are its [Lengths].
package tensor

import (
	"fmt"
	"math"
	"slices"
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
	BFloat16
	String // see AppendText
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
	{"BF16", 2},
	{"BYTES", 0},
}

func (t Type) String() string { return types[t].name }

// Size returns the number of bytes of one element; 0 for a String, whose size varies.
func (t Type) Size() int { return types[t].size }

// IsFloat reports whether elements are floating point.
func (t Type) IsFloat() bool { return t >= Float16 && t != String }

// MarshalText returns the OIP v2 name.
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
	Shape []int64 `json:"shape"` // without the batch axis; -1 is an open dimension
	// Dims names the dimensions of Shape: open dimensions of one name have the same size
	// in an item. It is nil without names; "" is a dimension without one.
	Dims []string `json:"dims,omitempty"`

	// If Bounded, Min and Max are the inclusive bounds of the legal values of an
	// input, such as token ids of a vocabulary: a value outside certainly fails.
	Bounded bool    `json:"bounded,omitempty"`
	Min     float64 `json:"min,omitempty"`
	Max     float64 `json:"max,omitempty"`

	// MaxSize is the largest size of an open dimension; 0 is no limit. A larger one would end the
	// process.
	MaxSize int64 `json:"-"`

	// Usual is the range of made-up values, inside the bounds; nil means that the
	// type and the name decide. No value is refused for it.
	Usual *Range `json:"usual,omitempty"`
	// Optional means that an item may have the zero Tensor here: the model has a
	// default value.
	Optional bool `json:"optional,omitempty"`
	// Labels are the names of the values along the last dimension of an output, such
	// as the classes of a classifier; nil if they have none.
	Labels []string `json:"labels,omitempty"`
}

// Range is a range of numbers with inclusive ends.
type Range struct {
	Min float64 `json:"min"`
	Max float64 `json:"max"`
}

// Fixed reports whether no dimension is open.
func (s Spec) Fixed() bool {
	for _, d := range s.Shape {
		if d < 0 {
			return false
		}
	}
	return true
}

// String formats the spec: x FP32 [3 224 224].
func (s Spec) String() string { return fmt.Sprintf("%s %s %v", s.Name, s.Type, s.Shape) }

// Tensor is one value. Data is little endian, row major, and has exactly
// Elements(Shape) x Type.Size() bytes, or as many Strings. A Tensor does not own its data: the maker of the
// bytes must not change them while another part of the program uses the Tensor.
type Tensor struct {
	Type  Type
	Shape []int64
	Data  []byte
}

// IsZero reports whether t is the zero Tensor: an optional input that is left out.
func (t Tensor) IsZero() bool { return t.Type == Invalid && t.Data == nil }

// Item is one request's tensors, one per input (or output) in the model's order.
type Item []Tensor

// Elements returns the product of the dimensions, or -1 if it overflows or a dimension is
// negative.
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

// Check reports how t differs from s, with the name of the input and the expected value.
func (s Spec) Check(t Tensor) error {
	if s.Optional && t.IsZero() {
		return nil
	}
	if t.Type != s.Type {
		return fmt.Errorf("input %q: type %s, expected %s", s.Name, t.Type, s.Type)
	}
	if !Fits(s.Shape, t.Shape) {
		return fmt.Errorf("input %q: shape %v, expected %v", s.Name, t.Shape, s.Shape)
	}
	if s.MaxSize > 0 && len(t.Shape) > 0 && slices.Max(t.Shape) > s.MaxSize {
		return fmt.Errorf("input %q: shape %v, expected at most %d numbers", s.Name, t.Shape, s.MaxSize)
	}
	if t.Type == String {
		if n, want := Count(t.Type, t.Data), Elements(t.Shape); n != want {
			return fmt.Errorf("input %q: %d texts, expected %d for %s %v", s.Name, max(n, 0), want, t.Type, t.Shape)
		}
		return nil
	}
	if want := Elements(t.Shape) * int64(t.Type.Size()); want != int64(len(t.Data)) {
		return fmt.Errorf("input %q: %d bytes, expected %d for %s %v", s.Name, len(t.Data), want, t.Type, t.Shape)
	}
	return nil
}

// Fits reports whether want allows the shape got: they have the same rank, and the same
// sizes except in the open dimensions of want.
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
