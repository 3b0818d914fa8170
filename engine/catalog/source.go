package catalog

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode"
	"unicode/utf8"

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
	version string // "" is 1.0
	handler handlerOf
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
	info, m, err := s.inspect()
	if err != nil {
		return nil, err
	}
	m.Name, m.Version, m.Source, m.Backend = r.modelName(s.name), cmp.Or(s.version, "1.0"), r.model, "onnx"
	newHandler, err := o.newHandler(m.Name, m.Version, s.handler)
	if err != nil {
		return nil, err
	}
	d, err := newDescription(info, o, s.lengths)
	if err != nil {
		return nil, err
	}
	if takesOneText(newHandler, info) {
		d.noBatch, d.noBatchWhy = true, "text_classifier fills the dimension of the first input with the tokens of one text"
	}
	for _, out := range info.Outputs {
		if out.Probabilities != nil {
			if m.ReadFrom == nil {
				m.ReadFrom = map[string]string{}
			}
			m.ReadFrom[out.Name] = out.Probabilities.Tensor
		}
	}
	m.Defaults = d.defaults()
	return withHandler(newHandler)(verify(ctx, m, d, o, newHandler))
}

// inspect reads the graph and computes the SHA-256 sum of the file, in one pass. External
// weights are part of the sum and of the size.
func (s source) inspect() (*onnxgraph.Info, engine.Model, error) {
	m := engine.Model{Path: s.path, Bytes: s.bytes}
	var r io.Reader = bytes.NewReader(s.bytes)
	if s.path != "" {
		if err := checkRegular(s.path); err != nil {
			return nil, m, err
		}
		f, err := os.Open(s.path)
		if err != nil {
			return nil, m, err
		}
		defer f.Close()
		r = f
	}
	sum, size := sha256.New(), &counter{}
	buffered := bufio.NewReaderSize(io.TeeReader(r, io.MultiWriter(sum, size)), 64<<10)
	head, _ := buffered.Peek(512)
	if err := otherFile(head); err != nil {
		return nil, m, err
	}
	info, err := onnxgraph.Inspect(buffered)
	if err != nil {
		return nil, m, err
	}
	m.SHA256, m.Size = hex.EncodeToString(sum.Sum(nil)), size.n
	if len(info.External) == 0 {
		return info, m, nil
	}
	if s.path == "" {
		return nil, m, errors.New("a model in memory cannot have external weights")
	}
	w, err := findWeights(s.path, m.SHA256, info.External)
	if err != nil {
		return nil, m, err
	}
	m.Path, m.SHA256, m.Size = w.path, w.sum, m.Size+w.size
	return info, m, nil
}

// counter counts bytes.
type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

// otherFile recognizes by its first bytes a file that people save as a model by mistake.
func otherFile(head []byte) error {
	text := bytes.ToLower(bytes.TrimSpace(head))
	switch {
	case len(head) == 0:
		return errors.New("the file is empty; copy or download it again")
	case bytes.HasPrefix(head, []byte(pointerHead)):
		return errors.New("the file is a Git LFS pointer; fetch the model itself with: git lfs pull")
	case bytes.HasPrefix(text, []byte("<!doctype html")) || bytes.HasPrefix(text, []byte("<html")):
		return errors.New("the file is an HTML page, such as the page of a failed download or of a login; download the model itself")
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return errors.New("the file is a zip archive, such as a PyTorch checkpoint, and no ONNX model; unpack it, or export the model with torch.onnx.export")
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		return errors.New("the file is compressed; unpack it with gunzip")
	case bytes.HasPrefix(head, []byte("\x89HDF")):
		return errors.New("the file is an HDF5 file, such as a Keras model, and no ONNX model; convert it with tf2onnx")
	case !bytes.ContainsFunc(head, isBinary):
		return errors.New("the file is text, such as the answer of a server, and no ONNX model; download the model itself")
	}
	return nil
}

// isBinary reports whether r is no character of a text. A model begins with some.
func isBinary(r rune) bool {
	return r == utf8.RuneError || unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t'
}
