package catalog_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/catalog"
	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/builder"
	"sweetspot/engine/onnxgraph/onnxpb"
	"sweetspot/engine/tensor"
)

// TestOpenServesWhatRefusesMadeUpItems: what made-up values show never stops serving.
func TestOpenServesWhatRefusesMadeUpItems(t *testing.T) {
	path := file(t, identity(dims(n, four), dims(n, onnxgraph.Open("M"))), "m.onnx")
	open := 0
	broken := func([]tensor.Tensor) ([]tensor.Tensor, error) { return nil, errors.New("it broke") }
	m, err := catalog.Open(t.Context(), path, catalog.Options{Probe: fake{broken, &open}})
	if err != nil {
		t.Fatal(err)
	}
	if m.BatchAxis || !m.Unsampled || open != 0 || m.BatchWhy != "no example ran, so that a batch cannot be verified" {
		t.Errorf("batch %t: %s; unsampled %t, %d sessions open", m.BatchAxis, m.BatchWhy, m.Unsampled, open)
	}
	want := "made-up values do not run (it broke); it is served one item at a time and without a warm-up: give bodies that it accepts with --input, constants for side inputs with --value, or other sizes with --shape"
	if diff := cmp.Diff([]string{want}, m.Warnings); diff != "" {
		t.Errorf("warnings: %s", diff)
	}
	if s := m.Outputs[0]; s.Shape != nil || m.Unbatched != nil {
		t.Errorf("output %v, unbatched %v; want an unknown shape with the axis", s, m.Unbatched)
	}
}

// TestOpenTriesBodiesFirst: a model that only takes numbers above 1000 is verified with those of
// the user.
func TestOpenTriesBodiesFirst(t *testing.T) {
	path := file(t, identity(dims(n, four), dims(n, four)), "m.onnx")
	large := func(rows []tensor.Tensor) ([]tensor.Tensor, error) {
		for _, r := range rows {
			if r.Numbers()[0] < 1000 {
				return nil, errors.New("too small")
			}
		}
		return rows, nil
	}
	body := func(name, data string) catalog.Body {
		return catalog.Body{Name: name, Type: "application/json", Data: []byte(data)}
	}
	good, other := body("good.json", "[2000,1,2,3]"), body("other.json", "[3000,5,6,7]")
	small, wrong := body("small.json", "[1,1,1,1]"), body("wrong.json", "[1]")
	for _, tc := range []struct {
		name    string
		bodies  []catalog.Body
		why     string // ""means without a batch
		samples int
		warning string
	}{
		{"two", []catalog.Body{good, other}, "; 1, 2 and 8 items of --input ran and agree", 2, ""},
		{"one", []catalog.Body{good}, "; 1, 2 and 8 items of --input ran and agree", 1, ""},
		{"a bad one", []catalog.Body{small, good, other}, "; 1, 2 and 8 items of --input ran and agree", 2, "small.json of --input does not run: too small; others do"},
		{"no body of the model", []catalog.Body{wrong}, "", 0, "neither the bodies of --input nor made-up values run"},
	} {
		open := 0
		m, err := catalog.Open(t.Context(), path, catalog.Options{Bodies: tc.bodies, Probe: fake{large, &open}})
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if m.BatchAxis != (tc.why != "") || !strings.HasSuffix(m.BatchWhy, tc.why) || len(m.Samples) != tc.samples {
			t.Errorf("%s: batch %t (%s), %d samples; want %q, %d", tc.name, m.BatchAxis, m.BatchWhy, len(m.Samples), tc.why, tc.samples)
		}
		if got := strings.Join(m.Warnings, "; "); !strings.HasPrefix(got, tc.warning) || tc.warning == "" && got != "" {
			t.Errorf("%s: warning %q, want %q", tc.name, got, tc.warning)
		}
	}
}

// TestOpenBelievesTheRun opens a graph that declares the output sizes of the exporter's
// sample, as traced detectors do.
func TestOpenBelievesTheRun(t *testing.T) {
	b := builder.New("traced", 1)
	x := b.Input("x", floats, onnxgraph.Fixed(1, 4)...)
	b.Output("boxes", b.Op("Reshape", []string{x, b.Ints([]int64{2, 2}, 2)}), floats, onnxgraph.Fixed(35, 2)...)
	b.Output("score", b.Op("Concat", []string{x, x}, onnxpb.AttrInt("axis", 1)), floats, onnxgraph.Fixed(1, 2)...)
	m, err := catalog.Open(t.Context(), file(t, b, "traced.onnx"), catalog.Options{Probe: probe(t)})
	if err != nil {
		t.Fatal(err)
	}
	want := []tensor.Spec{
		{Name: "boxes", Type: tensor.Float32, Shape: []int64{-1, 2}},
		{Name: "score", Type: tensor.Float32, Shape: []int64{-1}},
	}
	if diff := cmp.Diff(want, m.Outputs); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"boxes"}, m.Unbatched); diff != "" || m.BatchWhy != "dim 0 of x is fixed to 1" {
		t.Errorf("unbatched %s, why %s", diff, m.BatchWhy)
	}
}
