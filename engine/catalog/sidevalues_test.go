package catalog_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"sweetspot/engine/catalog"
	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/builder"
	"sweetspot/engine/onnxgraph/onnxpb"
)

// centred is y = x - k mean(x over the batch): it mixes its items unless k is 0.
func centred(kind onnxpb.TensorProto_DataType) *builder.Builder {
	b := builder.New("centred", 1)
	x, k := b.Input("x", floats, n, four), b.Input("k", kind)
	mean := b.Op("ReduceMean", []string{x}, onnxpb.AttrInts("axes", 0))
	share := b.Op("Mul", []string{mean, b.Op("Cast", []string{k}, onnxpb.AttrInt("to", int64(floats)))})
	b.Output("y", b.Op("Sub", []string{x, share}), floats, n, four)
	return b
}

// TestOpenVerifiesSideValues: what one value of a side input shows is not true for another.
func TestOpenVerifiesSideValues(t *testing.T) {
	b := probe(t)
	boolean := onnxpb.TensorProto_BOOL
	and := builder.New("and", 1) // both values are right
	x, k := and.Input("x", boolean, n, four), and.Input("k", boolean)
	and.Output("y", and.Op("Xor", []string{x, k}), boolean, n, four)
	body := func(data string) catalog.Body { return catalog.Body{Type: "application/json", Data: []byte(data)} }
	bodies := []catalog.Body{body(`{"x":[1,2,3,4],"k":0}`), body(`{"x":[5,6,7,8],"k":0}`), body(`{"x":[1,2,3,4],"k":1}`)}
	const mixed = "2 items together have other outputs than each alone"
	for _, tc := range []struct {
		name   string
		build  *builder.Builder
		bodies []catalog.Body
		want   []string // the values, those for single rows with the reason
	}{
		{"both of a bool", and, nil, []string{"k=0", "k=1"}},
		{"each of --input", centred(floats), bodies, []string{"k=0", "k=1: " + mixed}},
		{"made up", twice(), nil, []string{"factor=1"}},
	} {
		m, err := catalog.Open(t.Context(), file(t, tc.build, "m.onnx"), catalog.Options{Probe: b, Bodies: tc.bodies})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, v := range m.SideValues {
			text := m.SideText(v)
			if v.Why != "" {
				text += ": " + v.Why
				if !strings.Contains(strings.Join(m.Warnings, "\n"), m.SideText(v)+" run one by one: ") {
					t.Errorf("%s: no warning about %s: %q", tc.name, text, m.Warnings)
				}
			}
			got = append(got, text)
		}
		if len(got) == 2 && got[0] > got[1] { // which of two bools is made up first does not matter
			got[0], got[1] = got[1], got[0]
		}
		if diff := cmp.Diff(tc.want, got); !m.BatchAxis || diff != "" {
			t.Errorf("%s: batch %t (%s): %s", tc.name, m.BatchAxis, m.BatchWhy, diff)
		}
	}
}

// twice multiplies by a side input without bounds.
func twice() *builder.Builder {
	b := builder.New("twice", 1)
	x, factor := b.Input("x", floats, n, four), b.Input("factor", ints, onnxgraph.Fixed(1)...)
	b.Output("y", b.Op("Mul", []string{x, b.Op("Cast", []string{factor}, onnxpb.AttrInt("to", int64(floats)))}), floats, n, four)
	return b
}

// TestOpenVerifiesOverriddenDefaults: a default may be overridden by a request.
func TestOpenVerifiesOverriddenDefaults(t *testing.T) {
	path := file(t, centred(floats), "m.onnx")
	zero := &onnxpb.TensorProto{Name: "k", DataType: int32(floats), FloatData: []float32{0}}
	initializer, err := proto.Marshal(&onnxpb.ModelProto{Graph: &onnxpb.GraphProto{Initializer: []*onnxpb.TensorProto{zero}}})
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(data, initializer...), 0o600); err != nil { // appended messages are merged
		t.Fatal(err)
	}
	m, err := catalog.Open(t.Context(), path, catalog.Options{Probe: probe(t)})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range m.SideValues {
		got = append(got, m.SideText(v)+" "+v.Why)
	}
	want := []string{"k=default ", "k=1 2 items together have other outputs than each alone"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestPaddingIsVerifiedWithOneSideValue: with another one a model may not ignore what is padded, so that the
// engine has to find it out.
func TestPaddingIsVerifiedWithOneSideValue(t *testing.T) {
	b, s := builder.New("flag", 1), onnxgraph.Open("S")
	ids, mask, flag := b.Input("ids", ints, n, s), b.Input("mask", ints, n, s), b.Input("flag", onnxpb.TensorProto_BOOL)
	used := b.Op("Where", []string{flag, mask, b.Ints([]int64{1}, 1)})
	kept := b.Op("Mul", []string{b.Op("Add", []string{ids, b.Ints([]int64{1}, 1)}), used})
	b.Output("y", b.Op("ReduceSum", []string{kept, b.Ints([]int64{1}, 1)}), ints, n, onnxgraph.Fixed(1)[0])
	body := func(data string) catalog.Body { return catalog.Body{Type: "application/json", Data: []byte(data)} }
	bodies := []catalog.Body{body(`{"ids":[1,2],"mask":[1,1],"flag":true}`), body(`{"ids":[3,4],"mask":[1,1],"flag":true}`)}
	for _, pad := range []map[string]float64{nil, {"ids": 0}} {
		m, err := catalog.Open(t.Context(), file(t, b, "m.onnx"), catalog.Options{Probe: probe(t), Bodies: bodies, Pad: pad})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, v := range m.SideValues {
			got = append(got, m.SideText(v))
		}
		want := []string{"flag=1", "flag=0"}
		if pad != nil {
			want = want[:1]
		}
		if diff := cmp.Diff(want, got); diff != "" || (m.Padding != nil) != (pad != nil) {
			t.Errorf("pad %v: %s: %s", pad, m.PadWhy, diff)
		}
	}
}
