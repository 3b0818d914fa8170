package catalog_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/proto"

	"sweetspot/engine"
	"sweetspot/engine/catalog"
	"sweetspot/engine/onnxgraph/builder"
	"sweetspot/engine/onnxgraph/onnxpb"
	"sweetspot/engine/tensor"
)

// externalModel writes y = x * w, with the weights in the file called location.
func externalModel(t *testing.T, dir, location string, w ...float32) string {
	t.Helper()
	b := builder.New("external", 1)
	b.Output("y", b.Op("Mul", []string{b.Input("x", floats, n, four), b.Floats(w, 4)}), floats, n, four)
	data, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	var m onnxpb.ModelProto
	if err := proto.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	weights := m.Graph.Initializer[0]
	raw := weights.RawData
	weights.RawData, weights.DataLocation = nil, 1
	weights.ExternalData = []*onnxpb.StringStringEntryProto{{Key: "location", Value: location}}
	if data, err = proto.Marshal(&m); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "m.onnx")
	for name, content := range map[string][]byte{path: data, filepath.Join(dir, location): raw} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// TestExternalWeights: weights in another file are part of the hash and of the size of the model.
func TestExternalWeights(t *testing.T) {
	b := probe(t)
	opened := func(path string) *engine.Model {
		m, err := catalog.Open(t.Context(), path, catalog.Options{Probe: b})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	first := externalModel(t, t.TempDir(), "w.bin", 1, 2, 3, 4)
	a, same, other := opened(first), opened(externalModel(t, t.TempDir(), "w.bin", 1, 2, 3, 4)), opened(externalModel(t, t.TempDir(), "w.bin", 1, 2, 3, 5))
	if a.SHA256 != same.SHA256 || a.SHA256 == other.SHA256 {
		t.Errorf("hashes: %.8s, of the same weights %.8s, of others %.8s", a.SHA256, same.SHA256, other.SHA256)
	}
	info, err := os.Stat(first)
	if err != nil {
		t.Fatal(err)
	}
	if want := info.Size() + 4*4; a.Size != want {
		t.Errorf("size %d, want %d with the weights", a.Size, want)
	}
	if got := serve(t, b, other)[0].Outputs[0]; got.Type != tensor.Float32 {
		t.Errorf("%v", got)
	}
	link := filepath.Join(t.TempDir(), "link.onnx")
	if err := os.Symlink(first, link); err != nil {
		t.Fatal(err)
	}
	if got := opened(link).SHA256; got != a.SHA256 {
		t.Errorf("by a link: %.8s, want %.8s", got, a.SHA256)
	}
	if err := os.Remove(filepath.Join(filepath.Dir(first), "w.bin")); err != nil {
		t.Fatal(err)
	}
	_, err = catalog.Open(t.Context(), first, catalog.Options{})
	fails(t, err, "its external weights are missing: there is no file "+filepath.Join(filepath.Dir(first), "w.bin"))
	weights := filepath.Join(filepath.Dir(first), "w.bin")
	if err := os.WriteFile(weights, []byte("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 16\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = catalog.Open(t.Context(), first, catalog.Options{})
	fails(t, err, "its external weights "+weights+" are a Git LFS pointer; fetch the file itself with: git lfs pull")
	if err := errors.Join(os.Remove(weights), os.Mkdir(weights, 0o700)); err != nil {
		t.Fatal(err)
	}
	_, err = catalog.Open(t.Context(), first, catalog.Options{})
	fails(t, err, "its external weights: "+weights+" is no regular file")
	_, err = catalog.Open(t.Context(), externalModel(t, t.TempDir(), "../w.bin", 1, 2, 3, 4), catalog.Options{})
	fails(t, err, `its external weights are in "../w.bin", outside the folder of the model`)
}
