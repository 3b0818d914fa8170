package ortlib

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// packedFile is the compressed library in a packed folder. Beside it are the checksum of the
// uncompressed library and the licences.
const packedFile = "library.gz"

// Pack writes the compressed library, its checksum and its licences to dir, for builds with
// the tag embedort. It uses the named library, else the pinned one, never one of the system,
// which may need other libraries. It does not change a folder that already has these files.
//
// Not every package of ONNX Runtime has the third-party notices, which must be distributed
// with the program. Pack fetches them if they are missing, and logs an error to o.Log.
func Pack(ctx context.Context, o Options, dir string) error {
	lib, err := libraryToPack(ctx, o)
	if err != nil {
		return err
	}
	sum, err := sumOf(lib.Path)
	if err != nil {
		return err
	}
	sums := []byte(formatSums(sum, filepath.Base(lib.Path)))
	if isPacked(dir, sums) {
		return nil
	}
	// The checksum is written last: it marks a complete folder.
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	o.logf("packing %s\n", lib.Path)
	if err := compress(lib.Path, filepath.Join(dir, packedFile)); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, licenceFile), licence, 0o644); err != nil {
		return err
	}
	if err := packNotices(ctx, o, lib, dir); err != nil {
		o.logf("%s is missing: %v; add it before you distribute the program\n", noticesFile, err)
	}
	return os.WriteFile(filepath.Join(dir, sumsFile), sums, 0o644)
}

func libraryToPack(ctx context.Context, o Options) (Library, error) {
	if o.Named != "" {
		return named(o.Named)
	}
	return Install(ctx, o)
}

// isPacked reports whether dir is complete and has the library with this checksum.
func isPacked(dir string, sums []byte) bool {
	have, err := os.ReadFile(filepath.Join(dir, sumsFile))
	if err != nil || !bytes.Equal(have, sums) {
		return false
	}
	_, err = os.Stat(filepath.Join(dir, noticesFile))
	return err == nil
}

func compress(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.Create(to)
	if err != nil {
		return err
	}
	defer dst.Close()
	w, err := gzip.NewWriterLevel(dst, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, src); err != nil {
		return err
	}
	return errors.Join(w.Close(), dst.Close())
}

// packNotices copies the notices from the folder of the library, or fetches them from the
// first pinned source that has them.
func packNotices(ctx context.Context, o Options, lib Library, dir string) error {
	text, err := os.ReadFile(filepath.Join(filepath.Dir(lib.Path), noticesFile))
	if err == nil {
		return os.WriteFile(filepath.Join(dir, noticesFile), text, 0o644)
	}
	if o.Named != "" {
		return err
	}
	r, err := o.pinned()
	if err != nil {
		return err
	}
	var failed []error
	for _, s := range r.sources {
		if s.notices == "" {
			continue
		}
		err := s.get(ctx, o.Path, dir, map[string]string{s.notices: noticesFile})
		if err == nil {
			return nil
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// unpack unpacks the library of fsys to the cache. The folder's name has the checksum, so that
// programs with different libraries do not conflict. For an empty fsys, ok is false without an
// error.
func unpack(fsys fs.FS, cacheDir string) (lib Library, ok bool, err error) {
	sums, err := fs.ReadFile(fsys, sumsFile)
	if errors.Is(err, fs.ErrNotExist) {
		return Library{}, false, nil
	}
	if err == nil {
		lib, err = unpackTo(fsys, string(sums), cacheDir)
	}
	if err != nil {
		return Library{}, true, fmt.Errorf("unpack the ONNX Runtime in this program: %w", err)
	}
	return lib, true, nil
}

func unpackTo(fsys fs.FS, sums, cacheDir string) (Library, error) {
	want, name, err := parseSums(sums)
	if err != nil {
		return Library{}, err
	}
	if cacheDir == "" {
		return Library{}, errNoCache
	}
	return ensure(context.Background(), cacheFolder(cacheDir, want[:12]), func(tmp string) (string, error) {
		if err := decompress(fsys, filepath.Join(tmp, name)); err != nil {
			return "", err
		}
		got, err := sumOf(filepath.Join(tmp, name))
		if err != nil {
			return "", err
		}
		if got != want {
			return "", fmt.Errorf("its sha256 is %s, not %s; build the program again", got, want)
		}
		return name, copyTexts(fsys, tmp)
	})
}

func decompress(fsys fs.FS, to string) error {
	f, err := fsys.Open(packedFile)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	return save(to, r, 0o755)
}

// copyTexts copies the licences that were packed.
func copyTexts(fsys fs.FS, dir string) error {
	for _, name := range []string{licenceFile, noticesFile} {
		text, err := fs.ReadFile(fsys, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
