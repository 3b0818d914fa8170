package catalog_test

import (
	"bytes"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine"
	"sweetspot/engine/backend/onnx"
	"sweetspot/engine/backend/onnx/ortlib"
	"sweetspot/engine/catalog"
	"sweetspot/engine/knob"
	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/builder"
	"sweetspot/engine/onnxgraph/builtin"
	"sweetspot/engine/onnxgraph/onnxpb"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

// probe returns the ONNX Runtime backend; without its library the test is skipped.
func probe(t *testing.T) *onnx.Backend {
	t.Helper()
	cache, _ := os.UserCacheDir()
	lib, err := ortlib.Find(ortlib.FromEnv(os.Getenv, cache))
	if err != nil {
		t.Skip(err)
	}
	b, err := onnx.New(lib.Path, runtime.NumCPU(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// serve runs up to 3 items of m with the batch axis that it declares.
func serve(t *testing.T, b *onnx.Backend, m *engine.Model) []payload.Result {
	t.Helper()
	c := knob.Config{Settings: knob.Default(knob.Eager)}
	if m.BatchAxis {
		c.BatchSize = 3
	}
	s, err := b.Open(t.Context(), m, c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	rng := rand.New(rand.NewPCG(5, 6))
	items := make([]tensor.Item, c.BatchSize)
	for i := range items {
		items[i] = tensor.SampleItem(m.Inputs, rng)
	}
	results := make([]payload.Result, len(items))
	if err := s.Run(t.Context(), payload.OfItems(items...), results); err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		for i, out := range r.Outputs {
			if err := m.Outputs[i].Check(out); err != nil {
				t.Errorf("an output differs from the model's spec: %v", err)
			}
		}
	}
	return results
}

func TestOpenVerifiesByRunning(t *testing.T) {
	b := probe(t)
	one := onnxgraph.Dim{Size: 1}
	where := builder.New("where", 1)
	where.Output("places", where.Op("NonZero", []string{where.Input("x", floats, n, four)}), ints, onnxgraph.Dim{Size: 2}, onnxgraph.Open("D"))
	sum := builder.New("sum", 1) // mixes its items
	x := sum.Input("x", floats, n, four)
	sum.Output("y", sum.Op("Sub", []string{x, sum.Op("ReduceSum", []string{x, sum.Ints([]int64{0}, 1)})}), floats, n, four)
	squeeze := builder.New("squeeze", 1) // [4] for one item and [2 4] for two
	squeeze.Output("y", squeeze.Op("Squeeze", []string{squeeze.Input("x", floats, n, one, four)}), floats, onnxgraph.Open("A"))
	data := builder.New("data", 1) // batch_id is no index
	data.Output("y", data.Op("Identity", []string{data.Input("x", floats, n, four)}), floats, n, four)
	data.Output("batch_id", data.Op("Identity", []string{data.Input("id", ints, n)}), ints, onnxgraph.Open("K"))
	loss := builder.New("loss", 1)
	y := loss.Op("ReduceSum", []string{loss.Input("x", floats, n, four), loss.Ints([]int64{0, 1}, 2)}, onnxpb.AttrInt("keepdims", 0))
	loss.Output("loss", y, floats)
	tests := []struct {
		name    string
		build   *builder.Builder
		shapes  map[string][]int64
		batch   bool
		why     string
		outputs string
	}{
		{"batch", identity(dims(n, four), dims(n, four)), nil, true, "dim 0 of x is open" + agree, "y FP32 [4]"},
		{"encoder", encoder(), map[string][]int64{"input_ids": {6}}, true, "dim 0 of input_ids, attention_mask is open" + agree, "y FP32 [-1 4]"},
		{"squeezed", squeeze, nil, true, "dim 0 of x is open" + agree, "y FP32 [-1]"},
		{"data called an index", data, nil, true, "dim 0 of x, id is open" + agree, "y FP32 [4]"},
		{"fixed to 1", identity(dims(one, four), dims(one, four)), nil, false, "dim 0 of x is fixed to 1", "y FP32 [4]"},
		{"fixed to 4", identity(dims(four, four), dims(four, four)), nil, false, "dim 0 of x is fixed to 4", "y FP32 [4 4]"},
		{"no batch in outputs", where, nil, false, "dim 0 of x is open, but outputs have no batch dimension: places is [2 8] for 2 items", "places INT64 [2 -1]"},
		{"mixes items", sum, nil, false, "dim 0 of x is open, but 2 items together have other outputs than each alone", "y FP32 [4]"},
		{"scalar", loss, nil, false, "dim 0 of x is open, but outputs have no batch dimension: loss is a scalar", "loss FP32 []"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			m, err := catalog.Open(t.Context(), file(t, tc.build, "m.onnx"), catalog.Options{Shapes: tc.shapes, Probe: b})
			if err != nil {
				t.Fatal(err)
			}
			got := []any{m.BatchAxis, m.BatchWhy, m.Outputs[0].String()}
			if diff := cmp.Diff([]any{tc.batch, tc.why, tc.outputs}, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			serve(t, b, m)
		})
	}
}

// TestOpenRefusesWhatDoesNotLoad opens a graph that is readable and that the runtime refuses.
func TestOpenRefusesWhatDoesNotLoad(t *testing.T) {
	unknown := builder.New("unknown", 1)
	unknown.Output("y", unknown.Op("Teleport", []string{unknown.Input("x", floats, n, four)}), floats, n, four)
	_, err := catalog.Open(t.Context(), file(t, unknown, "m.onnx"), catalog.Options{Probe: probe(t)})
	fails(t, err, "m.onnx: the model cannot be loaded: opset 17 has no operator Teleport; export it again")
}

func TestBuiltinsServeBatches(t *testing.T) {
	b := probe(t)
	for _, net := range builtin.Models() {
		t.Run(net.Name, func(t *testing.T) {
			m, err := catalog.Open(t.Context(), "builtin:"+net.Name, catalog.Options{Probe: b})
			if err != nil {
				t.Fatal(err)
			}
			why := "dim 0 of x is open"
			switch net.Name {
			case "encoder":
				why = "dim 0 of input_ids, attention_mask is open"
			case "detector":
				why += ", batch_idx maps entries to items"
			}
			slow := strings.Replace(agree, "1, 2 and 8", "1 and 2", 1) // on a busy machine
			if !m.BatchAxis || m.BatchWhy != why+agree && m.BatchWhy != why+slow {
				t.Errorf("batch %t: %s", m.BatchAxis, m.BatchWhy)
			}
			results := serve(t, b, m)
			if bytes.Equal(results[0].Outputs[0].Data, results[1].Outputs[0].Data) {
				t.Error("two items have the same output")
			}
		})
	}
}

// TestForeignModels opens every test model of the onnxruntime_go module, which come from
// other exporters.
func TestForeignModels(t *testing.T) {
	b := probe(t)
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/yalue/onnxruntime_go").Output()
	if err != nil {
		t.Skipf("the module's folder is unknown: %v", err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "test_data", "*.onnx"))
	if err != nil || len(files) == 0 {
		t.Skipf("no models in %s: %v", dir, err)
	}
	want := map[string]string{ // BatchWhy, or the refusal
		"example ż 大 김.onnx":                      "dim 0 of in is fixed to 1",
		"example_0_dim_output.onnx":               "dim 0 of x is fixed to 2",
		"example_big_compute.onnx":                "dim 0 of Input is fixed to 1",
		"example_big_fanout.onnx":                 "dim 0 of input is fixed to 1",
		"example_dynamic_axes.onnx":               "dim 0 of input_vectors is open" + agree,
		"example_float16.onnx":                    "dim 0 of InputA is fixed to 1",
		"example_multitype.onnx":                  "dim 0 of InputA is fixed to 1",
		"example_several_inputs_and_outputs.onnx": "dim 0 of input 1 is fixed to 2",
		"example_strings.onnx":                    "it compares strings by the locale en_US.UTF-8, which this machine does not have",
		"sklearn_randomforest.onnx":               "dim 0 of X is open" + agree,
	}
	if len(files) != len(want) {
		t.Errorf("%d models in %s, %d in our table", len(files), dir, len(want))
	}
	for _, path := range files {
		name := filepath.Base(path)
		t.Run(name, func(t *testing.T) {
			o, why := catalog.Options{Probe: b}, want[name]
			if name == "example_big_compute.onnx" { // 200 MB an item, many seconds a run
				o.Probe, why = nil, why+"; not verified by running"
			}
			m, err := catalog.Open(t.Context(), path, o)
			if err != nil {
				fails(t, err, path+": ", want[name])
				return
			}
			if name == "example_strings.onnx" { // this machine has it
				why = "dim 0 of input is fixed to 2"
			}
			if m.BatchWhy != why {
				t.Errorf("batch %t: %s; want %s", m.BatchAxis, m.BatchWhy, why)
			}
			if o.Probe != nil {
				serve(t, b, m)
			}
		})
	}
}
