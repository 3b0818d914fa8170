package ortlib

import (
	"io"
	"path/filepath"
	"runtime"
	"strings"
)

// Options has the folders to search and the tools to install with. This package does not read
// the environment; see FromEnv.
type Options struct {
	// Named is the library file that the user has chosen; Find tries no other.
	Named string
	// CacheDir is the user's cache folder, from os.UserCacheDir; the library is in
	// sweetspot/ below it.
	CacheDir string
	// Dirs are absolute folders to search after the cache, best first.
	Dirs []string

	// Platform is the platform of the library that Install and Pack handle, such as
	// "linux/arm64"; "" is that of this program. Find knows only the latter.
	Platform string

	// Path is the list of folders in which Install looks for npm and pip.
	Path string
	// Log receives a line for each slow step of Install and Pack; nil discards.
	Log io.Writer
}

// FromEnv returns the options of an environment: SWEETSPOT_ONNXRUNTIME, the search path of the
// dynamic loader, PATH, and the folders in which ONNX Runtime is usually installed. cacheDir
// is the user's cache folder.
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

// pinned returns the pinned release for the platform.
func (o Options) pinned() (release, error) {
	if o.isNative() {
		return pinned(runtime.GOOS, runtime.GOARCH)
	}
	goos, goarch, _ := strings.Cut(o.Platform, "/")
	return pinned(goos, goarch)
}

// isNative reports whether the library is for this machine.
func (o Options) isNative() bool {
	return o.Platform == "" || o.Platform == runtime.GOOS+"/"+runtime.GOARCH
}

// releaseKey identifies the pinned release in the cache.
func (o Options) releaseKey() string {
	if o.isNative() {
		return Version
	}
	return Version + "-" + strings.ReplaceAll(o.Platform, "/", "-")
}

// debianTriple returns the folder name of an architecture in Debian and Ubuntu.
func debianTriple(goarch string) string {
	if goarch == "arm64" {
		return "aarch64-linux-gnu"
	}
	return "x86_64-linux-gnu"
}

// libraryPatterns returns patterns for the file names of installed libraries.
func libraryPatterns(goos string) []string {
	if goos == "darwin" {
		return []string{"libonnxruntime.dylib", "libonnxruntime.*.dylib"}
	}
	return []string{"libonnxruntime.so", "libonnxruntime.so.*"}
}
