package onnxpb_test

import (
	"testing"

	"sweetspot/engine/onnxgraph/onnxpb"
)

func TestAttr(t *testing.T) {
	n := &onnxpb.NodeProto{Attribute: []*onnxpb.AttributeProto{
		onnxpb.AttrInt("axis", 3), onnxpb.AttrInts("perm", 1, 0), onnxpb.AttrFloat("epsilon", .5),
	}}
	if got := n.Attr("axis"); got.GetI() != 3 || got.GetType() != onnxpb.AttributeProto_INT {
		t.Errorf("axis is %v", got)
	}
	if got := n.Attr("perm"); len(got.GetInts()) != 2 || got.GetType() != onnxpb.AttributeProto_INTS {
		t.Errorf("perm is %v", got)
	}
	if got := n.Attr("epsilon"); got.GetF() != .5 || got.GetType() != onnxpb.AttributeProto_FLOAT {
		t.Errorf("epsilon is %v", got)
	}
	var none *onnxpb.NodeProto
	if n.Attr("pads") != nil || none.Attr("axis").GetI() != 0 {
		t.Error("an attribute exists that was not made")
	}
}
