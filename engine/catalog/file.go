package catalog

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sweetspot/engine"
)

func isFile(r request) bool {
	return r.err == nil && r.found.Mode().IsRegular() && hasONNX(r.model)
}

func openFile(ctx context.Context, r request, o Options) (*engine.Model, error) {
	name := strings.TrimSuffix(filepath.Base(r.model), filepath.Ext(r.model))
	return source{name: name, path: r.model}.open(ctx, r, o)
}

func hasONNX(path string) bool { return strings.EqualFold(filepath.Ext(path), ".onnx") }

func isFolder(r request) bool { return r.err == nil && r.found.IsDir() }

// openFolder opens the only model of a folder and gives it the folder's name.
func openFolder(ctx context.Context, r request, o Options) (*engine.Model, error) {
	path, err := modelIn(r.model)
	if err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(r.model)
	if err != nil {
		return nil, err
	}
	h, err := folderHandler(r.model)
	if err != nil {
		return nil, err
	}
	return source{name: filepath.Base(abs), path: path, handler: h}.open(ctx, r, o)
}

// modelIn returns the only model of a folder.
func modelIn(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	var found []string
	for _, e := range entries {
		if hasONNX(e.Name()) && !e.IsDir() {
			found = append(found, filepath.Join(dir, e.Name()))
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("%s: the folder has no .onnx file", dir)
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("%s: the folder has %d .onnx files; name one, such as %s", dir, len(found), found[0])
}
