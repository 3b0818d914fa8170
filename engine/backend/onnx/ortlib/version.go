package ortlib

import (
	"cmp"
	"debug/elf"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

var (
	// symbolVersion is the symbol version of Linux builds.
	symbolVersion = regexp.MustCompile(`^VERS_(\d+\.\d+\.\d+)$`)
	fileVersion   = regexp.MustCompile(`^libonnxruntime\.(?:so\.)?(\d+\.\d+\.\d+)(?:\.dylib)?$`)
)

// versionOf returns the version of the library at path without loading it, or "" if neither
// its symbols nor its resolved file name have it. It tries symbols first, because people
// rename files.
func versionOf(path string) string {
	if v := elfVersion(path); v != "" {
		return v
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return ""
	}
	if m := fileVersion.FindStringSubmatch(filepath.Base(real)); m != nil {
		return m[1]
	}
	return ""
}

func elfVersion(path string) string {
	f, err := elf.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	defined, err := f.DynamicVersions()
	if err != nil {
		return ""
	}
	for _, d := range defined {
		if m := symbolVersion.FindStringSubmatch(d.Name); m != nil {
			return m[1]
		}
	}
	return ""
}

func newEnough(version string) bool { return compareVersions(version, MinVersion) >= 0 }

// compareVersions compares dotted versions by number, part by part. A missing part, or one
// that is not a number, counts as 0.
func compareVersions(a, b string) int {
	for a != "" || b != "" {
		var x, y string
		x, a, _ = strings.Cut(a, ".")
		y, b, _ = strings.Cut(b, ".")
		if c := cmp.Compare(part(x), part(y)); c != 0 {
			return c
		}
	}
	return 0
}

func part(s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
