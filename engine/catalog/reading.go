package catalog

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sweetspot/engine"
	"sweetspot/engine/knob"
	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/onnxpb"
	"sweetspot/engine/tensor"
)

// reading is what the graph says about a model's items, with open dimensions
// settled.
type reading struct {
	info   *onnxgraph.Info
	inputs []tensor.Spec
	whole  []string         // inputs that have no leading axis
	named  map[string]int64 // sizes of named dimensions
	axis   string           // the name of the leading dimension, "" without one
	batch  bool             // the leading dimension of every input is open
	why    string           // what that rests on
}

func newReading(info *onnxgraph.Info, shapes map[string][]int64) (*reading, error) {
	if len(info.Inputs) == 0 || len(info.Outputs) == 0 {
		return nil, errors.New("the model has no inputs or no outputs, so there is nothing to serve")
	}
	r := &reading{info: info, named: map[string]int64{}}
	ports, err := r.settle(shapes)
	if err != nil {
		return nil, err
	}
	for _, p := range ports {
		typ, err := typeOf("input", p.Value)
		if err != nil {
			return nil, err
		}
		s := tensor.Spec{Name: p.Name, Type: typ, Shape: r.sizes(p.item)}
		if p.Range != nil {
			s.Bounded, s.Min, s.Max = true, float64(p.Range.Min), float64(p.Range.Max)
		}
		r.inputs = append(r.inputs, s)
		if !p.lead {
			r.whole = append(r.whole, p.Name)
		}
	}
	for _, v := range info.Outputs {
		if _, err := typeOf("output", v); err != nil {
			return nil, err
		}
	}
	r.findAxis(ports)
	return r, nil
}

// settle gives every input its dimensions, or says which are open and what to
// type.
func (r *reading) settle(shapes map[string][]int64) ([]*port, error) {
	var ports []*port
	var names []string
	for _, v := range r.info.Inputs {
		p := newPort(v)
		ports, names = append(ports, &p), append(names, v.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(shapes)) {
		i := slices.Index(names, name)
		if i < 0 {
			return nil, fmt.Errorf("--shape %s: the model has no such input%s", name, knob.Suggest(name, names))
		}
		if err := ports[i].give(shapes[name], r.named); err != nil {
			return nil, err
		}
	}
	var open, flags []string
	told := map[string]bool{} // named dimensions that a flag settles already
	for _, p := range ports {
		if p.infer(r.named); p.settled() {
			continue
		}
		open = append(open, fmt.Sprintf("%s %v", p.Name, p.item))
		if p.adds(told) {
			flags = append(flags, p.flag())
		}
	}
	if open != nil {
		return nil, fmt.Errorf("inputs have open dimensions: %s; say how large an item is, such as %s", strings.Join(open, ", "), strings.Join(flags, " "))
	}
	return ports, nil
}

// findAxis says whether the graph allows a batch, and on what that rests.
func (r *reading) findAxis(ports []*port) {
	var names []string
	for _, p := range ports {
		names = append(names, p.Name)
		switch {
		case p.Dims == nil:
			r.why = "the graph does not tell the dimensions of " + p.Name
			return
		case len(p.Dims) == 0:
			r.why = p.Name + " has no dimensions"
			return
		case !p.Dims[0].Open():
			r.why = fmt.Sprintf("dim 0 of %s is fixed to %d", p.Name, p.Dims[0].Size)
			return
		}
	}
	r.axis = ports[0].Dims[0].Name
	for _, v := range r.info.Outputs {
		if v.Dims != nil && len(v.Dims) == 0 {
			r.why = "outputs have no batch dimension: " + v.Name + " is a scalar"
			return
		}
	}
	r.batch, r.why = true, "dim 0 of "+strings.Join(names, ", ")+" is open"
}

// draft is one way in which the outputs may be meant.
type draft struct {
	batch   bool
	outputs []tensor.Spec
	whole   []string // inputs and outputs
	rows    engine.RaggedOutputs
}

// drafts lists what the graph allows, best first: outputs that carry the batch,
// or rows that an index gives to items; a single item with outputs that carry its
// leading 1; a single item whose outputs are taken as they are.
func (r *reading) drafts() []draft {
	var out []draft
	if index := r.rowIndex(); r.batch && index != "" {
		out = append(out, r.rowsDraft(index))
	} else if r.batch {
		out = append(out, r.draft(true, func(onnxgraph.Value) bool { return true }))
	}
	one := r.draft(false, func(v onnxgraph.Value) bool {
		return len(v.Dims) > 0 && (v.Dims[0].Size == 1 || r.axis != "" && v.Dims[0].Name == r.axis)
	})
	out = append(out, one)
	if len(one.whole) < len(r.whole)+len(r.info.Outputs) {
		out = append(out, r.draft(false, func(onnxgraph.Value) bool { return false }))
	}
	return out
}

func (r *reading) draft(batch bool, lead func(onnxgraph.Value) bool) draft {
	d := draft{batch: batch, whole: slices.Clone(r.whole)}
	for _, v := range r.info.Outputs {
		typ, _ := typeOf("output", v) // checked by newReading
		s := tensor.Spec{Name: v.Name, Type: typ}
		dims := v.Dims
		if !lead(v) {
			d.whole = append(d.whole, v.Name)
		} else if len(dims) > 0 {
			dims = dims[1:]
		}
		if v.Dims != nil {
			s.Shape = r.sizes(dims)
		}
		d.outputs = append(d.outputs, s)
	}
	return d
}

func (r *reading) sizes(dims []onnxgraph.Dim) []int64 {
	out := make([]int64, len(dims))
	for i, d := range dims {
		out[i] = d.Size
		if size, ok := r.named[d.Name]; ok && d.Open() {
			out[i] = size
		}
	}
	return out
}

// typeOf is the element type of v, or why such a value cannot be served.
func typeOf(what string, v onnxgraph.Value) (tensor.Type, error) {
	const only = "only models of numeric tensors can be served"
	switch {
	case v.Kind == "":
		return 0, fmt.Errorf("the graph does not tell what %s %q holds", what, v.Name)
	case v.Kind != "tensor":
		return 0, fmt.Errorf("%s %q is a %s; %s", what, v.Name, v.Kind, only)
	case v.Elem == onnxpb.TensorProto_STRING:
		return 0, fmt.Errorf("%s %q holds strings; %s", what, v.Name, only)
	}
	if t := elementType(v.Elem); t != tensor.Invalid {
		return t, nil
	}
	return 0, fmt.Errorf("%s %q holds %s numbers, which this engine cannot pass", what, v.Name, v.Elem)
}

func elementType(e onnxgraph.Elem) tensor.Type {
	switch e {
	case onnxpb.TensorProto_BOOL:
		return tensor.Bool
	case onnxpb.TensorProto_UINT8:
		return tensor.Uint8
	case onnxpb.TensorProto_UINT16:
		return tensor.Uint16
	case onnxpb.TensorProto_UINT32:
		return tensor.Uint32
	case onnxpb.TensorProto_UINT64:
		return tensor.Uint64
	case onnxpb.TensorProto_INT8:
		return tensor.Int8
	case onnxpb.TensorProto_INT16:
		return tensor.Int16
	case onnxpb.TensorProto_INT32:
		return tensor.Int32
	case onnxpb.TensorProto_INT64:
		return tensor.Int64
	case onnxpb.TensorProto_FLOAT16:
		return tensor.Float16
	case onnxpb.TensorProto_FLOAT:
		return tensor.Float32
	case onnxpb.TensorProto_DOUBLE:
		return tensor.Float64
	}
	return tensor.Invalid
}
