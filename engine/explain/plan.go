package explain

import (
	"fmt"
	"math"
	"slices"

	"sweetspot/engine/tensor"
)

// Plan is the explanation of one input of one row. It is not changed after it was made.
type Plan struct {
	Method   Method
	Baseline float64
	// Window and Stride are those of an occlusion, with a number for each axis; else nil.
	Window, Stride []int64
	// Grid is the shape of the features: the number of positions of each axis, or the number of groups.
	Grid []int64

	shape    []int64
	n        int
	fill     []byte // the baseline as an element of the input
	features features
}

// features are the elements of each feature.
type features interface {
	// each calls f with the runs of adjacent elements of feature k.
	each(k int, f func(first, count int))
}

// Plan returns the plan for the value t of the input in. An error is the caller's fault and says what to change.
func (o Options) Plan(in tensor.Spec, t tensor.Tensor) (*Plan, error) {
	n := tensor.Elements(t.Shape)
	switch {
	case t.IsZero():
		return nil, fmt.Errorf("the request leaves out the input %q, so that there is nothing to explain; choose another one with input=NAME", in.Name)
	case t.Type == tensor.String:
		return nil, fmt.Errorf("input %q has texts, of which no element can be replaced by a number; a model with the handler text_classifier can be explained", in.Name)
	case n <= 0 || n > math.MaxInt32 || len(t.Shape) > maxRank:
		return nil, fmt.Errorf("input %q of shape %v cannot be explained: it has no elements or too many", in.Name, t.Shape)
	}
	p := &Plan{Method: o.Method, shape: t.Shape}
	if err := p.setBaseline(o.Baseline, 0, in); err != nil {
		return nil, err
	}
	channels, isPicture := channelAxis(t.Shape)
	if p.Method == Default {
		p.Method = Ablation
		if isPicture {
			p.Method = Occlusion
		}
	}
	if p.Method == Occlusion {
		return p, p.occlude(o, channels)
	}
	return p, p.ablate(o, channels)
}

// setBaseline sets the baseline to v, or without one to other.
func (p *Plan) setBaseline(v *float64, other float64, in tensor.Spec) error {
	if p.Baseline = other; v != nil {
		p.Baseline = *v
	}
	b := p.Baseline
	if in.Bounded && (b < in.Min || b > in.Max) {
		return fmt.Errorf("baseline %v is not a value of the input %q, which takes %v to %v", b, in.Name, in.Min, in.Max)
	}
	if in.Type.IsFloat() {
		p.fill = tensor.AppendFloat(nil, in.Type, b)
		if math.IsInf(tensor.At(in.Type, p.fill, 0), 0) {
			return fmt.Errorf("baseline %v is too large for %s of the input %q", b, in.Type, in.Name)
		}
		return nil
	}
	if b == math.Trunc(b) && math.Abs(b) < 1<<53 {
		p.fill = tensor.AppendInt(nil, in.Type, int64(b))
		if tensor.At(in.Type, p.fill, 0) == b && (in.Type != tensor.Bool || b <= 1) {
			return nil
		}
	}
	return fmt.Errorf("baseline %v is not a value of %s, which the input %q has", b, in.Type, in.Name)
}

// channelAxis returns the axis of the channels of a picture: the first or else the last of three axes, if it has 1, 3 or 4.
func channelAxis(shape []int64) (axis int, ok bool) {
	if len(shape) != 3 {
		return 0, false
	}
	for _, axis := range []int{0, 2} {
		if d := shape[axis]; d == 1 || d == 3 || d == 4 {
			return axis, true
		}
	}
	return 0, false
}

// chosenParts is into how many parts a chosen window divides an axis.
const chosenParts = 8

// chosenWindow is a window of all channels and an eighth of each other axis, which moves by half of itself.
func chosenWindow(shape []int64, channels int, picture bool) (window, stride []int64) {
	for axis, size := range shape {
		w := (size + chosenParts - 1) / chosenParts
		if picture && axis == channels {
			w = size
		}
		window = append(window, w)
		stride = append(stride, max(1, w/2))
	}
	return window, stride
}

// occlude makes the features of an occlusion.
func (p *Plan) occlude(o Options, channels int) error {
	window, stride := o.Window, o.Stride
	if window == nil {
		_, picture := channelAxis(p.shape)
		window, stride = chosenWindow(p.shape, channels, picture)
	}
	if stride == nil {
		stride = []int64{1}
	}
	if len(stride) == 1 && len(p.shape) > 1 {
		stride = slices.Repeat(stride, len(p.shape))
	}
	if len(window) != len(p.shape) || len(stride) != len(p.shape) {
		return fmt.Errorf("the window %v and the stride %v need one number for each axis of the input, whose shape is %v", window, stride, p.shape)
	}
	for axis, size := range p.shape {
		if window[axis] > size {
			return fmt.Errorf("the window %v is larger than the input, whose shape is %v", window, p.shape)
		}
		if window[axis] < size && stride[axis] > window[axis] {
			return fmt.Errorf("the stride %v is larger than the window %v, so that some elements would never be occluded", stride, window)
		}
	}
	p.Window, p.Stride = window, stride
	return p.slide(window, stride)
}

// ablate makes the features of an ablation.
func (p *Plan) ablate(o Options, channels int) error {
	if o.Mask != nil {
		return p.mask(o.Mask)
	}
	axis := 0
	switch o.Features {
	case Elements:
		ones := slices.Repeat([]int64{1}, len(p.shape))
		return p.slide(ones, ones)
	case Channels:
		if _, ok := channelAxis(p.shape); !ok {
			return fmt.Errorf("the input of shape %v has no axis of channels, which is the first or the last of three and has 1, 3 or 4; use features=rows, features=elements or a mask", p.shape)
		}
		axis = channels
	}
	if len(p.shape) == 0 {
		return fmt.Errorf("the input is one number without axes; use features=elements")
	}
	window := slices.Clone(p.shape)
	window[axis] = 1
	err := p.slide(window, window)
	p.Grid = []int64{p.shape[axis]}
	return err
}

// Len returns the number of features. Each needs one forward pass, and the unchanged row one more.
func (p *Plan) Len() int { return p.n }

// Perturb writes the input src with the elements of feature k replaced by the baseline to dst, which has the
// same length and does not overlap with it.
func (p *Plan) Perturb(dst, src []byte, k int) {
	copy(dst, src)
	p.features.each(k, func(first, count int) {
		run := dst[first*len(p.fill) : (first+count)*len(p.fill)]
		for len(run) > 0 {
			run = run[copy(run, p.fill):]
		}
	})
}

// Attributions returns the attribution of each element of the input from the differences of all features, in
// row-major order: the mean over the features that contain the element, and 0 for one that is in none.
func (p *Plan) Attributions(differences []float64) []float64 {
	n := tensor.Elements(p.shape)
	total, counts := make([]float64, n), make([]int32, n)
	for k, d := range differences {
		p.features.each(k, func(first, count int) {
			for i := first; i < first+count; i++ {
				total[i] += d
				counts[i]++
			}
		})
	}
	for i, c := range counts {
		if c > 1 {
			total[i] /= float64(c)
		}
	}
	return total
}
