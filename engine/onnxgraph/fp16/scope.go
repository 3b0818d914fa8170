package fp16

import (
	"fmt"

	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/onnxpb"
)

// form is one of the two ways in which a value that was FP32 can exist in the
// twin. Only such values have forms; all others stay as they are.
type form uint8

const (
	full form = iota // FP32
	half
)

func (f form) other() form { return 1 - f }

func (f form) elem() onnxgraph.Elem {
	if f == half {
		return onnxpb.TensorProto_FLOAT16
	}
	return onnxpb.TensorProto_FLOAT
}

// scope is a graph being converted. Graphs inside it see its values.
type scope struct {
	outer  *scope
	form   form // of the graph's own inputs and outputs
	graph  *onnxpb.GraphProto
	values map[string]*datum
	typed  map[string]onnxgraph.Elem // what the graph says of values in between
	isOut  map[string]bool           // the graph's outputs
	out    []*onnxpb.NodeProto
	dense  []*onnxpb.TensorProto
	sparse []*onnxpb.SparseTensorProto
}

// datum is what a name of the original stands for.
type datum struct {
	elem  onnxgraph.Elem // in the original
	scope *scope
	names [2]string // by form, "" while it does not exist
	// write stores an initialiser's numbers in a form; nil for other values.
	write func(name string, f form) error
}

// declare makes name known in s.
func (c *halving) declare(s *scope, name string, e onnxgraph.Elem) *datum {
	v := &datum{elem: e, scope: s}
	if e == onnxpb.TensorProto_FLOAT {
		c.floats++
	}
	s.values[name] = v
	return v
}

func (s *scope) find(name string) *datum {
	for ; s != nil; s = s.outer {
		if v, ok := s.values[name]; ok {
			return v
		}
	}
	return nil
}

// elem is the original type of a value, UNDEFINED if there is no such value.
func (s *scope) elem(name string) onnxgraph.Elem {
	if v := s.find(name); v != nil {
		return v.elem
	}
	return onnxpb.TensorProto_UNDEFINED
}

// as is the name under which the value called name in the original is found in
// form f, which is made if it does not exist.
func (c *halving) as(s *scope, name string, f form) (string, error) {
	v := s.find(name)
	switch {
	case v == nil:
		return "", fmt.Errorf("%q is read before any node makes it", name)
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

// nameFor picks a name for form f of v: the original one unless the other form
// has it, or an output of the graph is to have it in the other form.
func (c *halving) nameFor(v *datum, name string, f form) string {
	if v.names[f.other()] != name && !(v.scope.isOut[name] && v.scope.form != f) {
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
