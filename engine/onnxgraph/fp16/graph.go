package fp16

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/onnxpb"
)

// converter is one conversion. It processes the nodes in order. Each node needs its inputs in
// its own precision; if an input does not exist in it, the converter makes it once: it writes
// an initializer again, or adds a Cast after the value. So it casts only values that are
// used, and adds no Cast between two nodes that stay in FP32.
type converter struct {
	ops, nodes map[string]bool // that stay in FP32
	used       map[string]bool // names of values in the whole model
	floats     int             // number of FP32 values
	report     Report
}

func newConverter(g *onnxpb.GraphProto, o Options) *converter {
	c := &converter{ops: map[string]bool{}, nodes: map[string]bool{}, used: map[string]bool{}}
	ops := o.KeepOps
	if ops == nil {
		ops = KeptOps()
	}
	for _, op := range ops {
		c.ops[op] = true
	}
	for _, n := range o.KeepNodes {
		c.nodes[n] = true
	}
	c.collectNames(g)
	return c
}

// collectNames collects the names of g and of the graphs inside it.
func (c *converter) collectNames(g *onnxpb.GraphProto) {
	for _, t := range g.GetInitializer() {
		c.used[t.GetName()] = true
	}
	for _, t := range g.GetSparseInitializer() {
		c.used[t.GetValues().GetName()] = true
	}
	for _, v := range slices.Concat(g.GetInput(), g.GetOutput()) {
		c.used[v.GetName()] = true
	}
	for _, n := range g.GetNode() {
		for _, name := range n.GetOutput() {
			c.used[name] = true
		}
		for _, inner := range bodies(n) {
			c.collectNames(inner)
		}
	}
}

// bodies returns the bodies of a control flow node.
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

// graph converts g in place and returns the original types of its outputs. The inputs and
// outputs of the main graph stay FP32 and its nodes become FP16; the inputs, outputs and
// nodes of a body all have precision f. inputElems are the types of a body's inputs, if the
// body does not declare them.
func (c *converter) graph(g *onnxpb.GraphProto, outer *scope, f precision, inputElems []onnxgraph.Elem) ([]onnxgraph.Elem, error) {
	s := &scope{outer: outer, precision: f, graph: g, values: map[string]*value{}, declared: map[string]onnxgraph.Elem{}, isOutput: map[string]bool{}}
	for _, v := range g.GetOutput() {
		s.isOutput[v.GetName()] = true
	}
	for _, v := range slices.Concat(g.GetValueInfo(), g.GetOutput()) {
		if e := elemOf(v); e != onnxpb.TensorProto_UNDEFINED {
			s.declared[v.GetName()] = e
		}
	}
	c.initializers(s)
	if err := c.inputs(s, inputElems); err != nil {
		return nil, err
	}
	nodePrecision := f
	if outer == nil {
		nodePrecision = half
	}
	for _, n := range g.GetNode() {
		if err := c.node(s, n, nodePrecision); err != nil {
			return nil, err
		}
	}
	types, err := c.outputs(s)
	g.Node, g.Initializer, g.SparseInitializer = s.out, s.dense, s.sparse
	g.ValueInfo = slices.DeleteFunc(g.ValueInfo, func(v *onnxpb.ValueInfoProto) bool { return elemOf(v) == onnxpb.TensorProto_FLOAT })
	return types, err
}

// initializers declares the constants of s. It writes those of FP32 only when a node uses
// them.
func (c *converter) initializers(s *scope) {
	for _, t := range s.graph.GetInitializer() {
		v := c.declare(s, t.GetName(), onnxgraph.Elem(t.GetDataType()))
		if v.elem != onnxpb.TensorProto_FLOAT {
			s.dense = append(s.dense, t)
			continue
		}
		v.write = func(name string, f precision) (err error) {
			copied := proto.CloneOf(t)
			if f == half {
				if copied, err = c.tensor(t); err != nil {
					return err
				}
			}
			copied.Name = name
			s.dense = append(s.dense, copied)
			return nil
		}
	}
	for _, t := range s.graph.GetSparseInitializer() {
		v := c.declare(s, t.GetValues().GetName(), onnxgraph.Elem(t.GetValues().GetDataType()))
		if v.elem != onnxpb.TensorProto_FLOAT {
			s.sparse = append(s.sparse, t)
			continue
		}
		v.write = func(name string, f precision) error {
			copied, err := c.sparseTensor(t, f)
			if err != nil {
				return err
			}
			copied.Values.Name = name
			s.sparse = append(s.sparse, copied)
			return nil
		}
	}
}

func (c *converter) sparseTensor(t *onnxpb.SparseTensorProto, f precision) (*onnxpb.SparseTensorProto, error) {
	copied := proto.CloneOf(t)
	if f == full || t.GetValues().GetDataType() != int32(onnxpb.TensorProto_FLOAT) {
		return copied, nil
	}
	values, err := c.tensor(t.GetValues())
	copied.Values = values
	return copied, err
}

// inputs declares the inputs of s and sets their types in the converted graph.
func (c *converter) inputs(s *scope, inputElems []onnxgraph.Elem) error {
	for i, in := range s.graph.GetInput() {
		name := in.GetName()
		if v := s.values[name]; v != nil { // a constant that callers may replace
			if v.write == nil {
				continue
			}
			if _, err := c.valueIn(s, name, s.precision); err != nil {
				return err
			}
			setElem(in, s.precision)
			continue
		}
		e := elemOf(in)
		if e == onnxpb.TensorProto_UNDEFINED && i < len(inputElems) {
			e = inputElems[i]
		}
		v := c.declare(s, name, e)
		v.names[s.precision] = name
		if e == onnxpb.TensorProto_FLOAT {
			setElem(in, s.precision)
		}
	}
	return nil
}

// outputs makes the outputs of the graph in its precision.
func (c *converter) outputs(s *scope) ([]onnxgraph.Elem, error) {
	var types []onnxgraph.Elem
	for _, out := range s.graph.GetOutput() {
		name := out.GetName()
		v := s.find(name)
		if v == nil {
			return nil, fmt.Errorf("no node computes the output %q", name)
		}
		types = append(types, v.elem)
		if v.elem != onnxpb.TensorProto_FLOAT {
			continue
		}
		now, err := c.valueIn(s, name, s.precision)
		if err != nil {
			return nil, err
		}
		out.Name = now // another name only if a body returns a value from outside
		setElem(out, s.precision)
	}
	return types, nil
}

// setElem sets the declared type of a tensor to precision f; an undeclared type stays undeclared.
func setElem(v *onnxpb.ValueInfoProto, f precision) {
	if t := v.GetType().GetTensorType(); t != nil {
		t.ElemType = int32(f.elem())
	}
}

// node adds n in precision f, or in FP32 if n must stay in FP32.
func (c *converter) node(s *scope, n *onnxpb.NodeProto, f precision) error {
	if c.ops[n.GetOpType()] || c.nodes[n.GetName()] {
		c.report.Kept++
		f = full
	}
	types := outputElems(n, s.elem)
	inputElems := make([]onnxgraph.Elem, len(n.GetInput()))
	for i, in := range n.GetInput() {
		inputElems[i] = s.elem(in)
	}
	for _, body := range bodies(n) {
		inner, err := c.graph(body, s, f, inputElems)
		if err != nil {
			return fmt.Errorf("%s: %w", nodeName(n), err)
		}
		types = bodyOutputElems(n, inner, len(n.GetOutput()))
	}
	for i, in := range n.GetInput() {
		if in == "" {
			continue
		}
		now, err := c.valueIn(s, in, f)
		if err != nil {
			return fmt.Errorf("%s: %w", nodeName(n), err)
		}
		n.Input[i] = now
	}
	if f == half {
		if err := c.attributes(n, inputElems); err != nil {
			return fmt.Errorf("%s: %w", nodeName(n), err)
		}
	}
	s.out = append(s.out, n)
	for i, name := range n.GetOutput() {
		if name != "" {
			n.Output[i] = c.result(s, n, i, types[i], f)
		}
	}
	return nil
}

// result declares output i of n in precision f and returns its name.
func (c *converter) result(s *scope, n *onnxpb.NodeProto, i int, e onnxgraph.Elem, f precision) string {
	name := n.GetOutput()[i]
	if declaredElem, ok := s.declared[name]; ok {
		e = declaredElem
	}
	v := c.declare(s, name, e)
	if e != onnxpb.TensorProto_FLOAT {
		return name
	}
	if alwaysFP32(n.GetOpType(), i) {
		f = full
	}
	v.names[f] = c.nameFor(v, name, f)
	return v.names[f]
}
