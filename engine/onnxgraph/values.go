package onnxgraph

import (
	"maps"
	"slices"
	"strconv"

	"sweetspot/engine/onnxgraph/onnxpb"
)

// maxOptional is the number of optional inputs above which they are taken for the weights,
// because some exporters declare each weight as an input with a default value.
const maxOptional = 16

// overridableIR is the first version of the file format in which an initializer may be
// overridden. Before it, every initializer had to be declared as an input.
const overridableIR = 4

// readInputs reads the inputs of the main graph.
func (info *Info) readInputs(g *onnxpb.GraphProto, constants map[string]constant) {
	for _, v := range g.GetInput() {
		c, ok := constants[v.GetName()]
		switch {
		case !ok:
			info.Inputs = append(info.Inputs, value(present(v)))
		case info.IR >= overridableIR && c.isValueOf(value(v)):
			info.Optional = append(info.Optional, Optional{value(v), c.data})
		}
	}
	if len(info.Optional) > maxOptional {
		info.Optional = nil
	}
}

// present returns an optional tensor as the tensor that it holds: the runtime takes one for the
// other.
func present(v *onnxpb.ValueInfoProto) *onnxpb.ValueInfoProto {
	o, ok := v.GetType().GetValue().(*onnxpb.TypeProto_OptionalType)
	if !ok {
		return v
	}
	held := o.OptionalType.GetElemType()
	if _, ok := held.GetValue().(*onnxpb.TypeProto_TensorType); !ok {
		return v
	}
	return &onnxpb.ValueInfoProto{Name: v.GetName(), Type: held}
}

// isValueOf reports whether c is known and has the type and the sizes that v declares.
func (c constant) isValueOf(v Value) bool {
	return c.data != nil && c.typ == TypeOf(v.Elem) && slices.Equal(Fixed(c.dims...), v.Dims)
}

// readOutputs reads the outputs of the main graph, with the inputs they depend on.
func (info *Info) readOutputs(g *onnxpb.GraphProto) {
	d := newDependencies(g)
	for _, v := range g.GetOutput() {
		out := value(v)
		out.From = slices.Sorted(maps.Keys(d.inputsOf(out.Name)))
		if n := d.producer[out.Name]; n.GetOpType() == "ZipMap" && len(n.GetInput()) == 1 {
			out.Probabilities = &Probabilities{n.GetInput()[0], labels(n)}
		}
		info.Outputs = append(info.Outputs, out)
	}
}

// dependencies finds the inputs from which values of a graph are computed.
type dependencies struct {
	producer map[string]*onnxpb.NodeProto
	inputs   map[string]bool
}

func newDependencies(g *onnxpb.GraphProto) *dependencies {
	d := &dependencies{map[string]*onnxpb.NodeProto{}, map[string]bool{}}
	for _, v := range g.GetInput() {
		d.inputs[v.GetName()] = true
	}
	for _, n := range g.GetNode() {
		for _, out := range n.GetOutput() {
			if out != "" { // an optional output that is left out
				d.producer[out] = n
			}
		}
	}
	return d
}

// inputsOf returns the inputs that the value called name depends on.
func (d *dependencies) inputsOf(name string) map[string]bool {
	found := map[string]bool{}
	d.visit(name, map[*onnxpb.NodeProto]bool{}, found)
	return found
}

// visit adds the nodes from which the value called name is computed to seen, and the inputs
// to found. It does not recurse, because a graph may be a chain of thousands of nodes.
func (d *dependencies) visit(name string, seen map[*onnxpb.NodeProto]bool, found map[string]bool) {
	open := []string{name}
	for len(open) > 0 {
		v := open[len(open)-1]
		open = open[:len(open)-1]
		n := d.producer[v]
		switch {
		case d.inputs[v]:
			found[v] = true
		case n != nil && !seen[n]:
			seen[n] = true
			open = append(open, reads(n)...)
		}
	}
}

// reads returns the names of all values that a node may read: its inputs and all names in
// its bodies, of which some are inner ones and lead nowhere.
func reads(n *onnxpb.NodeProto) []string {
	names := slices.Clone(n.GetInput())
	for _, body := range bodies(n) {
		for _, inner := range body.GetNode() {
			names = append(names, reads(inner)...)
		}
		for _, v := range body.GetOutput() {
			names = append(names, v.GetName())
		}
	}
	return names
}

// bodies returns the graphs in the attributes of a node, such as the branches of an If.
func bodies(n *onnxpb.NodeProto) []*onnxpb.GraphProto {
	var out []*onnxpb.GraphProto
	for _, a := range n.GetAttribute() {
		if a.GetG() != nil {
			out = append(out, a.GetG())
		}
		out = append(out, a.GetGraphs()...)
	}
	return out
}

// labels returns the class labels of a ZipMap node.
func labels(n *onnxpb.NodeProto) []string {
	var out []string
	for _, s := range n.Attr("classlabels_strings").GetStrings() {
		out = append(out, string(s))
	}
	if out != nil {
		return out
	}
	for _, v := range n.Attr("classlabels_int64s").GetInts() {
		out = append(out, strconv.FormatInt(v, 10))
	}
	return out
}
