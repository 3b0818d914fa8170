package ortlib

import (
	"io"
	"path/filepath"
	"runtime"
)

// Options says where to look and what to install with. Only the caller reads
// the environment; see FromEnv.
type Options struct {
	// Named is the library file the user asks for; nothing else is looked at.
	Named string
	// CacheDir is the user's cache folder, as os.UserCacheDir tells it; the
	// library lives in sweetspot/ below it.
	CacheDir string
	// Dirs are absolute folders to search after the cache, best first.
	Dirs []string

	// Path is the list of folders in which Install looks for npm and pip.
	Path string
	// Log receives a line for each slow step of Install and Pack; nil drops them.
	Log io.Writer
}

// FromEnv returns the options an environment describes: SWEETSPOT_ONNXRUNTIME,
// the loader's own search path, PATH, and the folders where distributions and
// people put ONNX Runtime. cacheDir is the user's cache folder.
func FromEnv(getenv func(string) string, cacheDir string) Options {
	loader, usual := "LD_LIBRARY_PATH", []string{"/usr/lib", "/usr/lib64", "/usr/lib/" + debianTriple(runtime.GOARCH)}
	if runtime.GOOS == "darwin" {
		loader, usual = "DYLD_LIBRARY_PATH", []string{"/opt/homebrew/lib"}
	}
	o := Options{Named: getenv(EnvVar), CacheDir: cacheDir, Path: getenv("PATH")}
	for _, dir := range filepath.SplitList(getenv(loader)) {
		if filepath.IsAbs(dir) {
			o.Dirs = append(o.Dirs, dir)
		}
	}
	o.Dirs = append(o.Dirs, usual...)
	o.Dirs = append(o.Dirs, "/usr/local/lib", "/opt/onnxruntime/lib")
	return o
}

// debianTriple is the folder name that Debian and Ubuntu give an architecture.
func debianTriple(goarch string) string {
	if goarch == "arm64" {
		return "aarch64-linux-gnu"
	}
	return "x86_64-linux-gnu"
}

// libraryPatterns matches the names under which a library is installed.
func libraryPatterns(goos string) []string {
	if goos == "darwin" {
		return []string{"libonnxruntime.dylib", "libonnxruntime.*.dylib"}
	}
	return []string{"libonnxruntime.so", "libonnxruntime.so.*"}
}
