package explain

import (
	"errors"
	"fmt"
	"slices"

	"sweetspot/engine/tensor"
)

// windows are the positions of a window in a shape. The last axis runs fastest.
type windows struct {
	shape, window, stride []int64
	positions             []int64
}

// slide makes the features of a window, which fits the shape.
func (p *Plan) slide(window, stride []int64) error {
	positions := make([]int64, len(p.shape))
	total := int64(1) // at most the number of elements
	for axis, size := range p.shape {
		positions[axis] = (size-window[axis]+stride[axis]-1)/stride[axis] + 1
		total *= positions[axis]
	}
	p.Grid, p.n = positions, int(total)
	p.features = windows{p.shape, window, stride, positions}
	return CheckPasses(total + 1)
}

func (w windows) each(k int, f func(first, count int)) {
	var from, to [maxRank]int64
	for axis := len(w.shape) - 1; axis >= 0; axis-- {
		at := int64(k) % w.positions[axis]
		k /= int(w.positions[axis])
		from[axis] = at * w.stride[axis]
		to[axis] = min(from[axis]+w.window[axis], w.shape[axis])
	}
	w.runs(0, 0, &from, &to, f)
}

// runs calls f for the part of the window at an index of the axes before axis.
func (w windows) runs(axis int, offset int64, from, to *[maxRank]int64, f func(first, count int)) {
	switch len(w.shape) - axis {
	case 0:
		f(int(offset), 1)
	case 1:
		f(int(offset*w.shape[axis]+from[axis]), int(to[axis]-from[axis]))
	default:
		for i := from[axis]; i < to[axis]; i++ {
			w.runs(axis+1, offset*w.shape[axis]+i, from, to, f)
		}
	}
}

// groups are the elements of each feature.
type groups [][]int

func (g groups) each(k int, f func(first, count int)) {
	for _, i := range g[k] {
		f(i, 1)
	}
}

// mask makes a feature of the elements with the same number, in the order of the numbers.
func (p *Plan) mask(ids []int64) error {
	if n := tensor.Elements(p.shape); int64(len(ids)) != n {
		return fmt.Errorf("the mask has %d numbers, and the input of shape %v has %d elements", len(ids), p.shape, n)
	}
	order := slices.Clone(ids)
	slices.Sort(order)
	order = slices.Compact(order)
	p.setGroups(make(groups, len(order)))
	all := p.features.(groups)
	for i, id := range ids {
		k, _ := slices.BinarySearch(order, id)
		all[k] = append(all[k], i)
	}
	return CheckPasses(int64(len(order)) + 1)
}

func (p *Plan) setGroups(g groups) {
	p.features, p.n, p.Grid = g, len(g), []int64{int64(len(g))}
}

// Groups returns the plan of an ablation whose features are given as the elements of each; they may have elements in common. other is
// the baseline if the options have none.
func (o Options) Groups(in tensor.Spec, t tensor.Tensor, all [][]int, other float64) (*Plan, error) {
	if o.Method == Occlusion || o.Mask != nil || o.Features != Elements {
		return nil, errors.New("the features of a text are its words; leave method, window, stride, features and mask out, or write method=ablation")
	}
	n := int(tensor.Elements(t.Shape))
	for k, g := range all {
		for _, i := range g {
			if i < 0 || i >= n {
				return nil, fmt.Errorf("feature %d has the element %d of %d", k, i, n)
			}
		}
	}
	p := &Plan{Method: Ablation, shape: t.Shape}
	p.setGroups(all)
	if err := p.setBaseline(o.Baseline, other, in); err != nil {
		return nil, err
	}
	return p, CheckPasses(int64(p.n) + 1)
}
