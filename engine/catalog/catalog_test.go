package catalog_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine"
	"sweetspot/engine/catalog"
	"sweetspot/engine/knob"
	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/builder"
	"sweetspot/engine/onnxgraph/onnxpb"
	"sweetspot/engine/payload"
	"sweetspot/engine/tensor"
)

const (
	floats = onnxpb.TensorProto_FLOAT
	ints   = onnxpb.TensorProto_INT64
)

var (
	n    = onnxgraph.Open("N")
	four = onnxgraph.Dim{Size: 4}
)

func dims(d ...onnxgraph.Dim) []onnxgraph.Dim { return d }

// identity is a model whose output is its input.
func identity(in, out []onnxgraph.Dim) *builder.Builder {
	b := builder.New("identity", 1)
	x := b.Input("x", floats, in...)
	b.Output("y", b.Op("Identity", []string{x}), floats, out...)
	return b
}

// file writes a model to dir/name and returns its path.
func file(t testing.TB, b *builder.Builder, elem ...string) string {
	t.Helper()
	data, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(elem...)
	if len(elem) < 2 {
		path = filepath.Join(append([]string{t.TempDir()}, elem...)...)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func fails(t *testing.T, err error, want ...string) {
	t.Helper()
	for _, w := range want {
		if err == nil || !strings.Contains(err.Error(), w) || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %v, want one line with %q", err, w)
		}
	}
}

func TestOpenReadsTheGraph(t *testing.T) {
	path := file(t, identity(dims(n, four), dims(n, four)), "my model.onnx")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	got, err := catalog.Open(t.Context(), path, catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := &engine.Model{
		Name: "my_model", Version: "1.0", Source: path, SHA256: hex.EncodeToString(sum[:]), Backend: "onnx",
		Inputs:    []tensor.Spec{{Name: "x", Type: tensor.Float32, Shape: []int64{4}}},
		Outputs:   []tensor.Spec{{Name: "y", Type: tensor.Float32, Shape: []int64{4}}},
		BatchAxis: true, BatchWhy: "dim 0 of x is open; not verified by running",
		Path: path,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestOpenBuiltin(t *testing.T) {
	m, err := catalog.Open(t.Context(), "wide=builtin:mlp-wide", catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if m.Name != "wide" || m.Source != "builtin:mlp-wide" || m.Path != "" || len(m.Bytes) < 50e6 || !m.BatchAxis {
		t.Errorf("model %s from %s, path %q, %d bytes, batch %t", m.Name, m.Source, m.Path, len(m.Bytes), m.BatchAxis)
	}
	if got := m.Inputs[0].String(); got != "x FP32 [2048]" {
		t.Errorf("input %s", got)
	}
}

func TestOpenNames(t *testing.T) {
	dir := t.TempDir()
	plain := file(t, identity(dims(n, four), dims(n, four)), dir, "net.v2.onnx")
	odd := file(t, identity(dims(n, four), dims(n, four)), dir, "a=b ż.onnx")
	folder := filepath.Join(dir, "folder-1")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	inside := file(t, identity(dims(n, four), dims(n, four)), folder, "model.ONNX")
	t.Chdir(dir)
	for _, tc := range []struct{ arg, name, path string }{
		{plain, "net.v2", plain},
		{"net.v2.onnx", "net.v2", "net.v2.onnx"},
		{"mine=" + plain, "mine", plain},
		{odd, "a_b__", odd},
		{"a=b ż.onnx", "a_b__", "a=b ż.onnx"},
		{"x=a=b ż.onnx", "x", "a=b ż.onnx"},
		{folder, "folder-1", inside},
		{"f=" + folder + "/", "f", inside},
	} {
		m, err := catalog.Open(t.Context(), tc.arg, catalog.Options{})
		if err != nil {
			t.Error(err)
		} else if m.Name != tc.name || m.Path != tc.path {
			t.Errorf("Open(%q) is %s at %s, want %s at %s", tc.arg, m.Name, m.Path, tc.name, tc.path)
		}
	}
	t.Chdir(folder)
	if m, err := catalog.Open(t.Context(), ".", catalog.Options{}); err != nil || m.Name != "folder-1" {
		t.Errorf("Open(.) = %v, %v", m, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("many/a.onnx", "")
	write("many/b.onnx", "")
	write("none/readme.txt", "")
	list := builder.New("strings", 1)
	list.Output("y", list.Op("Identity", []string{list.Input("text", onnxpb.TensorProto_STRING, n)}), floats, n)
	wide := builder.New("bfloat16", 1)
	wide.Output("y", wide.Op("Identity", []string{wide.Input("x", onnxpb.TensorProto_BFLOAT16, n)}), floats, n)
	noInput := builder.New("constant", 1)
	noInput.Output("y", noInput.Op("Identity", []string{noInput.Fill(1, 1)}), floats, four)
	tests := []struct {
		name, arg string
		want      []string
	}{
		{"nothing", "", []string{"no model is named", "builtin:NAME"}},
		{"typing mistake", "builtin:mlp-wid", []string{"builtin:mlp-wid: there is no such model; did you mean mlp-wide?", "resnet18"}},
		{"unknown", "builtin:transformer-xl", []string{"there is no such model; known: detector, encoder, mlp, mlp-wide, resnet18"}},
		{"archive", "densenet.mar", []string{".mar archives are not supported yet"}},
		{"missing", "nowhere.onnx", []string{"nowhere.onnx: no such file or folder"}},
		{"scheme forgotten", "resnet18", []string{"did you mean builtin:resnet18?"}},
		{"other file", write("weights.pt", ""), []string{"weights.pt is not an .onnx file"}},
		{"empty folder", filepath.Join(dir, "none"), []string{"has no .onnx file"}},
		{"full folder", filepath.Join(dir, "many"), []string{"has 2 .onnx files; name one, such as", "a.onnx"}},
		{"bad name", "my model=x.onnx", []string{`the name "my model" is not a model name`, "such as my_model=x.onnx"}},
		{"empty name", "=x.onnx", []string{`the name ""`, "such as model=x.onnx"}},
		{"text", write("text.onnx", "this is no model"), []string{"text.onnx: not an ONNX model"}},
		{"empty file", write("empty.onnx", ""), []string{"not an ONNX model: it has no graph"}},
		{"pointer", write("lfs.onnx", "version https://git-lfs.example/spec/v1\noid sha256:00\n"), []string{"Git LFS pointer", "git lfs pull"}},
		{"strings", file(t, list, dir, "strings.onnx"), []string{`input "text" has strings; only models of numeric tensors can be served`}},
		{"bfloat16", file(t, wide, dir, "bf16.onnx"), []string{`input "x" has the type BFLOAT16`}},
		{"no inputs", file(t, noInput, dir, "constant.onnx"), []string{"no inputs or no outputs"}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			_, err := catalog.Open(t.Context(), tc.arg, catalog.Options{})
			fails(t, err, tc.want...)
		})
	}
}

// The error for a wrong MODEL lists all kinds of MODEL.
func TestOpenListsKinds(t *testing.T) {
	const kinds = "; give an .onnx file, a folder with one .onnx file, builtin:NAME or sim:NAME"
	for arg, want := range map[string]string{
		"":               "no model is named" + kinds,
		"nowhere":        "nowhere: no such file or folder" + kinds,
		"mlp":            "mlp: no such file or folder; did you mean builtin:mlp?" + kinds,
		"n=x.MAR":        "x.MAR: .mar archives are not supported yet" + kinds,
		"ragged_test.go": "ragged_test.go is not an .onnx file" + kinds,
		"n=sim:nothing":  `sim:nothing: no service-time table "nothing" is built in; there is animated-drawings; for your own table use sim:PATH.csv`,
	} {
		if _, err := catalog.Open(t.Context(), arg, catalog.Options{}); err == nil || err.Error() != want {
			t.Errorf("Open(%q) = %v, want %s", arg, err, want)
		}
	}
}

// fake is a backend whose sessions call run.
type fake struct {
	run  func(m *engine.Model, in []tensor.Item) ([]tensor.Item, error)
	open *int // sessions that are open
}

func (f fake) Open(_ context.Context, m *engine.Model, c knob.Config) (engine.Session, error) {
	*f.open++
	if c.BatchSize > 1 && !m.BatchAxis {
		return nil, errors.New("a batch without batch axis")
	}
	return fakeSession{f, m}, nil
}

type fakeSession struct {
	fake
	m *engine.Model
}

func (s fakeSession) Run(_ context.Context, in []payload.Row, out []payload.Result) error {
	items := make([]tensor.Item, len(in))
	for i := range in {
		items[i] = in[i].Item
	}
	answers, err := s.run(s.m, items)
	for i := range answers {
		out[i].Outputs = answers[i]
	}
	return err
}
func (fakeSession) Shared() bool   { return true }
func (s fakeSession) Close() error { *s.open--; return nil }

func TestOpenVerifiesTheBatchAxis(t *testing.T) {
	path := file(t, identity(dims(n, four), dims(n, onnxgraph.Open("M"))), "m.onnx")
	echo := func(_ *engine.Model, in []tensor.Item) ([]tensor.Item, error) { return in, nil }
	runs := 0
	tests := []struct {
		name  string
		run   func(*engine.Model, []tensor.Item) ([]tensor.Item, error)
		batch bool
		why   string
	}{
		{"good", echo, true, "dim 0 of x is open; 1 and 2 items ran and agree"},
		{"swapped", func(_ *engine.Model, in []tensor.Item) ([]tensor.Item, error) {
			return []tensor.Item{in[len(in)-1], in[0]}[:len(in)], nil
		}, false, "dim 0 of x is open, but 2 items together have other outputs than each alone"},
		{"only one", func(_ *engine.Model, in []tensor.Item) ([]tensor.Item, error) {
			if len(in) > 1 {
				return nil, errors.New("it broke")
			}
			return in, nil
		}, false, "dim 0 of x is open, but 2 sample items failed: it broke"},
		{"random", func(_ *engine.Model, in []tensor.Item) ([]tensor.Item, error) {
			runs++
			out := make([]tensor.Item, len(in))
			for i := range out {
				out[i] = tensor.Item{{Type: tensor.Float32, Shape: []int64{1}, Data: []byte{0, 0, 0, byte(runs)}}}
			}
			return out, nil
		}, false, "dim 0 of x is open, but the same item has other outputs each time it runs, so that a batch cannot be verified"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			open := 0
			m, err := catalog.Open(t.Context(), path, catalog.Options{Probe: fake{tc.run, &open}})
			if err != nil {
				t.Fatal(err)
			}
			if m.BatchAxis != tc.batch || m.BatchWhy != tc.why {
				t.Errorf("batch axis %t (%s), want %t (%s)", m.BatchAxis, m.BatchWhy, tc.batch, tc.why)
			}
			if open != 0 {
				t.Errorf("%d sessions were left open", open)
			}
		})
	}
	open := 0
	broken := func(*engine.Model, []tensor.Item) ([]tensor.Item, error) { return nil, errors.New("it broke") }
	_, err := catalog.Open(t.Context(), path, catalog.Options{Probe: fake{broken, &open}})
	fails(t, err, "m.onnx: 1 sample item failed: it broke")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	_, err = catalog.Open(ctx, path, catalog.Options{Probe: fake{echo, &open}})
	fails(t, err, "enough")
}

// TestOpenCorrectsOutputs opens a graph that declares the output sizes of the exporter's
// sample, as traced detectors do.
func TestOpenCorrectsOutputs(t *testing.T) {
	b := builder.New("traced", 1)
	x := b.Input("x", floats, onnxgraph.Fixed(1, 4)...)
	b.Output("boxes", b.Op("Identity", []string{x}), floats, onnxgraph.Fixed(35, 4)...)
	b.Output("score", b.Op("Identity", []string{x}), floats, onnxgraph.Fixed(1, 2)...)
	path := file(t, b, "traced.onnx")
	value := func(shape ...int64) tensor.Tensor {
		return tensor.Tensor{Type: tensor.Float32, Shape: shape, Data: make([]byte, 4*tensor.Elements(shape))}
	}
	run := func(*engine.Model, []tensor.Item) ([]tensor.Item, error) {
		return []tensor.Item{{value(24, 4), value(2)}}, nil
	}
	open := 0
	m, err := catalog.Open(t.Context(), path, catalog.Options{Probe: fake{run, &open}})
	if err != nil {
		t.Fatal(err)
	}
	want := []tensor.Spec{
		{Name: "boxes", Type: tensor.Float32, Shape: []int64{-1, 4}},
		{Name: "score", Type: tensor.Float32, Shape: []int64{2}},
	}
	if diff := cmp.Diff(want, m.Outputs); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"boxes"}, m.Unbatched); diff != "" || m.BatchWhy != "dim 0 of x is fixed to 1" {
		t.Errorf("unbatched %s, why %s", diff, m.BatchWhy)
	}
}
