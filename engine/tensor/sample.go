package tensor

import (
	"math"
	"math/rand/v2"
	"strings"
)

// Sample makes a value that the input s accepts. What it holds follows from the
// spec: numbers inside the bounds where it has some; ones for an attention mask,
// zeros for a segment id; 0 to 1 for an image, N(0,1) for other floats; 0 or 1
// for integers that nothing bounds, which are legal wherever an index is. Open
// dimensions count as 1. The same rng state gives the same value.
func Sample(s Spec, rng *rand.Rand) Tensor {
	t := Tensor{Type: s.Type, Shape: make([]int64, len(s.Shape))}
	for i, d := range s.Shape {
		t.Shape[i] = d
		if d < 0 {
			t.Shape[i] = 1
		}
	}
	n := int(max(Elements(t.Shape), 0))
	t.Data = make([]byte, 0, n*s.Type.Size())
	if s.Type.IsFloat() {
		next := floats(s, t.Shape, rng)
		for range n {
			t.Data = AppendFloat(t.Data, s.Type, next())
		}
		return t
	}
	next := integers(s, t.Shape, rng)
	for range n {
		t.Data = AppendInt(t.Data, s.Type, next())
	}
	return t
}

// SampleItem makes one value per input, in order.
func SampleItem(inputs []Spec, rng *rand.Rand) Item {
	item := make(Item, len(inputs))
	for i, s := range inputs {
		item[i] = Sample(s, rng)
	}
	return item
}

func floats(s Spec, shape []int64, rng *rand.Rand) func() float64 {
	switch {
	case isMask(s.Name):
		return func() float64 { return s.clamp(1) }
	case s.Bounded:
		return func() float64 { return s.Min + rng.Float64()*(s.Max-s.Min) }
	case isImage(shape):
		return rng.Float64
	}
	return rng.NormFloat64
}

func integers(s Spec, shape []int64, rng *rand.Rand) func() int64 {
	low, high := s.integerRange()
	switch {
	case isMask(s.Name):
		return func() int64 { return min(max(1, low), high) }
	case isSegment(s.Name):
		return func() int64 { return min(max(0, low), high) }
	case !s.Bounded && s.Type == Uint8 && isImage(shape):
		high = math.MaxUint8
	case !s.Bounded:
		high = min(high, 1)
	}
	// A span of 2^63 or more wraps to 0 or below; half of it is range enough.
	span := high - low
	if span < 0 || span == math.MaxInt64 {
		span = math.MaxInt64 - 1
	}
	return func() int64 { return low + rng.Int64N(span+1) }
}

// integerRange is the bounds as integers, inside what the type can hold; without
// bounds it starts at 0.
func (s Spec) integerRange() (low, high int64) {
	bottom, top := int64(0), int64(math.MaxInt64)
	bits := 8 * s.Type.Size()
	switch s.Type {
	case Bool:
		top = 1
	case Uint8, Uint16, Uint32:
		top = 1<<bits - 1
	case Int8, Int16, Int32, Int64:
		bottom, top = -1<<(bits-1), 1<<(bits-1)-1
	}
	if !s.Bounded {
		return 0, top
	}
	low = max(toInt(math.Ceil(s.Min)), bottom)
	high = min(toInt(math.Floor(s.Max)), top)
	return low, max(low, high)
}

// toInt converts without the undefined result Go gives beyond int64.
func toInt(v float64) int64 {
	switch {
	case v >= math.MaxInt64:
		return math.MaxInt64
	case v <= math.MinInt64:
		return math.MinInt64
	}
	return int64(v)
}

func (s Spec) clamp(v float64) float64 {
	if s.Bounded {
		return min(max(v, s.Min), s.Max)
	}
	return v
}

func isMask(name string) bool { return strings.Contains(strings.ToLower(name), "mask") }

func isSegment(name string) bool {
	name = strings.ToLower(name)
	return strings.Contains(name, "token_type") || strings.Contains(name, "segment")
}

// isImage tells whether a shape without its batch axis looks like a picture:
// rank 3 with 1, 3 or 4 channels first or last, and sides longer than that.
func isImage(shape []int64) bool {
	if len(shape) != 3 {
		return false
	}
	channels := func(d int64) bool { return d == 1 || d == 3 || d == 4 }
	return channels(shape[0]) && min(shape[1], shape[2]) > 4 ||
		channels(shape[2]) && min(shape[0], shape[1]) > 4
}
