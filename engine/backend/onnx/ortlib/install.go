package ortlib

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// licence is the one text that every build of ONNX Runtime is under; not every
// package of it holds a copy.
//
//go:embed LICENSE.onnxruntime
var licence []byte

// Install puts the pinned release of ONNX Runtime into the cache and returns
// it; an intact one is returned as it is. It asks npm, then pip, then the
// project's release archive. An archive whose sum is not the pinned one is not
// unpacked. Nothing of a failed installation stays.
func Install(ctx context.Context, o Options) (Library, error) {
	r, err := pinned(runtime.GOOS, runtime.GOARCH)
	if err != nil {
		return Library{}, err
	}
	return install(ctx, o, r)
}

func install(ctx context.Context, o Options, r release) (Library, error) {
	if o.CacheDir == "" {
		return Library{}, errNoCache
	}
	return fill(ctx, home(o.CacheDir, Version), func(tmp string) (string, error) {
		if err := os.WriteFile(filepath.Join(tmp, licenceFile), licence, 0o644); err != nil {
			return "", err
		}
		var failed []string
		for _, s := range r.sources {
			o.logf("fetching ONNX Runtime %s: %s\n", Version, s.name)
			err := s.get(ctx, o.Path, tmp, s.files(r.library))
			if err == nil {
				return r.library, nil
			}
			if ctx.Err() != nil {
				return "", fmt.Errorf("install ONNX Runtime: %w", context.Cause(ctx))
			}
			failed = append(failed, s.name+": "+err.Error())
		}
		return "", fmt.Errorf("ONNX Runtime %s was not to be had (%s): install npm or pip and try again, or set %s=/path/libonnxruntime.so",
			Version, strings.Join(failed, "; "), EnvVar)
	})
}

// files says what to take from the archive, and under which name.
func (s source) files(library string) map[string]string {
	files := map[string]string{s.library: library}
	if s.notices != "" {
		files[s.notices] = noticesFile
	}
	return files
}

// get fetches the archive, checks it against its pin and puts files, archive
// path to file name, into dir.
func (s source) get(ctx context.Context, path, dir string, files map[string]string) error {
	tmp, err := os.MkdirTemp(dir, "download-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	archive, err := s.fetch(ctx, path, tmp)
	if err != nil {
		return err
	}
	sum, err := sumOf(archive)
	if err != nil {
		return err
	}
	if sum != s.sha256 {
		return fmt.Errorf("%s refused: its sha256 is %s, pinned is %s", filepath.Base(archive), sum, s.sha256)
	}
	return extract(archive, files, dir)
}

func (o Options) logf(format string, args ...any) {
	if o.Log != nil {
		fmt.Fprintf(o.Log, format, args...)
	}
}
