package tensor

import (
	"math"
	"math/rand/v2"
	"strings"
)

// Sample returns a random value that the input s accepts: numbers inside the bounds, if it
// has bounds; ones for an attention mask, zeros for a segment id; 0 to 1 for an image,
// N(0,1) for other floats; 0 or 1 for unbounded integers, because both are legal indices.
// Open dimensions count as 1. The same rng state gives the same value.
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

// SampleItem returns a sample for each input, in order.
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
	// A width of 2^63 or more overflows; half of the range is enough.
	width := high - low
	if width < 0 || width == math.MaxInt64 {
		width = math.MaxInt64 - 1
	}
	return func() int64 { return low + rng.Int64N(width+1) }
}

// integerRange returns the bounds as integers within the range of the type. Without bounds
// it starts at 0.
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

// toInt converts v and clamps it to int64, where Go's conversion is undefined.
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

// isImage guesses whether a shape without batch axis is an image: rank 3 with 1, 3 or 4
// channels first or last, and longer sides.
func isImage(shape []int64) bool {
	if len(shape) != 3 {
		return false
	}
	channels := func(d int64) bool { return d == 1 || d == 3 || d == 4 }
	return channels(shape[0]) && min(shape[1], shape[2]) > 4 ||
		channels(shape[2]) && min(shape[0], shape[1]) > 4
}
