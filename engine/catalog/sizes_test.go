package catalog_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/catalog"
	"sweetspot/engine/lengths"
	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/builder"
	"sweetspot/engine/onnxgraph/onnxpb"
	"sweetspot/engine/tensor"
)

func lengthsOf(t *testing.T, texts ...string) map[string]lengths.Shape {
	t.Helper()
	out := map[string]lengths.Shape{}
	for _, text := range texts {
		name, s, err := lengths.ParseFlag(text, nil)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = s
	}
	return out
}

// TestOpenKeepsOpenDimensions: inputs without a shape stay open, with names, and a model that
// runs at 8 and 128 gets made requests between them.
func TestOpenKeepsOpenDimensions(t *testing.T) {
	path := file(t, encoder(), "encoder.onnx")
	for _, tc := range []struct {
		name string
		o    catalog.Options
		want string
	}{
		{"graph only", catalog.Options{}, "8..128"},
		{"by running", catalog.Options{Probe: probe(t)}, "8..128"},
		{"given", catalog.Options{Probe: probe(t), Lengths: lengthsOf(t, "attention_mask=3..9")}, "3..9"},
	} {
		m, err := catalog.Open(t.Context(), path, tc.o)
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		for _, in := range m.Inputs {
			if !slices.Equal(in.Shape, []int64{-1}) || !slices.Equal(in.Dims, []string{"S"}) {
				t.Errorf("%s: input %s %v, want [-1] named S", tc.name, in, in.Dims)
			}
		}
		if out := m.Outputs[0]; !m.BatchAxis || !slices.Equal(out.Shape, []int64{-1, 4}) {
			t.Errorf("%s: batch axis %t, output %s", tc.name, m.BatchAxis, out)
		}
		if diff := cmp.Diff(map[string]string{"input_ids": tc.want, "attention_mask": tc.want}, m.LoadLengths); diff != "" {
			t.Errorf("%s: -want +got\n%s", tc.name, diff)
		}
		if len(m.Samples) < 32 || m.Samples[0].Item[0].Shape[0] != m.Samples[0].Item[1].Shape[0] {
			t.Errorf("%s: %d samples", tc.name, len(m.Samples))
		}
	}
	_, err := catalog.Open(t.Context(), path, catalog.Options{Lengths: lengthsOf(t, "ids=8")})
	fails(t, err, "shape of ids: the model has no such input; it takes input_ids, attention_mask")
}

// longOnly is a fake backend that runs only items of at least 40.
func longOnly(rows []tensor.Tensor) ([]tensor.Tensor, error) {
	for _, r := range rows {
		if r.Shape[0] < 40 {
			return nil, errors.New("too short")
		}
	}
	return rows, nil
}

func TestOpenFindsSizesThatRun(t *testing.T) {
	path := file(t, identity(dims(n, onnxgraph.Open("L")), dims(n, onnxgraph.Open("L"))), "m.onnx")
	open := 0
	m, err := catalog.Open(t.Context(), path, catalog.Options{Probe: fake{longOnly, &open}})
	if err != nil {
		t.Fatal(err)
	}
	if m.LoadLengths["x"] != "128" || open != 0 {
		t.Errorf("lengths %v, want 128, the first that runs; %d sessions open", m.LoadLengths, open)
	}
	_, err = catalog.Open(t.Context(), path, catalog.Options{Probe: fake{longOnly, &open}, Lengths: lengthsOf(t, "x=8..128")})
	fails(t, err, "an item of [8] does not run")
	broken := func([]tensor.Tensor) ([]tensor.Tensor, error) { return nil, errors.New("it broke") }
	m, err = catalog.Open(t.Context(), path, catalog.Options{Probe: fake{broken, &open}})
	if err != nil {
		t.Fatal(err)
	}
	want := "an item of [8] does not run: it broke; say how large an item is, such as --shape x=48"
	if !m.Unsampled || len(m.Warnings) != 1 || !strings.Contains(m.Warnings[0], want) {
		t.Errorf("unsampled %t, warnings %q; want %q", m.Unsampled, m.Warnings, want)
	}
}

// TestBodySamples: the samples of a model with open dimensions are of the lengths of all bodies, and
// the first ones are not of one size.
func TestBodySamples(t *testing.T) {
	path := file(t, identity(dims(n, onnxgraph.Open("L")), dims(n, onnxgraph.Open("L"))), "m.onnx")
	var bodies []catalog.Body
	for size := 1; size <= 200; size++ {
		bodies = append(bodies, catalog.Body{Type: "application/json", Data: []byte("[" + strings.Repeat("1,", size-1) + "1]")})
	}
	m, err := catalog.Open(t.Context(), path, catalog.Options{Bodies: bodies, Probe: probe(t)})
	if err != nil {
		t.Fatal(err)
	}
	var sizes []int64
	for _, r := range m.Samples {
		sizes = append(sizes, r.Item[0].Shape[0])
	}
	if len(sizes) != 64 || sizes[0] < 90 || sizes[0] > 110 || slices.Min(sizes[:4]) > 60 || slices.Max(sizes[:4]) < 140 || slices.Max(sizes) < 190 {
		t.Errorf("lengths of the samples: %v", sizes)
	}
}

// attention is a model whose answers do not depend on padding if the mask is 0 there.
func attention(masked bool) *builder.Builder {
	s := onnxgraph.Open("S")
	b := builder.New("attention", 1)
	ids := b.Input("input_ids", ints, n, s)
	mask := b.Input("attention_mask", ints, n, s)
	x := b.Op("Gather", []string{b.Random(1, 30, 4), ids})
	scores := b.Op("MatMul", []string{x, b.Op("Transpose", []string{x}, onnxpb.AttrInts("perm", 0, 2, 1))})
	if masked {
		hidden := b.Op("Sub", []string{b.Floats([]float32{1}), b.Op("Cast", []string{mask}, onnxpb.AttrInt("to", int64(floats)))})
		bias := b.Op("Unsqueeze", []string{b.Op("Mul", []string{hidden, b.Floats([]float32{-1e4})}), b.Ints([]int64{1}, 1)})
		scores = b.Op("Add", []string{scores, bias})
	}
	y := b.Op("MatMul", []string{b.Op("Softmax", []string{scores}, onnxpb.AttrInt("axis", -1)), x})
	first := b.Op("Gather", []string{y, b.Ints([]int64{0})}, onnxpb.AttrInt("axis", 1))
	b.Output("hidden", y, floats, n, s, four)
	b.Output("first", first, floats, n, four)
	if !masked { // it has to be used
		b.Output("mask", b.Op("Identity", []string{mask}), ints, n, s)
	}
	return b
}

func TestPadding(t *testing.T) {
	masked, unmasked := file(t, attention(true), "masked.onnx"), file(t, attention(false), "unmasked.onnx")
	for _, tc := range []struct {
		name, path string
		o          catalog.Options
		padded     bool
		why        []string
	}{
		{
			"masked", masked,
			catalog.Options{Pad: map[string]float64{"input_ids": 1}},
			true,
			[]string{"input_ids with 1, attention_mask with 0, to the longest of a batch; 3 items ran padded and alone and agree within 0.0001"},
		},
		{"buckets", masked, catalog.Options{Pad: map[string]float64{"input_ids": 0}, Buckets: []int64{16, 64}}, true, []string{"to lengths of [16 64]"}},
		{"one length", masked, catalog.Options{Pad: map[string]float64{"input_ids": 0}, Lengths: lengthsOf(t, "input_ids=32")}, true, []string{"agree within"}},
		{
			"unmasked", unmasked,
			catalog.Options{Pad: map[string]float64{"input_ids": 0}},
			false,
			[]string{"not padded: output ", " by up to ", "of its largest number (allowed 0.0001)", "batches run by equal shape"},
		},
		{
			"small outputs", file(t, meanOf(1e-5), "small.onnx"),
			catalog.Options{Pad: map[string]float64{"input_ids": 0}},
			false,
			[]string{"not padded: output y", "of its largest number (allowed 0.0001)"},
		},
		{"texts", file(t, texts(), "texts.onnx"), catalog.Options{Pad: map[string]float64{"input_ids": 0}}, true, []string{"agree within 0.0001"}},
	} {
		tc.o.Probe = probe(t)
		m, err := catalog.Open(t.Context(), tc.path, tc.o)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if (m.Padding != nil) != tc.padded {
			t.Errorf("%s: padded %t, want %t: %s", tc.name, m.Padding != nil, tc.padded, m.PadWhy)
		}
		for _, want := range tc.why {
			if !strings.Contains(m.PadWhy, want) {
				t.Errorf("%s: %q, want %q in it", tc.name, m.PadWhy, want)
			}
		}
		if tc.padded && (len(m.Padding.Cuts) != 1 || m.Padding.Cuts[0].Output != tensor.Dim{Tensor: 0, Axis: 0}) {
			t.Errorf("%s: cuts %+v, want the tokens of the first output", tc.name, m.Padding.Cuts)
		}
	}
}

// meanOf is the mean of the tokens times a number: it depends on the padding.
func meanOf(times float32) *builder.Builder {
	b := builder.New("mean", 1)
	x := b.Op("Gather", []string{b.Random(1, 30, 4), b.Input("input_ids", ints, n, onnxgraph.Open("S"))})
	mean := b.Op("ReduceMean", []string{x}, onnxpb.AttrInts("axes", 1), onnxpb.AttrInt("keepdims", 0))
	b.Output("y", b.Op("Mul", []string{mean, b.Floats([]float32{times})}), floats, n, four)
	return b
}

// texts answers with the text of each token.
func texts() *builder.Builder {
	b, s := builder.New("texts", 1), onnxgraph.Open("S")
	x := b.Op("Cast", []string{b.Input("input_ids", ints, n, s)}, onnxpb.AttrInt("to", int64(onnxpb.TensorProto_STRING)))
	b.Output("y", x, onnxpb.TensorProto_STRING, n, s)
	return b
}

func TestPaddingErrors(t *testing.T) {
	path := file(t, attention(true), "m.onnx")
	for want, o := range map[string]catalog.Options{
		"pad input_id: the model has no such input; did you mean input_ids?":       {Pad: map[string]float64{"input_id": 0}},
		"pad input_ids=0.5: input_ids is INT64; give a whole number":               {Pad: map[string]float64{"input_ids": .5}},
		"buckets are lengths to pad to: say with what":                             {Buckets: []int64{8}},
		"buckets [16 8]: want ascending":                                           {Pad: map[string]float64{"input_ids": 0}, Buckets: []int64{16, 8}},
		"pad input_ids: it has no open dimension: [16]; leave out its --shape, or": {Pad: map[string]float64{"input_ids": 0}, Shapes: map[string][]int64{"input_ids": {16}}},
	} {
		_, err := catalog.Open(t.Context(), path, o)
		fails(t, err, want)
	}
	m, err := catalog.Open(t.Context(), path, catalog.Options{Pad: map[string]float64{"input_ids": 0}})
	if err != nil || m.Padding != nil || !strings.Contains(m.PadWhy, "has to be verified by running") {
		t.Errorf("without a probe: %v, %v, %s", err, m.Padding, m.PadWhy)
	}
}

// TestOpenTriesNoSizeThatCrashes: the scales of a Resize of a value of unknown rank have at most 16 numbers,
// because ONNX Runtime ends the process for some more.
func TestOpenTriesNoSizeThatCrashes(t *testing.T) {
	b := builder.New("scales", 1)
	x := b.Op("Reshape", []string{b.Input("x", floats, n, four), b.Ints([]int64{0, 2, 2}, 3)})
	b.Output("y", b.Op("Resize", []string{x, "", b.Input("p", floats, onnxgraph.Open("P"))}), floats, onnxgraph.Open("A"), onnxgraph.Open("B"), onnxgraph.Open("C"))
	m, err := catalog.Open(t.Context(), file(t, b, "m.onnx"), catalog.Options{Probe: probe(t)})
	if err != nil {
		t.Fatal(err)
	}
	if m.BatchAxis || m.Inputs[1].MaxSize != 16 {
		t.Errorf("batch %t, %+v", m.BatchAxis, m.Inputs[1])
	}
}
