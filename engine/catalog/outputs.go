package catalog

import (
	"fmt"
	"slices"
	"strings"

	"sweetspot/engine"
	"sweetspot/engine/onnxgraph/onnxpb"
	"sweetspot/engine/tensor"
)

// outputLayout is an interpretation of one output.
type outputLayout struct {
	axis   int  // of the batch, or of a 1 that an item does not have; -1 if there is none
	ragged bool // its first dimension counts entries of all items
	bare   bool // a single item has no batch axis, as behind a Squeeze of all dimensions of 1
	shape  []int64
}

// model completes the base model with the inputs of l and the given outputs.
func (v *verifier) model(l *layout, specs []tensor.Spec, outputs []outputLayout, batch bool) *engine.Model {
	m := v.base
	m.Inputs, m.BatchAxis, m.Axes = specs, batch, nil
	place := func(name string, axis int) {
		switch {
		case axis < 0:
			m.Unbatched = append(m.Unbatched, name)
		case axis > 0:
			if m.Axes == nil {
				m.Axes = map[string]int{}
			}
			m.Axes[name] = axis
		}
	}
	for i := range l.inputs {
		place(l.inputs[i].Name, l.inputs[i].axis)
	}
	index := v.d.raggedIndex(l)
	for i, o := range outputs {
		out := v.d.outputs[i]
		s := tensor.Spec{Name: out.Name, Type: out.typ, Shape: o.shape}
		if p := out.Probabilities; p != nil {
			s.Labels = p.Labels
		}
		if dims := out.Dims; o.shape != nil && dims != nil {
			if o.axis >= 0 && o.axis < len(dims) {
				dims = removeDim(dims, o.axis)
			}
			if len(dims) == len(o.shape) {
				s.Dims = dimNames(inferred(dims, l.sizes))
			}
		}
		m.Outputs = append(m.Outputs, s)
		if o.ragged {
			m.Ragged.Index = index
			m.Ragged.Outputs = append(m.Ragged.Outputs, out.Name)
		} else if !slices.Contains(m.Unbatched, out.Name) { // else it is an input
			place(out.Name, o.axis)
		}
	}
	return &m
}

// declaredOutputs returns the outputs as the graph declares them, for a model that has not
// been run.
func (v *verifier) declaredOutputs(l *layout, batch bool) []outputLayout {
	var out []outputLayout
	for i := range v.d.outputs {
		o := &v.d.outputs[i]
		one := outputLayout{axis: v.d.declaredAxis(l, i), ragged: batch && v.d.mayBeRagged(l, i)}
		if batch && one.axis < 0 && !one.ragged && !v.d.isConstant(l, i) {
			one.axis = 0
		}
		if o.Dims != nil {
			dims := inferred(o.Dims, l.sizes)
			if one.axis >= 0 && !one.ragged {
				dims = removeDim(dims, one.axis)
			}
			one.shape = dimSizes(dims)
		}
		if one.ragged {
			one.axis = -1
		}
		out = append(out, one)
	}
	return out
}

// declaredAxis returns the axis of output i that the graph names like the batch, or whose
// first dimension is 1; -1 if there is none. An output that is an input has that input's axis.
func (d *description) declaredAxis(l *layout, i int) int {
	o := d.outputs[i]
	for _, p := range l.inputs {
		if p.Name == o.Name {
			return p.axis
		}
	}
	if o.Probabilities != nil {
		return 0
	}
	for axis, dim := range o.Dims {
		if dim.Open() && l.names[dim.Name] {
			return axis
		}
	}
	if len(o.Dims) > 0 && (o.Dims[0].Size == 1 || l.batch && o.Dims[0].Open() && o.Dims[0].Name == "") {
		return 0
	}
	return -1
}

// scalarOutput returns the name of an output that the graph declares as a scalar and that
// depends on the items of a batch; "" if there is none.
func (d *description) scalarOutput(l *layout) string {
	for i, o := range d.outputs {
		if o.Dims != nil && len(o.Dims) == 0 && !d.isConstant(l, i) {
			return o.Name
		}
	}
	return ""
}

// isConstant reports whether output i is the same for all items of a batch, because it is
// computed from no input that has the batch.
func (d *description) isConstant(l *layout, i int) bool {
	for _, p := range l.inputs {
		if p.axis >= 0 && slices.Contains(d.outputs[i].From, p.Name) {
			return false
		}
	}
	return true
}

// raggedIndex returns the output whose name and type indicate that it maps entries to the items
// of a batch, such as batch_idx or batch_indices; "" if there is none.
func (d *description) raggedIndex(l *layout) string {
	if l.plain {
		return ""
	}
	removePunctuation := strings.NewReplacer("_", "", "-", "", ".", "", "/", "")
	for _, o := range d.outputs {
		name := removePunctuation.Replace(strings.ToLower(o.Name))
		isIndex := strings.Contains(name, "batchid") || strings.Contains(name, "batchind")
		if isIndex && o.Elem == onnxpb.TensorProto_INT64 && (o.Dims == nil || len(o.Dims) == 1) && d.firstIsOpen(l, o) {
			return o.Name
		}
	}
	return ""
}

// batchWhy is the layout's reason for a batch, with the index of ragged outputs.
func (d *description) batchWhy(l *layout) string {
	if index := d.raggedIndex(l); index != "" {
		return l.why + ", " + index + " maps entries to items"
	}
	return l.why
}

// mayBeRagged reports whether output i may be ragged: there is an index, and its first
// dimension is open and is not the batch.
func (d *description) mayBeRagged(l *layout, i int) bool {
	return l.batch && d.raggedIndex(l) != "" && d.firstIsOpen(l, d.outputs[i])
}

func (d *description) firstIsOpen(l *layout, o output) bool {
	if o.typ == tensor.String {
		return false
	}
	return o.Dims == nil || len(o.Dims) > 0 && o.Dims[0].Open() && !l.names[o.Dims[0].Name]
}

// ranOutputs returns the outputs of a batch as one run of it shows them: the axis that grew
// from 1 to n. alone has the runs of single items.
func (v *verifier) ranOutputs(l *layout, alone []example, together []tensor.Tensor, n int) ([]outputLayout, error) {
	var out []outputLayout
	for i := range v.d.outputs {
		one, both := alone[0].whole[i], together[i]
		o := outputLayout{axis: -1}
		switch {
		case v.d.mayBeRagged(l, i):
			o.ragged = true
		case v.d.isConstant(l, i):
			if !slices.Equal(one.Shape, both.Shape) {
				return nil, axisError(v.d.outputs[i].Name, both.Shape, n)
			}
		default:
			o.axis = grownAxis(one.Shape, both.Shape, int64(n))
			if o.bare = o.axis < 0 && isNewAxis(one.Shape, both.Shape, int64(n)); o.bare {
				o.axis = 0
			}
			if o.axis < 0 {
				return nil, axisError(v.d.outputs[i].Name, both.Shape, n)
			}
		}
		o.shape = v.itemShape(l, i, o, alone, true)
		out = append(out, o)
	}
	return out, nil
}

func axisError(name string, shape []int64, n int) error {
	if len(shape) == 0 {
		return fmt.Errorf("outputs have no batch dimension: %s is a scalar", name)
	}
	return fmt.Errorf("outputs have no batch dimension: %s is %v for %d items", name, shape, n)
}

// grownAxis returns the one axis that is 1 in one and n in both; -1 if there is none, or if
// another dimension differs.
func grownAxis(one, both []int64, n int64) int {
	axis := -1
	for k := range both {
		switch {
		case len(one) != len(both):
			return -1
		case one[k] == both[k]:
		case axis < 0 && one[k] == 1 && both[k] == n:
			axis = k
		default:
			return -1
		}
	}
	return axis
}

// isNewAxis reports whether a batch has a leading axis that a single item does not have.
func isNewAxis(one, both []int64, n int64) bool {
	return len(one) > 0 && len(both) == len(one)+1 && both[0] == n && slices.Equal(both[1:], one)
}

// singleOutputs returns the outputs of a model that takes one item at a time. An axis is left
// out of items if the graph names it and the run agrees.
func (v *verifier) singleOutputs(l *layout, alone []example) []outputLayout {
	var out []outputLayout
	for i := range v.d.outputs {
		o := outputLayout{axis: v.d.declaredAxis(l, i)}
		for _, e := range alone {
			got := e.whole[i].Shape
			if dims := v.d.outputs[i].Dims; o.axis >= 0 && (o.axis >= len(got) || got[o.axis] != 1 || dims != nil && len(dims) != len(got)) {
				o.axis = -1
			}
		}
		o.shape = v.itemShape(l, i, o, alone, false)
		out = append(out, o)
	}
	return out
}

// itemShape returns the shape of output i for one item: the sizes that all runs show and the
// graph declares. Other dimensions are open, and all of them if the graph contradicts the
// size of the batch axis, because the runtime then refuses a buffer of the right size.
func (v *verifier) itemShape(l *layout, i int, o outputLayout, alone []example, batch bool) []int64 {
	declared := inferred(v.d.outputs[i].Dims, l.sizes)
	var shape []int64
	for k, e := range alone {
		got := slices.Clone(e.whole[i].Shape)
		if o.axis >= 0 && !o.bare {
			got = slices.Delete(got, o.axis, o.axis+1)
		}
		switch {
		case k == 0:
			shape = got
		case len(got) != len(shape):
			return nil
		}
		for j := range shape {
			if got[j] != shape[j] {
				shape[j] = -1
			}
		}
	}
	believed := !o.bare && v.d.outputs[i].Dims != nil && len(declared) == len(alone[0].whole[i].Shape)
	if believed && o.axis >= 0 {
		believed = !batch || declared[o.axis].Open()
		declared = removeDim(declared, o.axis)
	}
	for j := range shape {
		if !believed || o.ragged && j == 0 || declared[j].Size != shape[j] {
			shape[j] = -1
		}
	}
	return shape
}
