package lengths

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"

	"sweetspot/engine/tensor"
)

// Sampler draws items whose open dimensions have sizes of a mix.
type Sampler struct {
	inputs  []tensor.Spec
	lengths []tensor.Length
	mixes   []Mix // one per length
}

// For returns a sampler for the inputs of a model. shapes are by input; a length that none of
// them has takes its mix from defaults, which may name more inputs than the model has.
func For(inputs []tensor.Spec, shapes, defaults map[string]Shape) (Sampler, error) {
	s := Sampler{inputs: inputs, lengths: tensor.Lengths(inputs)}
	for _, name := range slices.Sorted(maps.Keys(shapes)) {
		if !slices.ContainsFunc(inputs, func(in tensor.Spec) bool { return in.Name == name }) {
			return s, fmt.Errorf("shape of %s: the model has no such input; it takes %s", name, names(inputs))
		}
	}
	for _, l := range s.lengths {
		m, ok, err := s.find(l, shapes)
		if err == nil && !ok {
			m, ok, err = s.find(l, defaults)
		}
		if err != nil {
			return s, err
		}
		if !ok {
			in := inputs[l.Dims[0].Tensor]
			return s, fmt.Errorf("input %s %v has an open dimension and no length; add --shape %s=8..128", in.Name, in.Shape, in.Name)
		}
		s.mixes = append(s.mixes, m)
	}
	return s, nil
}

// find returns the mix that shapes have for a length. Inputs that share it must agree.
func (s Sampler) find(l tensor.Length, shapes map[string]Shape) (m Mix, ok bool, err error) {
	from := ""
	for _, d := range l.Dims {
		in := s.inputs[d.Tensor]
		shape, given := shapes[in.Name]
		if !given {
			continue
		}
		one, err := shape.of(in, d.Axis)
		if err != nil {
			return m, false, err
		}
		if ok && one.text != m.text {
			return m, false, fmt.Errorf("inputs %s and %s share a dimension (%s), but are %s and %s; give one of them", from, in.Name, l.Name, m, one)
		}
		m, ok, from = one, true, in.Name
	}
	return m, ok, nil
}

// of returns the mix of an open dimension of the input: the shape has all its dimensions, or
// the open ones.
func (s Shape) of(in tensor.Spec, axis int) (Mix, error) {
	if len(s) == len(in.Shape) {
		for i, size := range in.Shape {
			if size >= 0 && (!s[i].Fixed() || s[i].low != size) {
				return Mix{}, fmt.Errorf("shape %s of %s: dimension %d is fixed to %d", s, in.Name, i, size)
			}
		}
		return s[axis], nil
	}
	open, at := 0, 0
	for i, size := range in.Shape {
		if i == axis {
			at = open
		}
		if size < 0 {
			open++
		}
	}
	if len(s) != open {
		return Mix{}, fmt.Errorf("shape %s of %s does not fit %v; give all dimensions of an item or the open ones", s, in.Name, in.Shape)
	}
	return s[at], nil
}

func names(inputs []tensor.Spec) string {
	var out []string
	for _, in := range inputs {
		out = append(out, in.Name)
	}
	return strings.Join(out, ", ")
}

// Open reports whether the model has open dimensions.
func (s Sampler) Open() bool { return len(s.mixes) > 0 }

// Bounds returns the smallest and the largest size of each of the model's lengths.
func (s Sampler) Bounds() (low, high []int64) {
	for _, m := range s.mixes {
		low, high = append(low, m.low), append(high, m.high)
	}
	return low, high
}

// Shapes returns the mixes of the open dimensions by input, as ParseShape reads them; nil if
// there are none.
func (s Sampler) Shapes() map[string]string {
	var out map[string]string
	for i, in := range s.inputs {
		var shape Shape
		for axis := range in.Shape {
			for k, l := range s.lengths {
				if slices.Contains(l.Dims, tensor.Dim{Tensor: i, Axis: axis}) {
					shape = append(shape, s.mixes[k])
				}
			}
		}
		// A file is the shape of one dimension: an input with several shares it with
		// another input, which has the entry.
		ofFile := func(m Mix) bool { return len(m.values) > 0 }
		if shape != nil && (len(shape) == 1 || !slices.ContainsFunc(shape, ofFile)) {
			if out == nil {
				out = map[string]string{}
			}
			out[in.Name] = shape.String()
		}
	}
	return out
}

// Sizes draws a size for each of the model's lengths.
func (s Sampler) Sizes(rng *rand.Rand) []int64 {
	out := make([]int64, len(s.mixes))
	for i, m := range s.mixes {
		out[i] = m.Draw(rng)
	}
	return out
}

// Item draws the sizes, and the values for them.
func (s Sampler) Item(rng *rand.Rand) tensor.Item {
	if !s.Open() {
		return tensor.SampleItem(s.inputs, rng)
	}
	return tensor.SampleItem(tensor.WithLengths(s.inputs, s.Sizes(rng)), rng)
}

// title is the mix for people: of a file its name and a hash of what is in it, since profiles keep no
// paths.
func (m Mix) title() string {
	if name, ok := strings.CutPrefix(m.text, "@"); ok {
		return fmt.Sprintf("@%s (sha256 %.8s)", filepath.Base(name), m.sum)
	}
	return m.text
}

// String describes the lengths for people: input_ids, attention_mask 8..128.
func (s Sampler) String() string {
	var out []string
	for i, l := range s.lengths {
		var who []string
		for _, d := range l.Dims {
			if name := s.inputs[d.Tensor].Name; !slices.Contains(who, name) {
				who = append(who, name)
			}
		}
		out = append(out, strings.Join(who, ", ")+" "+s.mixes[i].title())
	}
	return strings.Join(out, "; ")
}
