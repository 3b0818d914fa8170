package archive

import (
	"archive/tar"
	"archive/zip"
	"compress/flate"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// Format is a format of archive files.
type Format uint8

// The formats.
const (
	Zip   Format = iota // .mar
	TarGz               // .tar.gz, with one folder that is named as the model
)

// FormatOf returns the format that the name of a file asks for.
func FormatOf(path string) Format {
	low := strings.ToLower(path)
	if strings.HasSuffix(low, ".tar.gz") || strings.HasSuffix(low, ".tgz") {
		return TarGz
	}
	return Zip
}

// Content is a file for an archive.
type Content struct {
	Name string // with slashes, relative
	Size int64
	Open func() (io.ReadCloser, error)
}

// Text returns a file with this text.
func Text(name, text string) Content {
	return Content{name, int64(len(text)), func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }}
}

// entries writes files to an archive.
type entries interface {
	next(name string, size int64) (io.Writer, error)
	Close() error
}

// Create writes an archive with the manifest and the files to w. The name of the model must be
// one that TorchServe's archiver takes: letters, digits, _ - and ., the first a letter or digit.
func Create(w io.Writer, f Format, m Manifest, files []Content) error {
	if err := CheckName(m.Model.Name); err != nil {
		return err
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	var out entries = newZip(w)
	if f == TarGz {
		out = newTar(w, m.Model.Name)
	}
	c := newCounter(Limits{Files: defaultFiles, Bytes: maxBytes})
	for _, file := range append([]Content{Text(ManifestFile, string(text)+"\n")}, files...) {
		if err := c.add(file.Name, file.Size); err != nil {
			return errors.Join(err, out.Close())
		}
		if err := copyTo(out, file); err != nil {
			return errors.Join(fmt.Errorf("%s: %w", file.Name, err), out.Close())
		}
	}
	return out.Close()
}

func copyTo(out entries, file Content) error {
	r, err := file.Open()
	if err != nil {
		return plainError(err)
	}
	defer r.Close()
	w, err := out.next(file.Name, file.Size)
	if err != nil {
		return err
	}
	n, err := io.Copy(w, r)
	if err == nil && n != file.Size {
		err = fmt.Errorf("changed while it was read: %d bytes, and %d before", n, file.Size)
	}
	return err
}

// CheckName refuses a name that TorchServe's archiver does not take.
func CheckName(name string) error {
	for i, r := range name {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !letter && (i == 0 || !strings.ContainsRune("_-.", r)) {
			return fmt.Errorf("model name %q: want letters, digits, _ - and ., the first a letter or a digit", name)
		}
	}
	if name == "" {
		return errors.New("the model has no name")
	}
	return nil
}

type zipEntries struct{ *zip.Writer }

// newZip compresses fast: weights hardly compress, and Java reads no uncompressed entries from
// a stream.
func newZip(w io.Writer) zipEntries {
	z := zip.NewWriter(w)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestSpeed) })
	return zipEntries{z}
}

func (z zipEntries) next(name string, _ int64) (io.Writer, error) {
	return z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate})
}

type tarEntries struct {
	*tar.Writer
	z      *gzip.Writer
	folder string
}

func newTar(w io.Writer, folder string) tarEntries {
	z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // the level is legal
	return tarEntries{tar.NewWriter(z), z, folder}
}

func (t tarEntries) next(name string, size int64) (io.Writer, error) {
	return t.Writer, t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: path.Join(t.folder, name), Size: size, Mode: 0o644})
}

func (t tarEntries) Close() error { return errors.Join(t.Writer.Close(), t.z.Close()) }
