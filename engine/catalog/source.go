package catalog

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"sweetspot/engine"
	"sweetspot/engine/lengths"
	"sweetspot/engine/onnxgraph"
)

// source is an ONNX model in a file or in memory.
type source struct {
	name  string // may have illegal characters
	path  string // of the file, or "" if bytes has the model
	bytes []byte
	// lengths are the default sizes of open dimensions, by input.
	lengths map[string]lengths.Shape
}

// open opens the model for the request r.
func (s source) open(ctx context.Context, r request, o Options) (*engine.Model, error) {
	m, err := s.resolve(ctx, r, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.model, err)
	}
	return m, nil
}

func (s source) resolve(ctx context.Context, r request, o Options) (*engine.Model, error) {
	info, sum, err := s.inspect()
	if err != nil {
		return nil, err
	}
	graph, err := newGraphInfo(info, o.Shapes)
	if err != nil {
		return nil, err
	}
	m := engine.Model{
		Name: r.modelName(s.name), Version: "1.0", Source: r.model, SHA256: sum, Backend: "onnx",
		Inputs: graph.inputs, Path: s.path, Bytes: s.bytes,
	}
	graph.search, err = newSizeSearch(m.Inputs, o.Lengths, s.lengths)
	if err != nil {
		return nil, err
	}
	opened, err := verify(ctx, m, graph, o.Probe)
	if err != nil {
		return nil, err
	}
	return opened, addPadding(ctx, opened, graph.search, o)
}

// inspect reads the graph and computes the SHA-256 sum of the file, in one pass.
func (s source) inspect() (*onnxgraph.Info, string, error) {
	var r io.Reader = bytes.NewReader(s.bytes)
	if s.path != "" {
		f, err := os.Open(s.path)
		if err != nil {
			return nil, "", err
		}
		defer f.Close()
		r = f
	}
	sum := sha256.New()
	buffered := bufio.NewReaderSize(io.TeeReader(r, sum), 64<<10)
	if head, _ := buffered.Peek(64); bytes.HasPrefix(head, []byte("version https://git-lfs")) {
		return nil, "", errors.New("the file is a Git LFS pointer; fetch the model itself with: git lfs pull")
	}
	info, err := onnxgraph.Inspect(buffered)
	if err != nil {
		return nil, "", err
	}
	return info, hex.EncodeToString(sum.Sum(nil)), nil
}
