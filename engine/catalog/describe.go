package catalog

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sweetspot/engine/knob"
	"sweetspot/engine/lengths"
	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/tensor"
)

// input is one input of the file.
type input struct {
	onnxgraph.Value
	typ      tensor.Type
	fallback []byte  // the value of an optional input that an item leaves out
	sizes    []int64 // of --shape; nil if there are none
	value    string  // of --value; "" if there is none
}

// output is one output of the file.
type output struct {
	onnxgraph.Value
	typ tensor.Type
}

// description is what the graph and the options say about a model.
type description struct {
	inputs  []input // those of an item, then the constants
	outputs []output
	noBatch bool
	// noBatchWhy says who says so.
	noBatchWhy string
	given      map[string]lengths.Shape // sizes of open dimensions that the user gave
	usual      map[string]lengths.Shape // those that a built-in model has else
}

func newDescription(info *onnxgraph.Info, o Options, usual map[string]lengths.Shape) (*description, error) {
	switch {
	case len(info.Inputs)+len(info.Optional) == 0:
		return nil, errors.New("the model has no inputs, so that a request would hold nothing; its outputs are always the same")
	case len(info.Outputs) == 0:
		return nil, errors.New("the model has no outputs, so there is nothing to answer")
	}
	if len(info.Custom) > 0 {
		return nil, fmt.Errorf("the model uses the custom %s, which this engine does not have; export it with the operators of ONNX only", operatorList(info.Custom))
	}
	d := &description{noBatch: o.NoBatch, noBatchWhy: "--no-batch says that there is no batch axis", given: o.Lengths, usual: usual}
	for _, v := range info.Inputs {
		typ, err := typeOf("input", v)
		if err != nil {
			return nil, err
		}
		d.inputs = append(d.inputs, input{Value: v, typ: typ})
	}
	for _, v := range info.Optional {
		typ, err := typeOf("input", v.Value)
		if err != nil {
			return nil, err
		}
		d.inputs = append(d.inputs, input{Value: v.Value, typ: typ, fallback: v.Default})
	}
	for _, v := range info.Outputs {
		out := output{Value: v, typ: tensor.Float32}
		if v.Probabilities != nil {
			out.Dims = []onnxgraph.Dim{onnxgraph.Open(""), {Size: int64(len(v.Probabilities.Labels))}}
		} else if typ, err := typeOf("output", v); err != nil {
			return nil, err
		} else {
			out.typ = typ
		}
		d.outputs = append(d.outputs, out)
	}
	return d, d.apply(o)
}

func operatorList(names []string) string {
	if len(names) == 1 {
		return "operator " + names[0]
	}
	return "operators " + nameList(names)
}

// apply adds the options for single inputs, and moves the constants to the end.
func (d *description) apply(o Options) error {
	for _, name := range slices.Sorted(maps.Keys(o.Shapes)) {
		i, err := d.find("--shape", name)
		if err != nil {
			return err
		}
		d.inputs[i].setSizes(o.Shapes[name])
	}
	for _, name := range slices.Sorted(maps.Keys(o.Values)) {
		i, err := d.find("--value", name)
		if err != nil {
			return err
		}
		d.inputs[i].value = o.Values[name]
	}
	slices.SortStableFunc(d.inputs, func(a, b input) int {
		switch {
		case a.value == "" && b.value != "":
			return -1
		case a.value != "" && b.value == "":
			return 1
		}
		return 0
	})
	if d.items() == 0 {
		return errors.New("every input has a --value, so that a request would hold nothing; leave one of them out")
	}
	return nil
}

// setSizes sets the sizes of --shape. If the graph does not declare the dimensions, they are the
// declaration, and a leading 1 may be the batch.
func (in *input) setSizes(sizes []int64) {
	in.sizes = sizes
	if in.Dims == nil && len(sizes) > 1 && sizes[0] == 1 {
		in.Dims = append([]onnxgraph.Dim{onnxgraph.Open("")}, onnxgraph.Fixed(sizes[1:]...)...)
	}
}

func (d *description) find(flag, name string) (int, error) {
	var names []string
	for i, in := range d.inputs {
		if in.Name == name {
			return i, nil
		}
		names = append(names, in.Name)
	}
	return 0, fmt.Errorf("%s %s: the model has no such input%s", flag, name, knob.Suggest(name, names))
}

// items returns the number of inputs of an item; those after them are constants.
func (d *description) items() int {
	n := 0
	for _, in := range d.inputs {
		if in.value == "" {
			n++
		}
	}
	return n
}

// typeOf returns the element type of v, or why such a value cannot be served.
func typeOf(what string, v onnxgraph.Value) (tensor.Type, error) {
	switch {
	case v.Kind == "":
		return 0, fmt.Errorf("the graph does not declare the type of %s %q", what, v.Name)
	case v.Kind != "tensor":
		return 0, fmt.Errorf("%s %q is %s and not a tensor; only tensors can be served: export the model with one tensor for each of its parts", what, v.Name, withArticle(v.Kind))
	}
	if t := onnxgraph.TypeOf(v.Elem); t != tensor.Invalid {
		return t, nil
	}
	return 0, fmt.Errorf("%s %q has the type %s, which this engine does not support; export it as FP32 or as an integer type", what, v.Name, v.Elem)
}

func withArticle(kind string) string {
	if strings.ContainsAny(kind[:1], "aeiou") {
		return "an " + kind
	}
	return "a " + kind
}

// nameList joins names for a sentence; of many it counts the rest.
func nameList(names []string) string {
	const most = 4
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d others", strings.Join(names[:most-1], ", "), len(names)-most+1)
}

// defaults returns the values of the optional inputs.
func (d *description) defaults() map[string]tensor.Tensor {
	var out map[string]tensor.Tensor
	for _, in := range d.inputs {
		if in.fallback == nil {
			continue
		}
		if out == nil {
			out = map[string]tensor.Tensor{}
		}
		out[in.Name] = tensor.Tensor{Type: in.typ, Shape: dimSizes(in.Dims), Data: in.fallback}
	}
	return out
}
