package catalog_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

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

// ofDomain gives the operators of the model in a file another domain than the standard one.
func ofDomain(t testing.TB, domain, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var m onnxpb.ModelProto
	if err := proto.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	for _, n := range m.GetGraph().GetNode() {
		n.Domain = domain
	}
	m.OpsetImport = append(m.OpsetImport, &onnxpb.OperatorSetIdProto{Domain: domain, Version: 1})
	if data, err = proto.Marshal(&m); err != nil {
		t.Fatal(err)
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
		Path: path, Size: int64(len(data)),
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
	custom := builder.New("custom", 1)
	custom.Output("y", custom.Op("MyOp", []string{custom.Input("x", floats, n)}), floats, n)
	wide := builder.New("complex", 1)
	wide.Output("y", wide.Op("Identity", []string{wide.Input("x", onnxpb.TensorProto_COMPLEX64, n)}), floats, n)
	noInput := builder.New("constant", 1)
	noInput.Output("y", noInput.Op("Identity", []string{noInput.Fill(1, 1)}), floats, four)
	tests := []struct {
		name, arg string
		want      []string
	}{
		{"nothing", "", []string{"no model is named", "builtin:NAME"}},
		{"typing mistake", "builtin:mlp-wid", []string{"builtin:mlp-wid: there is no such model; did you mean mlp-wide?", "resnet18"}},
		{"unknown", "builtin:transformer-xl", []string{"there is no such model; known: detector, encoder, keypoints, mlp, mlp-wide, resnet18"}},
		{"missing archive", "densenet.mar", []string{"densenet.mar: no such file or folder"}},
		{"archive that is none", write("text.mar", "text"), []string{"text.mar: neither a zip archive nor a .tar.gz archive"}},
		{"missing", "nowhere.onnx", []string{"nowhere.onnx: no such file or folder"}},
		{"scheme forgotten", "resnet18", []string{"did you mean builtin:resnet18?"}},
		{"other file", write("weights.pt", ""), []string{"weights.pt is not an .onnx file"}},
		{"empty folder", filepath.Join(dir, "none"), []string{"has no .onnx file"}},
		{"full folder", filepath.Join(dir, "many"), []string{"has 2 .onnx files; name one, such as", "a.onnx"}},
		{"bad name", "my model=x.onnx", []string{`the name "my model" is not a model name`, "such as my_model=x.onnx"}},
		{"empty name", "=x.onnx", []string{`the name ""`, "such as model=x.onnx"}},
		{"text", write("text.onnx", "this is no model"), []string{"text.onnx: the file is text", "no ONNX model"}},
		{"empty file", write("empty.onnx", ""), []string{"the file is empty; copy or download it again"}},
		{"web page", write("html.onnx", " <!DOCTYPE html><html>"), []string{"is an HTML page", "download the model itself"}},
		{"answer of a server", write("json.onnx", `{"error": "not found"}`), []string{"the file is text, such as the answer of a server"}},
		{"checkpoint", write("zip.onnx", "PK\x03\x04rest"), []string{"is a zip archive, such as a PyTorch checkpoint", "torch.onnx.export"}},
		{"pointer", write("lfs.onnx", "version https://git-lfs.example/spec/v1\noid sha256:00\n"), []string{"Git LFS pointer", "git lfs pull"}},
		{"custom operator", ofDomain(t, "my.company", file(t, custom, dir, "custom.onnx")), []string{"the model uses the custom operator my.company.MyOp, which this engine does not have; export it with the operators of ONNX only"}},
		{"complex", file(t, wide, dir, "complex.onnx"), []string{`input "x" has the type COMPLEX64, which this engine does not support; export it as FP32`}},
		{"no inputs", file(t, noInput, dir, "constant.onnx"), []string{"the model has no inputs"}},
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
	const kinds = "; give an .onnx file, a folder with one .onnx file, a TorchServe archive (.mar) with one or with a handler in Python, builtin:NAME or sim:NAME"
	for arg, want := range map[string]string{
		"":               "no model is named" + kinds,
		"nowhere":        "nowhere: no such file or folder" + kinds,
		"mlp":            "mlp: no such file or folder; did you mean builtin:mlp?" + kinds,
		"n=x.MAR":        "x.MAR: no such file or folder" + kinds,
		"ragged_test.go": "ragged_test.go is not an .onnx file" + kinds,
		"n=sim:nothing":  `sim:nothing: no service-time table "nothing" is built in; there is animated-drawings; for your own table use sim:PATH.csv`,
	} {
		if _, err := catalog.Open(t.Context(), arg, catalog.Options{}); err == nil || err.Error() != want {
			t.Errorf("Open(%q) = %v, want %s", arg, err, want)
		}
	}
}

// fake is a backend that computes whole batches of one input x with run. An output has the
// batch in front.
type fake struct {
	run  func(rows []tensor.Tensor) ([]tensor.Tensor, error)
	open *int // probes and sessions that are open
}

func (f fake) Probe(context.Context, *engine.Model) (engine.Probe, error) {
	*f.open++
	return fakeProbe{f}, nil
}

func (f fake) Open(_ context.Context, m *engine.Model, c knob.Config) (engine.Session, error) {
	*f.open++
	if c.BatchSize > 1 && !m.BatchAxis {
		return nil, errors.New("a batch without batch axis")
	}
	return fakeSession{f}, nil
}

type fakeProbe struct{ fake }

func (p fakeProbe) Run(_ context.Context, in []tensor.Tensor) ([]tensor.Tensor, error) {
	n := in[0].Shape[0]
	size := int64(len(in[0].Data)) / n
	var rows []tensor.Tensor
	for k := range n {
		rows = append(rows, tensor.Tensor{Type: in[0].Type, Shape: in[0].Shape[1:], Data: in[0].Data[k*size : (k+1)*size]})
	}
	out, err := p.run(rows)
	if err != nil {
		return nil, err
	}
	whole := tensor.Tensor{Type: out[0].Type, Shape: append([]int64{n}, out[0].Shape...)}
	for _, t := range out {
		whole.Data = append(whole.Data, t.Data...)
	}
	return []tensor.Tensor{whole}, nil
}

func (p fakeProbe) Session(ctx context.Context, m *engine.Model) (engine.Session, error) {
	return p.Open(ctx, m, knob.Config{})
}

func (p fakeProbe) Close() error { *p.open--; return nil }

type fakeSession struct{ fake }

func (s fakeSession) Run(_ context.Context, in []payload.Row, out []payload.Result) error {
	rows := make([]tensor.Tensor, len(in))
	for i := range in {
		rows[i] = in[i].Item[0]
	}
	answers, err := s.run(rows)
	for i := range answers {
		out[i].Outputs = tensor.Item{answers[i]}
	}
	return err
}
func (fakeSession) Shared() bool   { return true }
func (s fakeSession) Close() error { *s.open--; return nil }

func TestOpenVerifiesTheBatchAxis(t *testing.T) {
	path := file(t, identity(dims(n, four), dims(n, onnxgraph.Open("M"))), "m.onnx")
	echo := func(rows []tensor.Tensor) ([]tensor.Tensor, error) { return rows, nil }
	// mixed returns the rows, and adds to each a share of the others.
	mixed := func(share float64) func([]tensor.Tensor) ([]tensor.Tensor, error) {
		return func(rows []tensor.Tensor) ([]tensor.Tensor, error) {
			out := make([]tensor.Tensor, len(rows))
			for i, r := range rows {
				out[i] = tensor.Tensor{Type: r.Type, Shape: r.Shape}
				for k := range r.Numbers() {
					sum := 0.0
					for j := range rows {
						if j != i {
							sum += rows[j].Numbers()[k]
						}
					}
					out[i].Data = tensor.AppendFloat(out[i].Data, r.Type, r.Numbers()[k]+share*sum)
				}
			}
			return out, nil
		}
	}
	// times multiplies the rows by a factor that depends on their number.
	times := func(factor func(n int) float64) func([]tensor.Tensor) ([]tensor.Tensor, error) {
		return func(rows []tensor.Tensor) ([]tensor.Tensor, error) {
			out := slices.Clone(rows)
			for i, r := range rows {
				out[i].Data = nil
				for _, v := range r.Numbers() {
					out[i].Data = tensor.AppendFloat(out[i].Data, r.Type, v*factor(len(rows)))
				}
			}
			return out, nil
		}
	}
	runs := 0
	tests := []struct {
		name  string
		run   func([]tensor.Tensor) ([]tensor.Tensor, error)
		batch bool
		why   string
	}{
		{"good", echo, true, "dim 0 of x is open" + agree},
		{"swapped", func(rows []tensor.Tensor) ([]tensor.Tensor, error) {
			out := slices.Clone(rows)
			slices.Reverse(out)
			return out, nil
		}, false, "dim 0 of x is open, but 2 items together have other outputs than each alone"},
		{"mixed", mixed(.1), false, "dim 0 of x is open, but 2 items together have other outputs than each alone"},
		{"hardly mixed", mixed(2e-4), false, "dim 0 of x is open, but the outputs of an item depend on the other items of its batch"},
		{"other kernels for a batch", times(func(n int) float64 { return 1 + .006*float64(min(n-1, 1)) }), true, "dim 0 of x is open" + agree},
		{"times the size", times(func(n int) float64 { return 1 + .001*float64(n-1) }), false, "dim 0 of x is open, but the outputs of an item differ by 0.001 in a batch of 2 and by 0.007 in one of 8, so that they depend on the size of the batch"},
		{"wrong after the third", func(rows []tensor.Tensor) ([]tensor.Tensor, error) {
			out := slices.Clone(rows)
			for i := range out[min(3, len(out)):] {
				out[3+i] = rows[0]
			}
			return out, nil
		}, false, "dim 0 of x is open, but 8 items together have other outputs than each alone"},
		{"only one", func(rows []tensor.Tensor) ([]tensor.Tensor, error) {
			if len(rows) > 1 {
				return nil, errors.New("it broke")
			}
			return rows, nil
		}, false, "dim 0 of x is open, but 2 items together fail: it broke"},
		{"random", func(rows []tensor.Tensor) ([]tensor.Tensor, error) {
			runs++
			out := make([]tensor.Tensor, len(rows))
			for i := range out {
				out[i] = tensor.Tensor{Type: tensor.Float32, Shape: []int64{1}, Data: []byte{0, 0, 0, byte(runs)}}
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
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	_, err := catalog.Open(ctx, path, catalog.Options{Probe: fake{echo, &open}})
	fails(t, err, "enough")
}

// agree ends the reason of a batch that was verified with made-up items.
const agree = "; 1, 2 and 8 items ran and agree (made up; --input tries yours)"
