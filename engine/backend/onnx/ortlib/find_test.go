package ortlib_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/backend/onnx/ortlib"
)

// fileName returns the usual file name of a library version on this machine.
func fileName(version string) string {
	if runtime.GOOS == "darwin" {
		return "libonnxruntime." + version + ".dylib"
	}
	return "libonnxruntime.so." + version
}

// plant writes a file that is not a library, so that only its name has a version.
func plant(t *testing.T, dir, name string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte("no library"), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFindNamed(t *testing.T) {
	dir := t.TempDir()
	current := plant(t, dir, fileName("1.24.1"))
	old := plant(t, dir, fileName("1.21.0"))
	silent := plant(t, dir, "mine.so")
	link := filepath.Join(dir, "link.so")
	if err := os.Symlink(old, link); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, path string
		want       ortlib.Library
		err        []string
	}{
		{"new enough", current, ortlib.Library{Path: current, Version: "1.24.1"}, nil},
		{"no version", silent, ortlib.Library{Path: silent}, nil},
		{"too old", old, ortlib.Library{}, []string{ortlib.EnvVar, old, "1.21.0", "1.24 or newer"}},
		{"link to one too old", link, ortlib.Library{}, []string{link, "1.21.0"}},
		{"missing", filepath.Join(dir, "none.so"), ortlib.Library{}, []string{ortlib.EnvVar, "none.so", "1.24 or newer"}},
		{"folder", dir, ortlib.Library{}, []string{ortlib.EnvVar, "not a file", "libonnxruntime.so"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			// The folder has a valid library: a wrong name must not fall back to it.
			got, err := ortlib.Find(ortlib.Options{Named: tt.path, Dirs: []string{dir}})
			checkError(t, err, tt.err)
			if errors.Is(err, ortlib.ErrNotFound) {
				t.Error("a bad name counts as not found: an installer would hide it")
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Find (-want +got):\n%s", diff)
			}
		})
	}
}

// checkError checks that err is one line with all of parts, or nil if there are none.
func checkError(t *testing.T, err error, parts []string) {
	t.Helper()
	if (err == nil) != (parts == nil) {
		t.Fatalf("error = %v, want one with %q", err, parts)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not mention %q", err, part)
		}
	}
	if err != nil && strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q has several lines", err)
	}
}

func TestFindInDirs(t *testing.T) {
	none, old, current, mixed := t.TempDir(), t.TempDir(), t.TempDir(), t.TempDir()
	plant(t, none, fileName("nonsense"))
	plant(t, old, fileName("1.23.2"))
	plant(t, current, fileName("1.24.0"))
	for _, v := range []string{"1.9.0", "1.30.0", "1.27.0"} {
		plant(t, mixed, fileName(v))
	}
	missing := filepath.Join(none, "missing")

	check := func(version string, dirs ...string) {
		t.Helper()
		got, err := ortlib.Find(ortlib.Options{Dirs: dirs})
		if err != nil || got.Version != version {
			t.Errorf("Find in %q = %v, %v, want version %s", dirs, got, err, version)
		}
	}
	check("1.24.0", missing, none, old, current, mixed)
	check("1.30.0", mixed, current)

	_, err := ortlib.Find(ortlib.Options{Dirs: []string{none}, CacheDir: missing})
	if !errors.Is(err, ortlib.ErrNotFound) {
		t.Errorf("Find without a library: error = %v, want ErrNotFound", err)
	}
	checkError(t, err, []string{"make ort", ortlib.EnvVar + "="})
	_, err = ortlib.Find(ortlib.Options{Dirs: []string{old, none}})
	if !errors.Is(err, ortlib.ErrNotFound) {
		t.Errorf("Find with an old library: error = %v, want ErrNotFound", err)
	}
	checkError(t, err, []string{"make ort", fileName("1.23.2"), "1.24 or newer"})
}

func TestFromEnv(t *testing.T) {
	loader := "LD_LIBRARY_PATH"
	if runtime.GOOS == "darwin" {
		loader = "DYLD_LIBRARY_PATH"
	}
	env := map[string]string{ortlib.EnvVar: "/x/lib.so", "PATH": "/bin", loader: "/first::relative:/second"}
	got := ortlib.FromEnv(func(k string) string { return env[k] }, "/cache")
	if got.Named != "/x/lib.so" || got.CacheDir != "/cache" || got.Path != "/bin" {
		t.Errorf("FromEnv = %+v", got)
	}
	if !slices.Equal(got.Dirs[:2], []string{"/first", "/second"}) || !slices.Contains(got.Dirs, "/usr/local/lib") {
		t.Errorf("FromEnv: Dirs = %q, want /first and /second before the usual places", got.Dirs)
	}
}

// TestInstalled reads the version of an installed library through a link whose name does not
// have the version.
func TestInstalled(t *testing.T) {
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skip(err)
	}
	lib, err := ortlib.Find(ortlib.Options{CacheDir: cache})
	if err != nil {
		t.Skip(err)
	}
	if runtime.GOOS == "linux" {
		renamed := filepath.Join(t.TempDir(), "renamed.so")
		if err := os.Link(lib.Path, renamed); err != nil {
			t.Skip(err) // another file system
		}
		if lib, err = ortlib.Find(ortlib.Options{Named: renamed}); err != nil {
			t.Fatal(err)
		}
	}
	if lib.Version != ortlib.Version {
		t.Errorf("Find(%s).Version = %q, want %q", lib.Path, lib.Version, ortlib.Version)
	}
}
