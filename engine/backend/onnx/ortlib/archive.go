package ortlib

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// extract extracts files, a map from archive path to file name, to dir. A wheel is a zip file;
// any other archive is a compressed tar, which is read up to the last file that is needed.
func extract(archive string, files map[string]string, dir string) error {
	read := readTar
	if strings.HasSuffix(archive, ".whl") {
		read = readZip
	}
	missing := maps.Clone(files)
	err := read(archive, func(name string, r io.Reader) (done bool, err error) {
		name = path.Clean(name)
		to, ok := missing[name]
		if !ok {
			return false, nil
		}
		delete(missing, name)
		return len(missing) == 0, save(filepath.Join(dir, to), r, modeOf(to))
	})
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(archive), err)
	}
	if len(missing) > 0 {
		return fmt.Errorf("%s does not contain %s", filepath.Base(archive), strings.Join(slices.Sorted(maps.Keys(missing)), ", "))
	}
	return nil
}

// modeOf returns the mode of a file: libraries are executable, texts are not.
func modeOf(name string) fs.FileMode {
	if strings.HasSuffix(name, ".txt") {
		return 0o644
	}
	return 0o755
}

// visitor is called for every regular file of an archive until it returns done.
type visitor func(name string, r io.Reader) (done bool, err error)

func readTar(archive string, visit visitor) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	tr := tar.NewReader(unzipped)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if done, err := visit(h.Name, tr); done || err != nil {
			return err
		}
	}
}

func readZip(archive string, visit visitor) error {
	z, err := zip.OpenReader(archive)
	if err != nil {
		return err
	}
	defer z.Close()
	for _, f := range z.File {
		if !f.Mode().IsRegular() {
			continue
		}
		if done, err := visitZip(f, visit); done || err != nil {
			return err
		}
	}
	return nil
}

func visitZip(f *zip.File, visit visitor) (done bool, err error) {
	r, err := f.Open()
	if err != nil {
		return false, err
	}
	defer r.Close()
	return visit(f.Name, r)
}
