package python

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"sweetspot/engine/archive"
	"sweetspot/engine/config"
	"sweetspot/engine/knob"
)

// folder is what a worker sees as the folder of its archive: the folder itself, or one of links to
// its files with another model-config.yaml.
type folder struct {
	path string
	own  bool // it is removed with the session
}

// newFolder returns a folder whose model-config.yaml has the precision. An archive that does not
// have handler.precision does not know it.
func newFolder(a *archive.Archive, p knob.Precision) (folder, error) {
	dir, err := filepath.Abs(a.Path)
	if err != nil {
		return folder{}, err
	}
	same := folder{path: dir}
	name := a.Manifest.Model.Config
	has, known, err := config.HandlerPrecision(name, a.Config)
	switch {
	case err != nil:
		return same, err
	case !known && p == knob.HalfPrecision:
		return same, errors.New("fp16: the archive does not say that its handler knows it: a model-config.yaml with handler: precision: fp32 does")
	case !known || has == p:
		return same, nil
	}
	text, err := config.SetHandlerPrecision(name, a.Config, p)
	if err != nil {
		return same, err
	}
	out, err := linkFolder(dir, name, text)
	if err != nil {
		return same, fmt.Errorf("make a folder for %s in %s: %w", name, p, err)
	}
	return out, nil
}

// linkFolder makes a folder with a link to each file and folder of dir, but the file name with its
// own text.
func linkFolder(dir, name string, text []byte) (folder, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return folder{}, err
	}
	temp, err := os.MkdirTemp("", "sweetspot-model-")
	if err != nil {
		return folder{}, err
	}
	out := folder{path: temp, own: true}
	for _, e := range entries {
		if e.Name() == name {
			continue
		}
		if err := os.Symlink(filepath.Join(dir, e.Name()), filepath.Join(temp, e.Name())); err != nil {
			return folder{}, errors.Join(err, out.remove())
		}
	}
	if err := os.WriteFile(filepath.Join(temp, name), text, 0o600); err != nil {
		return folder{}, errors.Join(err, out.remove())
	}
	return out, nil
}

// remove removes a folder that was made.
func (f folder) remove() error {
	if !f.own {
		return nil
	}
	return os.RemoveAll(f.path)
}
