// Package ortlib finds, installs and unpacks the ONNX Runtime shared library.
// It never loads it: that is the work of the package above, and the reason why
// this one needs no C compiler.
//
// [FromEnv] names the places to look at, [Find] looks, [Install] puts the
// pinned release into the user's cache, and [Pack] writes the library and its
// licences for a build with the tag embedort, whose programs then carry the
// library inside and need nothing beside them.
//
// Downloads are checked against pinned sums before anything is unpacked. The
// cached copy is checked against the sum noted at its installation on every
// use, about 30 ms, so a damaged one is replaced instead of loaded. All
// functions are safe for concurrent use, also by several processes.
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

// ErrNotFound says that no usable library is on this machine; its text tells
// what to do. Find wraps it with the reasons for what it passed over.
var ErrNotFound = errors.New("no ONNX Runtime library found: " + remedy)

// Library is a shared library that was found.
type Library struct {
	Path    string // absolute
	Version string // "1.27.0"; "" if the file does not tell and the loader has to ask it
}

// Find returns the library to load: the named one, else the one carried by this
// program (unpacked into the cache on first use), else the cached one, else the
// newest in the first of o.Dirs that has one new enough. A named library is
// taken or refused, never replaced by another. Without a library the error is
// ErrNotFound.
func Find(o Options) (Library, error) {
	if o.Named != "" {
		return named(o.Named)
	}
	if lib, ok, err := unpack(carried(), o.CacheDir); ok {
		return lib, err
	}
	lib, err := cached(o.CacheDir)
	if err == nil {
		return lib, nil
	}
	var passed []string
	if !errors.Is(err, fs.ErrNotExist) {
		passed = append(passed, err.Error())
	}
	for _, dir := range o.Dirs {
		lib, err := newest(dir)
		if err == nil {
			return lib, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			passed = append(passed, err.Error())
		}
	}
	if len(passed) == 0 {
		return Library{}, ErrNotFound
	}
	return Library{}, fmt.Errorf("%w (passed over: %s)", ErrNotFound, strings.Join(passed, "; "))
}

// named checks the library at path. One that does not tell its version is let
// through: the user asked for it, and the loader asks it again.
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

// newest returns the newest library in dir. One that does not tell its version
// is passed over: nobody asked for it, and loading a wrong one ends the process.
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
