package fp16

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/onnxpb"
)

// halving is one conversion. Nodes are taken in order; each asks for its inputs
// in the form it works in, and a form that does not exist yet is made then, once,
// beside the value itself: an initialiser is written again, any other value gets
// a Cast behind it. So nothing is cast that nobody reads, and two nodes that stay
// in FP32 have no Cast between them.
type halving struct {
	ops, nodes map[string]bool // kept in FP32
	used       map[string]bool // names of values in the whole model
	floats     int             // FP32 values seen
	report     Report
}

func newHalving(g *onnxpb.GraphProto, o Options) *halving {
	c := &halving{ops: map[string]bool{}, nodes: map[string]bool{}, used: map[string]bool{}}
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
	c.collect(g)
	return c
}

// collect notes every name of g and the graphs inside it.
func (c *halving) collect(g *onnxpb.GraphProto) {
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
		for _, inner := range graphs(n) {
			c.collect(inner)
		}
	}
}

// graphs are the bodies of a control flow node.
func graphs(n *onnxpb.NodeProto) []*onnxpb.GraphProto {
	var out []*onnxpb.GraphProto
	for _, a := range n.GetAttribute() {
		if a.GetG() != nil {
			out = append(out, a.GetG())
		}
		out = append(out, a.GetGraphs()...)
	}
	return out
}

// graph converts g in place and returns the original types of its outputs. The
// main graph's inputs and outputs stay FP32 while its nodes become FP16; a body's
// inputs, outputs and nodes all have form f. given are the types of a body's
// inputs, for graphs that do not tell them.
func (c *halving) graph(g *onnxpb.GraphProto, outer *scope, f form, given []onnxgraph.Elem) ([]onnxgraph.Elem, error) {
	s := &scope{outer: outer, form: f, graph: g, values: map[string]*datum{}, typed: map[string]onnxgraph.Elem{}, isOut: map[string]bool{}}
	for _, v := range g.GetOutput() {
		s.isOut[v.GetName()] = true
	}
	for _, v := range slices.Concat(g.GetValueInfo(), g.GetOutput()) {
		if e := elemOf(v); e != onnxpb.TensorProto_UNDEFINED {
			s.typed[v.GetName()] = e
		}
	}
	c.initializers(s)
	if err := c.inputs(s, given); err != nil {
		return nil, err
	}
	inside := f
	if outer == nil {
		inside = half
	}
	for _, n := range g.GetNode() {
		if err := c.node(s, n, inside); err != nil {
			return nil, err
		}
	}
	types, err := c.outputs(s)
	g.Node, g.Initializer, g.SparseInitializer = s.out, s.dense, s.sparse
	g.ValueInfo = slices.DeleteFunc(g.ValueInfo, func(v *onnxpb.ValueInfoProto) bool { return elemOf(v) == onnxpb.TensorProto_FLOAT })
	return types, err
}

// initializers declares the constants of s. Those of FP32 are written when asked
// for.
func (c *halving) initializers(s *scope) {
	for _, t := range s.graph.GetInitializer() {
		v := c.declare(s, t.GetName(), onnxgraph.Elem(t.GetDataType()))
		if v.elem != onnxpb.TensorProto_FLOAT {
			s.dense = append(s.dense, t)
			continue
		}
		v.write = func(name string, f form) (err error) {
			again := proto.CloneOf(t)
			if f == half {
				if again, err = c.tensor(t); err != nil {
					return err
				}
			}
			again.Name = name
			s.dense = append(s.dense, again)
			return nil
		}
	}
	for _, t := range s.graph.GetSparseInitializer() {
		v := c.declare(s, t.GetValues().GetName(), onnxgraph.Elem(t.GetValues().GetDataType()))
		if v.elem != onnxpb.TensorProto_FLOAT {
			s.sparse = append(s.sparse, t)
			continue
		}
		v.write = func(name string, f form) error {
			again, err := c.sparseTensor(t, f)
			if err != nil {
				return err
			}
			again.Values.Name = name
			s.sparse = append(s.sparse, again)
			return nil
		}
	}
}

func (c *halving) sparseTensor(t *onnxpb.SparseTensorProto, f form) (*onnxpb.SparseTensorProto, error) {
	again := proto.CloneOf(t)
	if f == full || t.GetValues().GetDataType() != int32(onnxpb.TensorProto_FLOAT) {
		return again, nil
	}
	values, err := c.tensor(t.GetValues())
	again.Values = values
	return again, err
}

// inputs declares the inputs of s and gives them their types in the twin.
func (c *halving) inputs(s *scope, given []onnxgraph.Elem) error {
	for i, in := range s.graph.GetInput() {
		name := in.GetName()
		if v := s.values[name]; v != nil { // a constant that callers may replace
			if v.write == nil {
				continue
			}
			if _, err := c.as(s, name, s.form); err != nil {
				return err
			}
			retype(in, s.form)
			continue
		}
		e := elemOf(in)
		if e == onnxpb.TensorProto_UNDEFINED && i < len(given) {
			e = given[i]
		}
		v := c.declare(s, name, e)
		v.names[s.form] = name
		if e == onnxpb.TensorProto_FLOAT {
			retype(in, s.form)
		}
	}
	return nil
}

// outputs gives the graph its outputs in the form it has.
func (c *halving) outputs(s *scope) ([]onnxgraph.Elem, error) {
	var types []onnxgraph.Elem
	for _, out := range s.graph.GetOutput() {
		name := out.GetName()
		v := s.find(name)
		if v == nil {
			return nil, fmt.Errorf("nothing makes the output %q", name)
		}
		types = append(types, v.elem)
		if v.elem != onnxpb.TensorProto_FLOAT {
			continue
		}
		now, err := c.as(s, name, s.form)
		if err != nil {
			return nil, err
		}
		out.Name = now // another one only in a body that hands out a value from outside
		retype(out, s.form)
	}
	return types, nil
}

// retype declares a tensor as what form f is; what is not declared stays so.
func retype(v *onnxpb.ValueInfoProto, f form) {
	if t := v.GetType().GetTensorType(); t != nil {
		t.ElemType = int32(f.elem())
	}
}

// node adds n, working in form f unless it is kept in FP32.
func (c *halving) node(s *scope, n *onnxpb.NodeProto, f form) error {
	if c.ops[n.GetOpType()] || c.nodes[n.GetName()] {
		c.report.Kept++
		f = full
	}
	types := outputElems(n, s.elem)
	given := make([]onnxgraph.Elem, len(n.GetInput()))
	for i, in := range n.GetInput() {
		given[i] = s.elem(in)
	}
	for _, body := range graphs(n) {
		inner, err := c.graph(body, s, f, given)
		if err != nil {
			return fmt.Errorf("%s: %w", nodeName(n), err)
		}
		types = bodyElems(n, inner, len(n.GetOutput()))
	}
	for i, in := range n.GetInput() {
		if in == "" {
			continue
		}
		now, err := c.as(s, in, f)
		if err != nil {
			return fmt.Errorf("%s: %w", nodeName(n), err)
		}
		n.Input[i] = now
	}
	if f == half {
		if err := c.attributes(n, given); err != nil {
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

// result declares output i of n, made in form f, and returns its name.
func (c *halving) result(s *scope, n *onnxpb.NodeProto, i int, e onnxgraph.Elem, f form) string {
	name := n.GetOutput()[i]
	if told, ok := s.typed[name]; ok {
		e = told
	}
	v := c.declare(s, name, e)
	if e != onnxpb.TensorProto_FLOAT {
		return name
	}
	if alwaysFull(n.GetOpType(), i) {
		f = full
	}
	v.names[f] = c.nameFor(v, name, f)
	return v.names[f]
}
