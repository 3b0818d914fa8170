package ortlib

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Files beside a library: its checksum, in the format of sha256sum -c, and its licences.
const (
	sumsFile    = "SHA256SUMS"
	licenceFile = "LICENSE"
	noticesFile = "ThirdPartyNotices.txt"
)

var errNoCache = errors.New("no cache folder for the ONNX Runtime library: set HOME or XDG_CACHE_HOME")

// cacheFolder returns the folder of one library in the cache; key identifies the release or
// build.
func cacheFolder(cacheDir, key string) string {
	return filepath.Join(cacheDir, "sweetspot", "onnxruntime-"+key)
}

// cached returns the installed library, or fs.ErrNotExist.
func cached(cacheDir string) (Library, error) {
	if cacheDir == "" {
		return Library{}, fs.ErrNotExist
	}
	return load(cacheFolder(cacheDir, Version))
}

// load returns the library in dir, if its checksum is right.
func load(dir string) (Library, error) {
	text, err := os.ReadFile(filepath.Join(dir, sumsFile))
	if err != nil {
		return Library{}, err
	}
	want, name, err := parseSums(string(text))
	if err != nil {
		return Library{}, fmt.Errorf("%s: %w", filepath.Join(dir, sumsFile), err)
	}
	path := filepath.Join(dir, name)
	got, err := sumOf(path)
	if err != nil {
		return Library{}, err
	}
	if got != want {
		return Library{}, fmt.Errorf("%s is damaged: its sha256 is %s, at installation it was %s", path, got, want)
	}
	return Library{Path: path, Version: versionOf(path)}, nil
}

// ensure returns the library in dir. If there is none or it is damaged, write first writes a new
// folder, which replaces dir by a rename; write returns the file name of the library. One of
// several callers, in any process, writes and the others wait for it.
func ensure(ctx context.Context, dir string, write func(tmp string) (string, error)) (Library, error) {
	if lib, err := load(dir); err == nil {
		return lib, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return Library{}, err
	}
	unlock, err := lock(ctx, dir+".lock")
	if err != nil {
		return Library{}, err
	}
	defer unlock()
	if lib, err := load(dir); err == nil {
		return lib, nil
	}
	if err := writeFolder(dir, write); err != nil {
		return Library{}, err
	}
	return load(dir)
}

// writeFolder writes the folder for ensure, which holds the lock.
func writeFolder(dir string, write func(tmp string) (string, error)) error {
	// Remove the files of interrupted writers.
	stale, err := filepath.Glob(dir + ".new-*")
	if err != nil {
		return err
	}
	for _, s := range stale {
		if err := os.RemoveAll(s); err != nil {
			return err
		}
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), filepath.Base(dir)+".new-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	name, err := write(tmp)
	if err != nil {
		return err
	}
	sum, err := sumOf(filepath.Join(tmp, name))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(tmp, sumsFile), []byte(formatSums(sum, name)), 0o644); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.Rename(tmp, dir)
}

func formatSums(sum, name string) string { return sum + "  " + name + "\n" }

// parseSums reads the line that formatSums writes.
func parseSums(text string) (sum, name string, err error) {
	sum, name, ok := strings.Cut(strings.TrimSuffix(text, "\n"), "  ")
	raw, err := hex.DecodeString(sum)
	if !ok || err != nil || len(raw) != sha256.Size {
		return "", "", errors.New(`want one line "SHA256  FILE"`)
	}
	if name != filepath.Base(name) || !filepath.IsLocal(name) || strings.ContainsAny(name, "\n\x00") {
		return "", "", fmt.Errorf("%q is not a plain file name", name)
	}
	return strings.ToLower(sum), name, nil
}

// sumOf returns the file's SHA-256 in hex.
func sumOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// save writes r to the file at path, in place of what it held.
func save(path string, r io.Reader, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}
