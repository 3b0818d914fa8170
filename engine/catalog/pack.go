package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sweetspot/engine"
	"sweetspot/engine/archive"
	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/tensor"
)

// modelFile is the name of the model in an archive.
const modelFile = "model.onnx"

// Pack returns the manifest and the files of an archive with the ONNX model m, which TorchServe
// runs with a handler of ours. config is the text of a model-config.yaml; nil is none.
func Pack(m *engine.Model, config []byte) (archive.Manifest, []archive.Content, error) {
	out := archive.Manifest{Runtime: "python", ArchiverVersion: "0.12.0", Model: archive.Model{
		Name: m.Name, Version: m.Version, Handler: archive.HandlerFile, Serialized: modelFile,
	}}
	if err := packable(m); err != nil {
		return out, nil, fmt.Errorf("%s: %w", m.Source, err)
	}
	files, err := archive.HandlerFiles(archive.Signature{
		File: modelFile, Batch: m.BatchAxis, Inputs: signature(m, m.Inputs), Outputs: signature(m, m.Outputs),
	})
	if err != nil {
		return out, nil, err
	}
	if config != nil {
		out.Model.Config = "model-config.yaml"
		files = append(files, archive.Text(out.Model.Config, string(config)))
	}
	model, err := modelFiles(m)
	if err != nil {
		return out, nil, fmt.Errorf("%s: %w", m.Source, err)
	}
	files = append(files, model...)
	var extra []string
	for _, f := range files {
		if f.Name != modelFile && f.Name != archive.HandlerFile && f.Name != out.Model.Config {
			extra = append(extra, f.Name)
		}
	}
	out.Model.Extensions = strings.Join(extra, ",")
	return out, files, nil
}

// packable refuses models that need more than the handler does.
func packable(m *engine.Model) error {
	switch {
	case m.Backend != "onnx":
		return errors.New("only an ONNX model can be packed")
	case m.Ragged.Index != "" || len(m.Ragged.Outputs) > 0:
		return errors.New("outputs with a variable number of rows for each request are not in the handler for TorchServe; pack it with --no-batch, which runs requests one by one")
	case len(m.Constants) > 0:
		return errors.New("inputs with constant values are not in the handler for TorchServe: put the values into the model")
	case len(m.ReadFrom) > 0:
		return errors.New("outputs that are no tensors are not in the handler for TorchServe: export the model without zipmap")
	}
	for _, s := range slices.Concat(m.Inputs, m.Outputs) {
		if s.Type == tensor.BFloat16 {
			return fmt.Errorf("%q is BF16, which numpy does not have", s.Name)
		}
	}
	return nil
}

func signature(m *engine.Model, specs []tensor.Spec) []archive.Spec {
	var out []archive.Spec
	for _, s := range specs {
		shape := s.Shape
		if shape == nil {
			shape = []int64{}
		}
		out = append(out, archive.Spec{
			Name: s.Name, Type: s.Type.String(), Shape: shape,
			Whole: slices.Contains(m.Unbatched, s.Name), Axis: m.Axes[s.Name],
		})
	}
	return out
}

// modelFiles returns the ONNX file and its external weights.
func modelFiles(m *engine.Model) ([]archive.Content, error) {
	if m.Path == "" {
		return []archive.Content{{Name: modelFile, Size: int64(len(m.Bytes)), Open: func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(m.Bytes)), nil
		}}}, nil
	}
	f, err := os.Open(m.Path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := onnxgraph.Inspect(f)
	if err != nil {
		return nil, err
	}
	out := make([]archive.Content, 0, 1+len(info.External))
	first, err := fileContent(modelFile, m.Path)
	if err != nil {
		return nil, err
	}
	out = append(out, first)
	for _, name := range info.External {
		c, err := fileContent(name, filepath.Join(filepath.Dir(m.Path), filepath.FromSlash(name)))
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

func fileContent(name, path string) (archive.Content, error) {
	info, err := os.Stat(path)
	if err != nil {
		return archive.Content{}, err
	}
	return archive.Content{Name: name, Size: info.Size(), Open: func() (io.ReadCloser, error) { return os.Open(path) }}, nil
}
