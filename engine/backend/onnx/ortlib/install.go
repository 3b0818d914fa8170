package ortlib

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// licence is the licence of every build of ONNX Runtime; not every package contains it.
//
//go:embed LICENSE.onnxruntime
var licence []byte

// Install installs the pinned release of ONNX Runtime in the cache, unless it is there, and
// returns it. It tries npm, then pip, then the release archive of the project. It does not
// unpack an archive with a wrong checksum. A failed installation leaves no files.
func Install(ctx context.Context, o Options) (Library, error) {
	r, err := o.pinned()
	if err != nil {
		return Library{}, err
	}
	return install(ctx, o, r)
}

func install(ctx context.Context, o Options, r release) (Library, error) {
	if o.CacheDir == "" {
		return Library{}, errNoCache
	}
	return ensure(ctx, cacheFolder(o.CacheDir, o.releaseKey()), func(tmp string) (string, error) {
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
		return "", fmt.Errorf("ONNX Runtime %s could not be fetched (%s): install npm or pip and try again, or set %s=/path/libonnxruntime.so",
			Version, strings.Join(failed, "; "), EnvVar)
	})
}

// files maps the paths to extract from the archive to file names.
func (s source) files(library string) map[string]string {
	files := map[string]string{s.library: library}
	if s.notices != "" {
		files[s.notices] = noticesFile
	}
	return files
}

// get fetches the archive, checks its checksum and extracts files, a map from archive path to
// file name, to dir.
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
