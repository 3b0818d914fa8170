package catalog

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/tensor"
)

// layout is one possible interpretation of the inputs: which axis of each is the batch. In a
// batch layout, an input without such an axis is a side input: the same for the whole batch.
type layout struct {
	inputs []itemShape
	batch  bool
	names  map[string]bool  // of the batch axis
	sizes  map[string]int64 // of named dimensions
	search *sizeSearch      // sizes for open dimensions; nil if none is open
	why    string           // reason for batch

	plain bool // no output is ragged, whatever its name
	mixes bool // a batch ran, and items depend on one another
}

// isLength reports whether the assumed batch axis of l, whose items depend on one another, is rather
// a length: it has a name, or an item would be a single number, and no name means a batch.
func (l *layout) isLength() bool {
	if !l.mixes || slices.ContainsFunc(slices.Collect(maps.Keys(l.names)), isBatchName) {
		return false
	}
	return len(l.names) > 0 || l.takesNumbers()
}

// takesNumbers reports whether an item of an input would be a single number.
func (l *layout) takesNumbers() bool {
	return slices.ContainsFunc(l.inputs, func(p itemShape) bool { return p.axis >= 0 && p.item != nil && len(p.item) == 0 })
}

// layouts returns the interpretations that the graph and the options allow, best first: a
// named batch axis in any position, the leading axis, no batch axis. The error is that of the
// first one, if none is possible.
func (d *description) layouts() ([]layout, error) {
	var out []layout
	var first error
	seen := map[string]bool{}
	for _, axes := range d.possibleAxes() {
		key := fmt.Sprint(axes)
		if seen[key] {
			continue
		}
		seen[key] = true
		l, err := d.newLayout(axes)
		if err == nil {
			out = append(out, l)
		} else if first == nil {
			first = err
		}
	}
	if out == nil {
		return nil, first
	}
	return out, nil
}

// possibleAxes returns lists with the possible batch axis of each input, -1 for none.
func (d *description) possibleAxes() [][]int {
	leading := d.axes(func(in input) int {
		if len(in.Dims) > 0 && in.Dims[0].Open() {
			return 0
		}
		return -1
	})
	none := d.axes(func(input) int { return -1 })
	if d.noBatch {
		return [][]int{none}
	}
	var out [][]int
	for _, name := range d.batchNames() {
		out = append(out, d.namedAxes(name))
	}
	out = append(out, leading)
	for _, in := range d.inputs { // such as x [T 4] with s [2 T 4]
		if len(in.Dims) > 0 && in.Dims[0].Open() && in.Dims[0].Name != "" {
			out = append(out, d.namedAxes(in.Dims[0].Name))
		}
	}
	return append(out, none)
}

func (d *description) axes(of func(input) int) []int {
	out := make([]int, len(d.inputs))
	for i, in := range d.inputs {
		out[i] = of(in)
	}
	return out
}

// namedAxes returns the axis called name in each input. An input that does not have it, but
// has another batch name in front, has that.
func (d *description) namedAxes(name string) []int {
	return d.axes(func(in input) int {
		at := slices.IndexFunc(in.Dims, func(d onnxgraph.Dim) bool { return d.Open() && d.Name == name })
		if at < 0 && len(in.Dims) > 0 && in.Dims[0].Open() && isBatchName(in.Dims[0].Name) {
			return 0
		}
		return at
	})
}

// batchNames returns the names of open dimensions that mean the batch. A name in front counts
// more than one elsewhere, and a word more than a letter, which may also count other things.
func (d *description) batchNames() []string {
	var front, words, letters []string
	for _, in := range d.inputs {
		for i, dim := range in.Dims {
			if !dim.Open() || !isBatchName(dim.Name) {
				continue
			}
			switch {
			case i == 0:
				front = append(front, dim.Name)
			case len(dim.Name) > 1:
				words = append(words, dim.Name)
			case in.Dims[0].Size != 1: // else that is the batch
				letters = append(letters, dim.Name)
			}
		}
	}
	if len(front) > 0 {
		return front
	}
	return append(words, letters...)
}

// isBatchName reports whether people call a batch axis so.
func isBatchName(name string) bool {
	name = strings.ToLower(name)
	return strings.Contains(name, "batch") || slices.Contains([]string{"n", "b", "bs", "bsz"}, name)
}

// newLayout makes the layout with the given batch axes. If no input has one, an axis of a
// fixed 1 in front is left out of items.
func (d *description) newLayout(axes []int) (layout, error) {
	l := layout{names: map[string]bool{}, sizes: map[string]int64{}}
	l.batch = slices.ContainsFunc(axes, func(axis int) bool { return axis >= 0 })
	for i, in := range d.inputs {
		axis := axes[i]
		if !l.batch && len(in.Dims) > 0 && in.Dims[0].Size == 1 {
			axis = 0
		}
		p := newItemShape(in, axis)
		p.full = !l.batch && !d.noBatch && axis < 0 && len(in.Dims) > 0 && in.Dims[0].Open()
		if axis >= 0 && in.Dims[axis].Name != "" {
			l.names[in.Dims[axis].Name] = true
		}
		l.inputs = append(l.inputs, p)
	}
	l.why = d.reason(axes, l.batch)
	if err := l.setShapes(); err != nil {
		return l, err
	}
	if err := l.checkSizes(); err != nil {
		return l, err
	}
	var err error
	l.search, err = newSizeSearch(l.specs(), d.given, d.usual)
	return l, err
}

// setShapes sets the open dimensions of all inputs for which there are sizes. Others stay open.
// It is an error if the rank of an input is unknown.
func (l *layout) setShapes() error {
	for i := range l.inputs {
		p := &l.inputs[i]
		if p.sizes == nil {
			continue
		}
		if err := p.setShape(l.sizes); err != nil {
			return err
		}
	}
	var unknown, flags []string
	for i := range l.inputs {
		p := &l.inputs[i]
		if p.inferSizes(l.sizes); p.item == nil && p.value == "" { // the number of values fixes a constant
			unknown, flags = append(unknown, p.Name), append(flags, p.flag())
		}
	}
	if unknown != nil {
		return fmt.Errorf("the graph does not declare the dimensions of %s; say how large an item is, such as %s", nameList(unknown), strings.Join(flags[:min(len(flags), 4)], " "))
	}
	return nil
}

// follows returns where the open dimensions of a constant have their sizes: the dimension of
// the same name of another input. It returns nil if one of them has no such dimension.
func (l *layout) follows(p *itemShape) []tensor.Dim {
	specs := l.specs()
	out := make([]tensor.Dim, len(p.item))
	for k, d := range p.item {
		if !d.Open() {
			continue
		}
		i := slices.IndexFunc(specs, func(s tensor.Spec) bool { return d.Name != "" && slices.Contains(s.Dims, d.Name) })
		if i < 0 {
			return nil
		}
		out[k] = tensor.Dim{Tensor: i, Axis: slices.Index(specs[i].Dims, d.Name)}
	}
	return out
}

// checkSizes refuses a model whose items have no numbers.
func (l *layout) checkSizes() error {
	for _, p := range l.inputs {
		if p.value == "" && tensor.Elements(dimSizes(p.item)) != 0 {
			return nil
		}
	}
	p := l.inputs[0]
	return fmt.Errorf("input %q has the shape %v, so that a request would hold no data; some exporters write 0 for an open dimension: export it again with a dynamic axis there", p.Name, p.Dims)
}

// reason says why batches are possible or not.
func (d *description) reason(axes []int, batch bool) string {
	if batch {
		return d.axesText(axes)
	}
	if d.noBatch {
		return d.noBatchWhy
	}
	for _, in := range d.inputs {
		switch {
		case in.Dims == nil:
			return "the graph does not declare the dimensions of " + in.Name
		case len(in.Dims) == 0:
			return in.Name + " has no dimensions"
		case !in.Dims[0].Open():
			return fmt.Sprintf("dim 0 of %s is fixed to %d", in.Name, in.Dims[0].Size)
		}
	}
	return "--shape has a size for each dimension of " + d.inputs[0].Name
}

// axesText names the batch axes: dim 0 of a, b and dim 1 of c are open.
func (d *description) axesText(axes []int) string {
	var parts []string
	side := []string{}
	for axis := range slices.Max(axes) + 1 {
		var names []string
		for i, in := range d.inputs {
			if axes[i] == axis {
				names = append(names, in.Name)
			}
		}
		if names != nil {
			parts = append(parts, fmt.Sprintf("dim %d of %s", axis, nameList(names)))
		}
	}
	for i, in := range d.inputs {
		if axes[i] < 0 && in.value == "" {
			side = append(side, in.Name)
		}
	}
	text := strings.Join(parts, " and ") + " is open"
	if len(parts) > 1 {
		text = strings.Join(parts, " and ") + " are open"
	}
	if len(side) > 0 {
		text += ", " + nameList(side) + " the same for a whole batch"
	}
	return text
}

// specs describes the items of the layout.
func (l *layout) specs() []tensor.Spec {
	var out []tensor.Spec
	for _, p := range l.inputs {
		if p.value != "" {
			continue
		}
		s := tensor.Spec{Name: p.Name, Type: p.typ, Shape: dimSizes(p.item), Dims: dimNames(p.item), Optional: p.fallback != nil, MaxSize: p.MaxSize}
		if r := p.Range; r != nil {
			s.Bounded, s.Min, s.Max = true, float64(r.Min), float64(r.Max)
			s.Usual = &tensor.Range{Min: float64(r.First), Max: float64(r.Max)}
			if r.First == r.Min {
				s.Usual = nil
			}
		}
		out = append(out, s)
	}
	return out
}
