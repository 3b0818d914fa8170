package tensor

import (
	"cmp"
	"math"
	"math/rand/v2"
	"strings"
)

// Sampler makes up inputs. The zero value makes those that a model usually gets.
type Sampler struct {
	// Scale is a factor for numbers without bounds; 0 is 1. A model may treat very
	// large or small numbers differently.
	Scale float64
	// Partial makes masks that are only ones up to a random position.
	Partial bool
}

// Sample returns what the zero Sampler makes for s.
func Sample(s Spec, rng *rand.Rand) Tensor { return Sampler{}.Sample(s, rng) }

// SampleItem returns what the zero Sampler makes for the inputs, in order.
func SampleItem(inputs []Spec, rng *rand.Rand) Item { return Sampler{}.Item(inputs, rng) }

// Item returns a made-up value for each input, in order. Optional inputs are left out.
func (m Sampler) Item(inputs []Spec, rng *rand.Rand) Item {
	item := make(Item, len(inputs))
	for i, s := range inputs {
		if !s.Optional {
			item[i] = m.Sample(s, rng)
		}
	}
	return item
}

// Sample returns a random value that the input s accepts: numbers inside the usual range
// or the bounds, if it has them; ones for an attention mask, zeros for a segment id; 0 to
// 1 for an image, N(0,1) for other floats; 0 or 1 for other integers, because both are
// legal indices. Open dimensions count as 1. The same rng state gives the same value.
func (m Sampler) Sample(s Spec, rng *rand.Rand) Tensor {
	t := Tensor{Type: s.Type, Shape: make([]int64, len(s.Shape))}
	for i, d := range s.Shape {
		t.Shape[i] = d
		if d < 0 {
			t.Shape[i] = 1
		}
	}
	n := int(max(Elements(t.Shape), 0))
	t.Data = make([]byte, 0, n*s.Type.Size())
	if s.Type == String {
		for range n {
			t.Data = AppendText(t.Data, madeUpText(rng.Int64N(100)))
		}
		return t
	}
	if s.Type.IsFloat() {
		next := m.floats(s, t.Shape, rng)
		for range n {
			t.Data = AppendFloat(t.Data, s.Type, next())
		}
		return t
	}
	next := m.integers(s, t.Shape, rng)
	for range n {
		t.Data = AppendInt(t.Data, s.Type, next())
	}
	return t
}

func (m Sampler) floats(s Spec, shape []int64, rng *rand.Rand) func() float64 {
	scale := cmp.Or(m.Scale, 1)
	switch r := s.sampleRange(); {
	case s.isMask():
		return m.mask(shape, rng, s.clamp(1), s.clamp(0))
	case r != nil:
		return func() float64 { return r.Min + rng.Float64()*(r.Max-r.Min) }
	case isImage(shape):
		return func() float64 { return scale * rng.Float64() }
	}
	return func() float64 { return scale * rng.NormFloat64() }
}

// mask returns one for the elements of a mask; of a partial mask only up to a random
// position in its last dimension, and at least for the first element.
func (m Sampler) mask(shape []int64, rng *rand.Rand, one, zero float64) func() float64 {
	width := int64(1)
	if len(shape) > 0 {
		width = max(shape[len(shape)-1], 1)
	}
	ones, at := width, int64(-1)
	if m.Partial {
		ones = 1 + rng.Int64N(width)
	}
	return func() float64 {
		if at++; at%width < ones {
			return one
		}
		return zero
	}
}

func (m Sampler) integers(s Spec, shape []int64, rng *rand.Rand) func() int64 {
	low, high := s.integerRange()
	inRange := func(v int64) int64 { return min(max(v, low), high) }
	switch {
	case s.isMask():
		next := m.mask(shape, rng, float64(inRange(1)), float64(inRange(0)))
		return func() int64 { return int64(next()) }
	case isSegment(s.Name):
		return func() int64 { return inRange(0) }
	case s.sampleRange() != nil:
	case s.Type == Uint8 && isImage(shape):
		high = math.MaxUint8
	default:
		high = min(high, 1)
	}
	// A width of 2^63 or more overflows; half of the range is enough.
	width := high - low
	if width < 0 || width == math.MaxInt64 {
		width = math.MaxInt64 - 1
	}
	return func() int64 { return low + rng.Int64N(width+1) }
}

// sampleRange is the range of made-up values: the usual one, or else the bounds; nil if
// there is neither.
func (s Spec) sampleRange() *Range {
	if s.Usual == nil && s.Bounded {
		return &Range{s.Min, s.Max}
	}
	return s.Usual
}

// integerRange returns the range of made-up values as integers within the range of the
// type. Without one it starts at 0.
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
	r := s.sampleRange()
	if r == nil {
		return 0, top
	}
	low = max(toInt(math.Ceil(r.Min)), bottom)
	high = min(toInt(math.Floor(r.Max)), top)
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

// IsNamed reports whether the name of an integer input says what values it usually has: ones
// for a mask, zeros for a segment.
func (s Spec) IsNamed() bool { return !s.Type.IsFloat() && (s.isMask() || isSegment(s.Name)) }

// isMask guesses by its name whether an input is a mask of zeros and ones. A range that is
// known to be wider says otherwise.
func (s Spec) isMask() bool {
	r := s.sampleRange()
	return strings.Contains(strings.ToLower(s.Name), "mask") && (r == nil || r.Min >= 0 && r.Max <= 1)
}

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
