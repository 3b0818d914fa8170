// Package catalog turns what a person names, MODEL, into an [engine.Model].
//
// [Open] finds the model (an .onnx file, a folder that holds one, or
// builtin:NAME; sim:NAME is a service-time table instead, see [OpenSimulated]), reads from its graph what goes in and out, closes the open
// dimensions with the shapes it is given, and finds the batch axis. What the
// graph says about that axis is a claim; Open verifies it by running one and two
// items through a backend and comparing. A model that cannot be served is
// refused in one sentence that says why.
//
// Nothing is kept: a Model names its file or holds its bytes, and a backend
// opens it again.
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
	"path/filepath"
	"strings"

	"sweetspot/engine"
	"sweetspot/engine/knob"
	"sweetspot/engine/onnxgraph"
	"sweetspot/engine/onnxgraph/builtin"
)

// Options say how to open a model. The zero value reads the graph only.
type Options struct {
	// Shapes gives the open dimensions of inputs, by input name: all dimensions
	// of one item, or only the open ones. The batch axis is not among them.
	Shapes map[string][]int64
	// Probe runs the model to verify its batch axis and that it runs at all.
	// Without it the graph is believed, and BatchWhy says so.
	Probe engine.Backend
}

// Open opens what arg names: MODEL or NAME=MODEL. Without NAME the model is
// called as its file, folder or builtin is, with other characters than letters,
// digits, "_", "." and "-" replaced by "_".
func Open(ctx context.Context, arg string, o Options) (*engine.Model, error) {
	if IsSimulated(arg) {
		m, _, err := OpenSimulated(arg)
		return m, err
	}
	name, arg, err := splitName(arg)
	if err != nil {
		return nil, err
	}
	src, err := find(arg)
	if err != nil {
		return nil, err
	}
	info, sum, err := src.inspect()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", arg, err)
	}
	if len(o.Shapes) == 0 {
		o.Shapes = src.shapes
	}
	read, err := newReading(info, o.Shapes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", arg, err)
	}
	if name == "" {
		name = cleanName(src.name)
	}
	m, err := settle(ctx, engine.Model{
		Name: name, Version: "1.0", Source: arg, SHA256: sum, Backend: "onnx",
		Inputs: read.inputs, Path: src.path, Bytes: src.bytes,
	}, read, o.Probe)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", arg, err)
	}
	return m, nil
}

// source is where a model's bytes are.
type source struct {
	name  string // before cleaning
	path  string // or
	bytes []byte
	// shapes are those of inputs that nobody gave a shape for.
	shapes map[string][]int64
}

const instead = "give an .onnx file, a folder with one .onnx file, builtin:NAME or sim:NAME"

// find locates the model called arg.
func find(arg string) (source, error) {
	kind, name, _ := strings.Cut(arg, ":")
	switch {
	case arg == "":
		return source{}, fmt.Errorf("no model is named; %s", instead)
	case kind == "builtin":
		return findBuiltin(name)
	case strings.EqualFold(filepath.Ext(arg), ".mar"):
		return source{}, fmt.Errorf("%s: .mar archives are not supported yet; %s", arg, instead)
	}
	st, err := os.Stat(arg)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return source{}, fmt.Errorf("%s: no such file or folder%s; %s", arg, builtinHint(arg), instead)
	case err != nil:
		return source{}, err
	case st.IsDir():
		return findIn(arg)
	case !st.Mode().IsRegular() || !isONNX(arg):
		return source{}, fmt.Errorf("%s is no .onnx file; %s", arg, instead)
	}
	return source{name: strings.TrimSuffix(filepath.Base(arg), filepath.Ext(arg)), path: arg}, nil
}

func isONNX(path string) bool { return strings.EqualFold(filepath.Ext(path), ".onnx") }

// findIn finds the one model of a folder and calls it as the folder is called.
func findIn(dir string) (source, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return source{}, err
	}
	var found []string
	for _, e := range entries {
		if isONNX(e.Name()) && !e.IsDir() {
			found = append(found, filepath.Join(dir, e.Name()))
		}
	}
	switch len(found) {
	case 0:
		return source{}, fmt.Errorf("%s: the folder holds no .onnx file", dir)
	case 1:
		abs, err := filepath.Abs(dir)
		return source{name: filepath.Base(abs), path: found[0]}, err
	}
	return source{}, fmt.Errorf("%s: the folder holds %d .onnx files; name one, such as %s", dir, len(found), found[0])
}

func findBuiltin(name string) (source, error) {
	for _, b := range builtin.Models() {
		if b.Name == name {
			data, err := b.Build()
			return source{name: name, bytes: data, shapes: b.Shapes}, err
		}
	}
	known := builtinNames()
	hint := knob.Suggest(name, known)
	if !strings.Contains(hint, "known: ") {
		hint += " Known: " + strings.Join(known, ", ")
	}
	return source{}, fmt.Errorf("builtin:%s: there is no such model%s", name, hint)
}

// builtinHint helps who forgot to write "builtin:".
func builtinHint(arg string) string {
	for _, n := range builtinNames() {
		if n == arg {
			return "; did you mean builtin:" + n + "?"
		}
	}
	return ""
}

func builtinNames() []string {
	var names []string
	for _, b := range builtin.Models() {
		names = append(names, b.Name)
	}
	return names
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
