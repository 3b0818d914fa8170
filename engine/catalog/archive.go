package catalog

import (
	"context"
	"fmt"
	"path/filepath"

	"sweetspot/engine"
	"sweetspot/engine/archive"
)

// isArchive matches archives of TorchServe: files by their name, folders by their manifest.
func isArchive(r request) bool {
	if r.err == nil && r.found.IsDir() {
		return archive.IsFolder(r.model)
	}
	return archive.IsArchive(r.model)
}

// openArchive opens the ONNX model of an archive, with the name and the version of its
// manifest. If its handler is one of TorchServe's own, the model has the handler in Go of that name; another one
// is not run. Without an ONNX model the handler is the model.
func openArchive(ctx context.Context, r request, o Options) (m *engine.Model, err error) {
	if r.err != nil {
		return nil, r.unknownError()
	}
	a, err := archive.Open(r.model, archive.Limits{})
	if err != nil {
		return nil, err
	}
	file := ""
	if !a.HasPython() {
		if file, err = a.ONNX(); err != nil {
			return nil, err
		}
	}
	dir := a.Path
	if !a.Folder {
		if o.Unpack == nil {
			return nil, fmt.Errorf("%s: there is no folder to unpack the archive to", r.model)
		}
		if dir, err = o.Unpack.Unpack(a); err != nil {
			return nil, err
		}
		defer func() {
			if err != nil {
				o.Unpack.Release(dir)
			}
		}()
	}
	if file == "" {
		return r.openPython(ctx, a, dir, o)
	}
	name := a.Manifest.Model.Name
	if name == "" {
		name = stem(r.model)
	}
	manifest := a.Manifest.Model
	m, err = source{
		name: name, path: filepath.Join(dir, filepath.FromSlash(file)), version: manifest.Version,
		handler: handlerOf{manifest.Handler, manifest.Envelope, dir, a.Config, r.model + ": " + manifest.Config},
	}.open(ctx, r, o)
	if err != nil {
		return nil, err
	}
	m.ArchiveHandler = manifest.Handler
	if w := unusedHandler(m, manifest); w != "" {
		m.Warnings = append(m.Warnings, w)
	}
	return m, nil
}

// stem returns the name of an archive without its ending.
func stem(path string) string {
	base := filepath.Base(path)
	for ext := filepath.Ext(base); archive.IsArchive(base); ext = filepath.Ext(base) {
		base = base[:len(base)-len(ext)]
		if ext == ".gz" {
			return base[:len(base)-len(filepath.Ext(base))]
		}
	}
	return base
}
