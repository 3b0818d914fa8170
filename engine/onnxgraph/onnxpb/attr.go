package onnxpb

import "slices"

// Attr returns the attribute called name, or nil. The getters of a nil attribute return zero
// values.
func (x *NodeProto) Attr(name string) *AttributeProto {
	i := slices.IndexFunc(x.GetAttribute(), func(a *AttributeProto) bool { return a.GetName() == name })
	if i < 0 {
		return nil
	}
	return x.GetAttribute()[i]
}

// AttrInt returns an integer attribute of a node.
func AttrInt(name string, v int64) *AttributeProto {
	return &AttributeProto{Name: name, Type: AttributeProto_INT, I: v}
}

// AttrInts returns an attribute of several integers.
func AttrInts(name string, v ...int64) *AttributeProto {
	return &AttributeProto{Name: name, Type: AttributeProto_INTS, Ints: v}
}

// AttrFloat returns a floating point attribute.
func AttrFloat(name string, v float32) *AttributeProto {
	return &AttributeProto{Name: name, Type: AttributeProto_FLOAT, F: v}
}
