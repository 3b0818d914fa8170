package fp16

import (
	"fmt"

	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/onnxpb"
)

// precision is the precision in which an FP32 value of the original exists in the converted
// model. Values of other types have no precision and do not change.
type precision uint8

const (
	full precision = iota // FP32
	half
)

func (f precision) other() precision { return 1 - f }

func (f precision) elem() onnxgraph.Elem {
	if f == half {
		return onnxpb.TensorProto_FLOAT16
	}
	return onnxpb.TensorProto_FLOAT
}

// scope is a graph that is being converted. Its values are visible in the graphs inside it.
type scope struct {
	outer     *scope
	precision precision // of the graph's own inputs and outputs
	graph     *onnxpb.GraphProto
	values    map[string]*value
	declared  map[string]onnxgraph.Elem // declared types of intermediate values
	isOutput  map[string]bool           // names of the graph's outputs
	out       []*onnxpb.NodeProto
	dense     []*onnxpb.TensorProto
	sparse    []*onnxpb.SparseTensorProto
}

// value is a value of the original graph.
type value struct {
	elem  onnxgraph.Elem // in the original
	scope *scope
	names [2]string // by precision; "" if it does not exist yet
	// write writes an initializer in a precision; nil for other values.
	write func(name string, f precision) error
}

// declare adds a value called name to s.
func (c *converter) declare(s *scope, name string, e onnxgraph.Elem) *value {
	v := &value{elem: e, scope: s}
	if e == onnxpb.TensorProto_FLOAT {
		c.floats++
	}
	s.values[name] = v
	return v
}

func (s *scope) find(name string) *value {
	for ; s != nil; s = s.outer {
		if v, ok := s.values[name]; ok {
			return v
		}
	}
	return nil
}

// elem returns the original type of a value, or UNDEFINED if there is no such value.
func (s *scope) elem(name string) onnxgraph.Elem {
	if v := s.find(name); v != nil {
		return v.elem
	}
	return onnxpb.TensorProto_UNDEFINED
}

// valueIn returns the name of the value in precision f. name is its name in the original. It
// makes the value if it does not exist yet.
func (c *converter) valueIn(s *scope, name string, f precision) (string, error) {
	v := s.find(name)
	switch {
	case v == nil:
		return "", fmt.Errorf("%q is used before a node computes it", name)
	case v.elem != onnxpb.TensorProto_FLOAT:
		return name, nil
	case v.names[f] != "":
		return v.names[f], nil
	}
	now := c.nameFor(v, name, f)
	v.names[f] = now
	if v.write != nil {
		return now, v.write(now, f)
	}
	c.report.Casts++
	v.scope.out = append(v.scope.out, &onnxpb.NodeProto{
		OpType: "Cast", Name: "cast_" + now, Input: []string{v.names[f.other()]}, Output: []string{now},
		Attribute: []*onnxpb.AttributeProto{onnxpb.AttrInt("to", int64(f.elem()))},
	})
	return now, nil
}

// nameFor chooses a name for v in precision f: the original name, unless v has it in the
// other precision or the graph's output needs it in the other precision.
func (c *converter) nameFor(v *value, name string, f precision) string {
	if v.names[f.other()] != name && !(v.scope.isOutput[name] && v.scope.precision != f) {
		return name
	}
	suffix := "_fp32"
	if f == half {
		suffix = "_fp16"
	}
	for name += suffix; c.used[name]; name += "_" {
		continue
	}
	c.used[name] = true
	return name
}
