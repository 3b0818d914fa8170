// Package archive reads and writes TorchServe's model archives: a zip file (.mar), a .tar.gz
// file, or a folder.
//
// [Open] reads the manifest and the model-config.yaml. [Archive.Extract] unpacks the files, a [Cache]
// has the unpacked files of several archives, and [Create] writes an archive. Archives are untrusted input: names that lead out of the folder,
// links, devices and names that occur twice are refused, and the number and the size of the
// files are bounded. The package runs nothing of an archive.
package archive

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// ManifestFile is the place of the manifest in an archive.
const ManifestFile = "MAR-INF/MANIFEST.json"

// Manifest is the part of MANIFEST.json that is read and written.
type Manifest struct {
	CreatedOn       string `json:"createdOn,omitempty"`
	Runtime         string `json:"runtime,omitempty"`
	ArchiverVersion string `json:"archiverVersion,omitempty"`
	Model           Model  `json:"model"`
}

// Model is the model of a manifest.
type Model struct {
	Name         string `json:"modelName,omitempty"`
	Version      string `json:"modelVersion,omitempty"`
	Handler      string `json:"handler,omitempty"`
	Serialized   string `json:"serializedFile,omitempty"`
	File         string `json:"modelFile,omitempty"`
	Extensions   string `json:"extensions,omitempty"`
	Requirements string `json:"requirementsFile,omitempty"`
	Config       string `json:"configFile,omitempty"`
	Envelope     string `json:"envelope,omitempty"`
}

// Limits bound what an archive may have. The zero value is the default of each.
type Limits struct {
	Files int   // 10,000
	Bytes int64 // of all files unpacked: 1 GB, or 100 times the archive if that is more, but 64 GB at most
}

const (
	defaultFiles = 10_000
	minBytes     = 1_000_000_000
	maxBytes     = 64_000_000_000
	maxRatio     = 100     // weights hardly compress; a file of zeros does 1000 times
	maxText      = 1 << 20 // of the manifest and of the model-config.yaml
)

// withDefaults sets the limits of an archive of size bytes; of a folder, size is 0.
func (l Limits) withDefaults(size int64) Limits {
	if l.Files == 0 {
		l.Files = defaultFiles
	}
	switch {
	case l.Bytes > 0:
	case size == 0 || size > maxBytes/maxRatio:
		l.Bytes = maxBytes
	default:
		l.Bytes = max(minBytes, maxRatio*size)
	}
	return l
}

// Archive is an archive that was read. It is data: no file is open.
type Archive struct {
	Path     string
	Manifest Manifest
	Config   []byte // the model-config.yaml that the manifest names; nil is none
	Files    []File // sorted by name
	Folder   bool   // Path is a folder

	limits Limits
}

// File is a file in an archive.
type File struct {
	Name string // with slashes, relative
	Size int64
}

// IsArchive reports whether a path is an archive by its name: .mar, .tar.gz, .tgz or .model.
func IsArchive(path string) bool {
	low := strings.ToLower(path)
	return slices.ContainsFunc([]string{".mar", ".tar.gz", ".tgz", ".model"}, func(end string) bool { return strings.HasSuffix(low, end) })
}

// IsFolder reports whether a folder is an archive: it has a manifest.
func IsFolder(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(ManifestFile)))
	return err == nil && info.Mode().IsRegular()
}

// Open reads an archive. A missing manifest is legal, as in TorchServe: then the model has no
// name, and its version is 1.0.
func Open(path string, l Limits) (*Archive, error) {
	a := &Archive{Path: path, limits: l}
	texts := map[string][]byte{}
	err := a.walk(func(name string, size int64, r io.Reader) error {
		a.Files = append(a.Files, File{name, size})
		if name != ManifestFile && !isConfig(name) {
			return nil
		}
		data, err := io.ReadAll(io.LimitReader(r, maxText+1))
		if err == nil && len(data) > maxText {
			err = fmt.Errorf("%d bytes or more, expected at most %d", len(data), maxText)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		texts[name] = data
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	slices.SortFunc(a.Files, func(x, y File) int { return strings.Compare(x.Name, y.Name) })
	if err := a.read(texts); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return a, nil
}

// isConfig reports whether a file may be the model-config.yaml: any name is possible.
func isConfig(name string) bool {
	ext := strings.ToLower(path.Ext(name))
	return (ext == ".yaml" || ext == ".yml") && !strings.Contains(name, "/")
}

// read reads the manifest and finds the model-config.yaml.
func (a *Archive) read(texts map[string][]byte) error {
	if text, ok := texts[ManifestFile]; ok {
		if err := a.Manifest.parse(text); err != nil {
			return fmt.Errorf("%s: %w", ManifestFile, err)
		}
	}
	if a.Manifest.Model.Version == "" {
		a.Manifest.Model.Version = "1.0"
	}
	name := a.Manifest.Model.Config
	if name == "" {
		return nil
	}
	text, ok := texts[name]
	if !ok {
		return fmt.Errorf("%s names the configFile %q, which is not in the archive", ManifestFile, name)
	}
	a.Config = text
	return nil
}

// HasPython reports whether the archive is for TorchServe's Python worker: it names a handler, and has
// no ONNX model that could run without one.
func (a *Archive) HasPython() bool {
	if a.Manifest.Model.Handler == "" || !a.Manifest.isPython() {
		return false
	}
	return !slices.ContainsFunc(a.Files, func(f File) bool { return isONNX(f.Name) })
}

// isPython reports whether the runtime is Python, as it is by default.
func (m Manifest) isPython() bool {
	return slices.Contains([]string{"", "python", "python3"}, strings.ToLower(m.Runtime))
}

// ONNX returns the name of the archive's ONNX file: the serializedFile, or the only one.
func (a *Archive) ONNX() (string, error) {
	if s := a.Manifest.Model.Serialized; isONNX(s) && a.has(s) {
		return s, nil
	}
	var found []string
	for _, f := range a.Files {
		if isONNX(f.Name) {
			found = append(found, f.Name)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		what := "it has " + a.summary()
		if h := a.Manifest.Model.Handler; h != "" {
			runtime := "Python"
			if !a.Manifest.isPython() {
				runtime = "for the runtime " + a.Manifest.Runtime + ", which is not run here"
			}
			what += ", and its handler " + h + " is " + runtime
		}
		return "", fmt.Errorf("%s: the archive has no .onnx file: %s; export the model with torch.onnx.export and pack it with: sweetspot archive", a.Path, what)
	}
	return "", fmt.Errorf("%s: the archive has %d .onnx files, and its manifest names none as serializedFile: %s", a.Path, len(found), strings.Join(found, ", "))
}

func isONNX(name string) bool { return strings.EqualFold(path.Ext(name), ".onnx") }

func (a *Archive) has(name string) bool {
	return slices.ContainsFunc(a.Files, func(f File) bool { return f.Name == name })
}

// summary names the first files.
func (a *Archive) summary() string {
	var names []string
	for _, f := range a.Files {
		if f.Name != ManifestFile {
			names = append(names, f.Name)
		}
	}
	switch {
	case len(names) == 0:
		return "no files"
	case len(names) > 5:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:5], ", "), len(names)-5)
	}
	return strings.Join(names, ", ")
}

// walk calls visit for each file. visit need not read.
func (a *Archive) walk(visit func(name string, size int64, r io.Reader) error) error {
	info, err := os.Stat(a.Path)
	switch {
	case err != nil:
		return plainError(err)
	case info.IsDir():
		a.Folder = true
		return a.walkFolder(a.limits.withDefaults(0), visit)
	case !info.Mode().IsRegular():
		return errors.New("not a regular file")
	}
	f, err := os.Open(a.Path)
	if err != nil {
		return plainError(err)
	}
	defer f.Close()
	limits := a.limits.withDefaults(max(1, info.Size()))
	head := make([]byte, 4)
	n, _ := io.ReadFull(f, head)
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	switch {
	case n == 4 && string(head) == "PK\x03\x04", n == 4 && string(head) == "PK\x05\x06":
		return a.walkZip(f, info.Size(), limits, visit)
	case n >= 2 && head[0] == 0x1f && head[1] == 0x8b:
		return a.walkTar(f, limits, visit)
	}
	return errors.New("neither a zip archive nor a .tar.gz archive")
}

// plainError removes the path and the system call from an error.
func plainError(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

func (a *Archive) walkFolder(limits Limits, visit func(string, int64, io.Reader) error) error {
	c := newCounter(limits)
	root, err := os.OpenRoot(a.Path)
	if err != nil {
		return plainError(err)
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "__pycache__"):
			return fs.SkipDir
		case d.IsDir():
			return nil
		}
		f, err := root.Open(name) // follows links that stay inside
		if err != nil {
			return fmt.Errorf("%s: %w", name, plainError(err))
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil || !info.Mode().IsRegular() {
			return fmt.Errorf("%s: not a regular file", name)
		}
		if err := c.add(name, info.Size()); err != nil {
			return err
		}
		return visit(name, info.Size(), f)
	})
}

func (a *Archive) walkZip(f *os.File, size int64, limits Limits, visit func(string, int64, io.Reader) error) error {
	z, err := zip.NewReader(f, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // names are checked below
		return err
	}
	c := newCounter(limits)
	for _, e := range z.File {
		mode := e.Mode()
		switch {
		case strings.HasSuffix(e.Name, "/") || mode.IsDir():
			continue
		case !mode.IsRegular():
			return fmt.Errorf("%q is no regular file; an archive has files and folders only", e.Name)
		}
		if err := c.add(e.Name, int64(e.UncompressedSize64)); err != nil { //nolint:gosec // checked there
			return err
		}
		if err := visitZip(e, visit); err != nil {
			return err
		}
	}
	return nil
}

func visitZip(e *zip.File, visit func(string, int64, io.Reader) error) error {
	r, err := e.Open()
	if err != nil {
		return fmt.Errorf("%s: %w", e.Name, err)
	}
	defer r.Close()
	return visit(e.Name, int64(e.UncompressedSize64), r) //nolint:gosec // checked by add
}

// walkTar leaves out the first folder of each name, as TorchServe does.
func (a *Archive) walkTar(f io.Reader, limits Limits, visit func(string, int64, io.Reader) error) error {
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	r := tar.NewReader(z)
	c := newCounter(limits)
	for {
		h, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && !errors.Is(err, tar.ErrInsecurePath):
			return err
		case h.Typeflag == tar.TypeDir, h.Typeflag == tar.TypeXGlobalHeader:
			continue
		case h.Typeflag != tar.TypeReg:
			return fmt.Errorf("%q is no regular file; an archive has files and folders only", h.Name)
		}
		if err := safeName(strings.TrimPrefix(h.Name, "./")); err != nil {
			return err
		}
		name := strings.TrimPrefix(h.Name, "./")
		if _, inner, ok := strings.Cut(name, "/"); ok {
			name = inner
		}
		if err := c.add(name, h.Size); err != nil {
			return err
		}
		if err := visit(name, h.Size, r); err != nil {
			return err
		}
	}
}
