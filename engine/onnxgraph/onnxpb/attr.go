package onnxpb

import "slices"

// Attr is n's attribute of that name, nil if it has none. What is read of nil is
// the zero value.
func (x *NodeProto) Attr(name string) *AttributeProto {
	i := slices.IndexFunc(x.GetAttribute(), func(a *AttributeProto) bool { return a.GetName() == name })
	if i < 0 {
		return nil
	}
	return x.GetAttribute()[i]
}

// AttrInt is an integer attribute of a node.
func AttrInt(name string, v int64) *AttributeProto {
	return &AttributeProto{Name: name, Type: AttributeProto_INT, I: v}
}

// AttrInts is an attribute of several integers.
func AttrInts(name string, v ...int64) *AttributeProto {
	return &AttributeProto{Name: name, Type: AttributeProto_INTS, Ints: v}
}

// AttrFloat is a floating point attribute.
func AttrFloat(name string, v float32) *AttributeProto {
	return &AttributeProto{Name: name, Type: AttributeProto_FLOAT, F: v}
}
