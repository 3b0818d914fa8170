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

// graphInfo describes the items of a model as its graph declares them, with the sizes that were
// given for open dimensions.
type graphInfo struct {
	info       *onnxgraph.Info
	inputs     []tensor.Spec
	unbatched  []string         // inputs that have no leading axis
	namedSizes map[string]int64 // sizes of named dimensions
	axis       string           // name of the leading dimension, or ""
	batch      bool             // the leading dimension of every input is open
	why        string           // reason for batch
	search     *sizeSearch      // sizes for open dimensions; nil if none is open
}

func newGraphInfo(info *onnxgraph.Info, shapes map[string][]int64) (*graphInfo, error) {
	if len(info.Inputs) == 0 || len(info.Outputs) == 0 {
		return nil, errors.New("the model has no inputs or no outputs, so there is nothing to serve")
	}
	r := &graphInfo{info: info, namedSizes: map[string]int64{}}
	inputs, err := r.inputShapes(shapes)
	if err != nil {
		return nil, err
	}
	for _, p := range inputs {
		typ, err := typeOf("input", p.Value)
		if err != nil {
			return nil, err
		}
		s := tensor.Spec{Name: p.Name, Type: typ, Shape: r.sizes(p.item), Dims: r.dimNames(p.item)}
		if p.Range != nil {
			s.Bounded, s.Min, s.Max = true, float64(p.Range.Min), float64(p.Range.Max)
		}
		r.inputs = append(r.inputs, s)
		if !p.leadingAxis {
			r.unbatched = append(r.unbatched, p.Name)
		}
	}
	for _, v := range info.Outputs {
		if _, err := typeOf("output", v); err != nil {
			return nil, err
		}
	}
	r.findAxis(inputs)
	return r, nil
}

// inputShapes returns the shapes of all inputs. Dimensions without a size stay open. It is an
// error if the graph does not declare the rank of an input and no shape is given.
func (r *graphInfo) inputShapes(shapes map[string][]int64) ([]*inputShape, error) {
	var inputs []*inputShape
	var names []string
	for _, v := range r.info.Inputs {
		p := newInputShape(v)
		inputs, names = append(inputs, &p), append(names, v.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(shapes)) {
		i := slices.Index(names, name)
		if i < 0 {
			return nil, fmt.Errorf("--shape %s: the model has no such input%s", name, knob.Suggest(name, names))
		}
		if err := inputs[i].setShape(shapes[name], r.namedSizes); err != nil {
			return nil, err
		}
	}
	var open, flags []string
	for _, p := range inputs {
		if p.inferSizes(r.namedSizes); p.item != nil {
			continue
		}
		open, flags = append(open, p.Name), append(flags, p.flag())
	}
	if open != nil {
		return nil, fmt.Errorf("the graph does not declare the dimensions of %s; say how large an item is, such as %s", strings.Join(open, ", "), strings.Join(flags, " "))
	}
	return inputs, nil
}

// findAxis determines from the graph whether batches are possible, and why.
func (r *graphInfo) findAxis(inputs []*inputShape) {
	var names []string
	for _, p := range inputs {
		names = append(names, p.Name)
		switch {
		case p.Dims == nil:
			r.why = "the graph does not declare the dimensions of " + p.Name
			return
		case len(p.Dims) == 0:
			r.why = p.Name + " has no dimensions"
			return
		case !p.Dims[0].Open():
			r.why = fmt.Sprintf("dim 0 of %s is fixed to %d", p.Name, p.Dims[0].Size)
			return
		}
	}
	r.axis = inputs[0].Dims[0].Name
	for _, v := range r.info.Outputs {
		if v.Dims != nil && len(v.Dims) == 0 {
			r.why = "outputs have no batch dimension: " + v.Name + " is a scalar"
			return
		}
	}
	r.batch, r.why = true, "dim 0 of "+strings.Join(names, ", ")+" is open"
}

// candidate is one possible interpretation of the outputs.
type candidate struct {
	batch     bool
	outputs   []tensor.Spec
	unbatched []string // inputs and outputs
	ragged    engine.RaggedOutputs
}

// candidates returns the interpretations that the graph allows, best first: outputs with a
// batch axis, or ragged outputs with an index; a single item whose outputs have a leading
// axis of 1; a single item with unchanged outputs.
func (r *graphInfo) candidates() []candidate {
	var out []candidate
	if index := r.raggedIndex(); r.batch && index != "" {
		out = append(out, r.raggedCandidate(index))
	} else if r.batch {
		out = append(out, r.candidate(true, func(onnxgraph.Value) bool { return true }))
	}
	one := r.candidate(false, func(v onnxgraph.Value) bool {
		return len(v.Dims) > 0 && (v.Dims[0].Size == 1 || r.axis != "" && v.Dims[0].Name == r.axis)
	})
	out = append(out, one)
	if len(one.unbatched) < len(r.unbatched)+len(r.info.Outputs) {
		out = append(out, r.candidate(false, func(onnxgraph.Value) bool { return false }))
	}
	return out
}

func (r *graphInfo) candidate(batch bool, leadingAxis func(onnxgraph.Value) bool) candidate {
	d := candidate{batch: batch, unbatched: slices.Clone(r.unbatched)}
	for _, v := range r.info.Outputs {
		typ, _ := typeOf("output", v) // checked by newGraphInfo
		s := tensor.Spec{Name: v.Name, Type: typ}
		dims := v.Dims
		if !leadingAxis(v) {
			d.unbatched = append(d.unbatched, v.Name)
		} else if len(dims) > 0 {
			dims = dims[1:]
		}
		if v.Dims != nil {
			s.Shape, s.Dims = r.sizes(dims), r.dimNames(dims)
		}
		d.outputs = append(d.outputs, s)
	}
	return d
}

// dimNames returns the names of the dimensions that are open; nil if none has a name.
func (r *graphInfo) dimNames(dims []onnxgraph.Dim) []string {
	out, named := make([]string, len(dims)), false
	for i, size := range r.sizes(dims) {
		if size < 0 && dims[i].Name != "" {
			out[i], named = dims[i].Name, true
		}
	}
	if !named {
		return nil
	}
	return out
}

func (r *graphInfo) sizes(dims []onnxgraph.Dim) []int64 {
	out := make([]int64, len(dims))
	for i, d := range dims {
		out[i] = d.Size
		if size, ok := r.namedSizes[d.Name]; ok && d.Open() {
			out[i] = size
		}
	}
	return out
}

// typeOf returns the element type of v, or why such a value cannot be served.
func typeOf(what string, v onnxgraph.Value) (tensor.Type, error) {
	const only = "only models of numeric tensors can be served"
	switch {
	case v.Kind == "":
		return 0, fmt.Errorf("the graph does not declare the type of %s %q", what, v.Name)
	case v.Kind != "tensor":
		return 0, fmt.Errorf("%s %q is a %s; %s", what, v.Name, v.Kind, only)
	case v.Elem == onnxpb.TensorProto_STRING:
		return 0, fmt.Errorf("%s %q has strings; %s", what, v.Name, only)
	}
	if t := elementType(v.Elem); t != tensor.Invalid {
		return t, nil
	}
	return 0, fmt.Errorf("%s %q has the type %s, which this engine does not support", what, v.Name, v.Elem)
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
