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
	"sweetspot/engine/onnxgraph"
)

// source is where the bytes of an ONNX model are.
type source struct {
	name  string // before cleaning
	path  string // or
	bytes []byte
	// shapes are those of inputs that nobody gave a shape for.
	shapes map[string][]int64
}

// open makes the model that r asks for from what the source holds.
func (s source) open(ctx context.Context, r request, o Options) (*engine.Model, error) {
	m, err := s.verified(ctx, r, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.model, err)
	}
	return m, nil
}

func (s source) verified(ctx context.Context, r request, o Options) (*engine.Model, error) {
	info, sum, err := s.inspect()
	if err != nil {
		return nil, err
	}
	if len(o.Shapes) == 0 {
		o.Shapes = s.shapes
	}
	read, err := newReading(info, o.Shapes)
	if err != nil {
		return nil, err
	}
	return settle(ctx, engine.Model{
		Name: r.called(s.name), Version: "1.0", Source: r.model, SHA256: sum, Backend: "onnx",
		Inputs: read.inputs, Path: s.path, Bytes: s.bytes,
	}, read, o.Probe)
}

// inspect reads the graph and the SHA-256 sum of all bytes, in one pass.
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
