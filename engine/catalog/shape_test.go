package catalog_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/catalog"
	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/builder"
	"sweetspot/engine/onnxgraph/onnxpb"
	"sweetspot/engine/tensor"
)

// encoder has two inputs with the dimension S, and a vocabulary of 30 tokens.
func encoder() *builder.Builder {
	s := onnxgraph.Open("S")
	b := builder.New("encoder", 1)
	ids := b.Input("input_ids", ints, n, s)
	mask := b.Input("attention_mask", ints, n, s)
	x := b.Op("Gather", []string{b.Random(1, 30, 4), ids})
	m := b.Op("Unsqueeze", []string{b.Op("Cast", []string{mask}, onnxpb.AttrInt("to", int64(floats))), b.Ints([]int64{2}, 1)})
	b.Output("y", b.Op("Mul", []string{x, m}), floats, n, s, four)
	return b
}

func TestOpenTakesShapes(t *testing.T) {
	path := file(t, encoder(), "encoder.onnx")
	shapes := func(name string, dims ...int64) map[string][]int64 { return map[string][]int64{name: dims} }
	for name, given := range map[string]map[string][]int64{
		"one for both":   shapes("input_ids", 16),
		"with the batch": shapes("attention_mask", 1, 16),
	} {
		m, err := catalog.Open(t.Context(), path, catalog.Options{Shapes: given})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := []tensor.Spec{
			{Name: "input_ids", Type: tensor.Int64, Shape: []int64{16}, Bounded: true, Min: -30, Max: 29, Usual: &tensor.Range{Max: 29}},
			{Name: "attention_mask", Type: tensor.Int64, Shape: []int64{16}},
		}
		if diff := cmp.Diff(want, m.Inputs); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
		if diff := cmp.Diff([]int64{16, 4}, m.Outputs[0].Shape); diff != "" {
			t.Errorf("%s: output: %s", name, diff)
		}
	}
	for _, tc := range []struct {
		given map[string][]int64
		want  string
	}{
		{shapes("input_id", 16), "--shape input_id: the model has no such input; did you mean input_ids?"},
		{shapes("input_ids", 2, 16, 4), `shape [2 16 4] does not fit input "input_ids", which takes [S] per item; write --shape input_ids=64`},
	} {
		_, err := catalog.Open(t.Context(), path, catalog.Options{Shapes: tc.given})
		fails(t, err, tc.want)
	}
}

func TestOpenTakesShapesOfImages(t *testing.T) {
	open := onnxgraph.Dim{Size: -1}
	three := onnxgraph.Dim{Size: 3}
	path := file(t, identity(dims(n, three, open, open), dims(n, three, open, open)), "image.onnx")
	for _, given := range [][]int64{{3, 32, 48}, {1, 3, 32, 48}, {32, 48}} {
		m, err := catalog.Open(t.Context(), path, catalog.Options{Shapes: map[string][]int64{"x": given}})
		if err != nil {
			t.Error(err)
		} else if got := m.Inputs[0].String(); got != "x FP32 [3 32 48]" {
			t.Errorf("shape %v gives %s", given, got)
		}
	}
	for want, given := range map[string][]int64{
		`dimension 0 of an item of input "x" is fixed to 3 and cannot be 4; write --shape x=3x224x224`: {4, 32, 48},
		`shape [48] does not fit input "x", which takes [3 ? ?] per item`:                              {48},
	} {
		_, err := catalog.Open(t.Context(), path, catalog.Options{Shapes: map[string][]int64{"x": given}})
		fails(t, err, want)
	}
}

// TestOpenTakesWholeShapes: a size other than 1 for the batch axis too says that there is none, and so
// does a name that means no batch if the items are not independent.
func TestOpenTakesWholeShapes(t *testing.T) {
	b := builder.New("audio", 1)
	x := b.Input("audio", floats, onnxgraph.Open("samples"))
	b.Output("y", b.Op("CumSum", []string{x, b.Ints([]int64{0})}), floats, onnxgraph.Open("samples"))
	path := file(t, b, "audio.onnx")
	for _, tc := range []struct {
		name  string
		o     catalog.Options
		batch bool
		in    string
		why   string
	}{
		{"nothing is said", catalog.Options{}, false, "audio FP32 [-1]", "dim 0 of audio is open, but 2 items together have other outputs than each alone; it is taken for a length"},
		{"a size", catalog.Options{Shapes: map[string][]int64{"audio": {160}}}, false, "audio FP32 [-1]", "--shape has a size for each dimension of audio"},
		{"no batch", catalog.Options{NoBatch: true}, false, "audio FP32 [-1]", "--no-batch says that there is no batch axis"},
		{"no batch, a size", catalog.Options{NoBatch: true, Shapes: map[string][]int64{"audio": {160}}}, false, "audio FP32 [-1]", "--no-batch says that there is no batch axis"},
	} {
		tc.o.Probe = probe(t)
		m, err := catalog.Open(t.Context(), path, tc.o)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if m.BatchAxis != tc.batch || m.Inputs[0].String() != tc.in || m.BatchWhy != tc.why {
			t.Errorf("%s: batch %t, %s: %s; want %t, %s: %s", tc.name, m.BatchAxis, m.Inputs[0], m.BatchWhy, tc.batch, tc.in, tc.why)
		}
	}
}

// TestOpenNamesNoBatch: an axis with the name of a batch stays one item a request, and the reason says
// what to type if it is a length.
func TestOpenNamesNoBatch(t *testing.T) {
	b := builder.New("named", 1)
	b.Output("y", b.Op("CumSum", []string{b.Input("x", floats, n), b.Ints([]int64{0})}), floats, n)
	m, err := catalog.Open(t.Context(), file(t, b, "m.onnx"), catalog.Options{Probe: probe(t)})
	if err != nil {
		t.Fatal(err)
	}
	if m.Inputs[0].String() != "x FP32 []" || !strings.HasSuffix(m.BatchWhy, "; if that is no batch, --no-batch takes it as a whole") {
		t.Errorf("%s: %s", m.Inputs[0], m.BatchWhy)
	}
}

// TestOpenFindsSideInputs: an input without a batch axis is the same for a whole batch.
func TestOpenFindsSideInputs(t *testing.T) {
	b := builder.New("scaled", 1)
	x := b.Input("x", floats, n, four)
	factor := b.Input("factor", floats)
	b.Output("y", b.Op("Mul", []string{x, factor}), floats, n, four)
	path := file(t, b, "scaled.onnx")
	for _, tc := range []struct {
		o         catalog.Options
		inputs    string
		unbatched []string
		side      []int
		why       string
	}{
		{catalog.Options{}, "x FP32 [4], factor FP32 []", []string{"factor"}, []int{1}, "dim 0 of x is open, factor the same for a whole batch; not verified by running"},
		{catalog.Options{Probe: probe(t)}, "x FP32 [4], factor FP32 []", []string{"factor"}, []int{1}, "dim 0 of x is open, factor the same for a whole batch" + agree + "; each other value of factor is verified when it first comes"},
		{catalog.Options{Probe: probe(t), Values: map[string]string{"factor": "2"}}, "x FP32 [4]", []string{"factor"}, nil, "dim 0 of x is open" + agree},
		{catalog.Options{Probe: probe(t), NoBatch: true, Shapes: map[string][]int64{"x": {1, 4}}}, "x FP32 [-1 4], factor FP32 []", []string{"x", "factor", "y"}, nil, "--no-batch says that there is no batch axis"},
	} {
		m, err := catalog.Open(t.Context(), path, tc.o)
		if err != nil {
			t.Errorf("%+v: %v", tc.o, err)
			continue
		}
		var inputs []string
		for _, s := range m.Inputs {
			inputs = append(inputs, s.String())
		}
		got := []any{strings.Join(inputs, ", "), m.Unbatched, m.SideInputs(), m.BatchWhy}
		if diff := cmp.Diff([]any{tc.inputs, tc.unbatched, tc.side, tc.why}, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
}

// TestOpenSideOfOpenSize: a side input whose size is open has one value in a batch, and the batch is verified.
func TestOpenSideOfOpenSize(t *testing.T) {
	b := builder.New("pairs", 1)
	x := b.Input("x", floats, n, four)
	other := b.Input("other", floats, onnxgraph.Open("M"), four)
	b.Output("y", b.Op("MatMul", []string{x, b.Op("Transpose", []string{other}, onnxpb.AttrInts("perm", 1, 0))}), floats, n, onnxgraph.Open("M"))
	m, err := catalog.Open(t.Context(), file(t, b, "pairs.onnx"), catalog.Options{Probe: probe(t)})
	if err != nil {
		t.Fatal(err)
	}
	const want = "dim 0 of x is open, other the same for a whole batch" + agree + "; each other value of other is verified when it first comes"
	if !m.BatchAxis || m.BatchWhy != want {
		t.Errorf("%v, %q, want %q", m.BatchAxis, m.BatchWhy, want)
	}
}
