// Package ortlib finds, installs and unpacks the ONNX Runtime shared library. It never loads
// the library, so that it needs no C compiler; package onnx does that.
//
// [FromEnv] returns the folders to search, [Find] searches, [Install] installs the pinned
// release in the user's cache, and [Pack] writes the library and its licences for a build
// with the tag embedort, whose programs contain the library.
//
// Downloads are checked against pinned checksums before they are unpacked. The cached library
// is checked against the checksum of its installation on every use, which takes about 30 ms,
// so that a damaged file is replaced instead of loaded. All functions are safe for concurrent
// use, also by several processes.
package ortlib

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

const (
	// Version is the ONNX Runtime release that Install fetches.
	Version = "1.27.0"
	// MinVersion is the oldest release that works, the first with C API 24.
	MinVersion = "1.24"
	// EnvVar is the environment variable that names a library file.
	EnvVar = "SWEETSPOT_ONNXRUNTIME"
)

const remedy = "run `make ort`, or set " + EnvVar + "=/path/libonnxruntime.so"

// ErrNotFound means that this machine has no usable library; its text says what to do. Find
// wraps it with the reasons for skipped libraries.
var ErrNotFound = errors.New("no ONNX Runtime library found: " + remedy)

// Library is a shared library that was found.
type Library struct {
	Path    string // absolute
	Version string // "1.27.0"; "" if only the loaded library knows it
}

// Find returns the library to load: the named one, else the one embedded in this program
// (unpacked to the cache at first use), else the cached one, else the newest of the first of
// o.Dirs with a library that is new enough. It never replaces a named library by another one.
// Without a library the error is ErrNotFound.
func Find(o Options) (Library, error) {
	if o.Named != "" {
		return named(o.Named)
	}
	if lib, ok, err := unpack(embedded(), o.CacheDir); ok {
		return lib, err
	}
	lib, err := cached(o.CacheDir)
	if err == nil {
		return lib, nil
	}
	var skipped []string
	if !errors.Is(err, fs.ErrNotExist) {
		skipped = append(skipped, err.Error())
	}
	for _, dir := range o.Dirs {
		lib, err := newest(dir)
		if err == nil {
			return lib, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			skipped = append(skipped, err.Error())
		}
	}
	if len(skipped) == 0 {
		return Library{}, ErrNotFound
	}
	return Library{}, fmt.Errorf("%w (skipped: %s)", ErrNotFound, strings.Join(skipped, "; "))
}

// named checks the library at path. It accepts an unknown version, because the user named the
// library, and the loader checks the version again.
func named(path string) (Library, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Library{}, fmt.Errorf("%s: %w; name a libonnxruntime of %s or newer", EnvVar, err, MinVersion)
	}
	if !info.Mode().IsRegular() {
		return Library{}, fmt.Errorf("%s: %s is not a file; name the library itself, such as %s",
			EnvVar, path, filepath.Join(path, "libonnxruntime.so"))
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return Library{}, fmt.Errorf("%s: %w", EnvVar, err)
	}
	lib := Library{Path: abs, Version: versionOf(abs)}
	if lib.Version != "" && !newEnough(lib.Version) {
		return Library{}, fmt.Errorf("%s: %w", EnvVar, tooOld(lib))
	}
	return lib, nil
}

// newest returns the newest library in dir. It skips libraries of unknown version, because
// loading a wrong one may crash the process.
func newest(dir string) (Library, error) {
	var best Library
	for _, pattern := range libraryPatterns(runtime.GOOS) {
		paths, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return Library{}, fmt.Errorf("%s: %w", dir, err)
		}
		for _, p := range paths {
			if v := versionOf(p); v != "" && compareVersions(v, best.Version) > 0 {
				best = Library{Path: p, Version: v}
			}
		}
	}
	switch {
	case best.Path == "":
		return Library{}, fs.ErrNotExist
	case !newEnough(best.Version):
		return Library{}, tooOld(best)
	}
	return best, nil
}

func tooOld(lib Library) error {
	return fmt.Errorf("%s is ONNX Runtime %s; %s or newer is needed", lib.Path, lib.Version, MinVersion)
}
