package ortlib

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// release describes Version for one platform.
type release struct {
	library string   // file name in the cache, with the version
	sources []source // in the order in which they are tried
}

// source is one publisher of the library, with the checksum of its archive.
type source struct {
	name    string
	sha256  string // of the whole archive, hex
	library string // path in the archive
	notices string // likewise; "" if the archive has none
	fetch   fetcher
}

// pin has the publishers' names and checksums for one platform.
type pin struct {
	library    string
	npm        string // path in the npm package, which has all platforms
	wheel      string // platform tag
	wheelSum   string // SHA-256
	archive    string // part of the release archive's name
	archiveSum string // SHA-256
}

// npmSum is the SHA-256 of the npm package's tarball. The registry publishes a
// SHA-512 of the same file:
// QEzGwrvNBgv4uPVdnbHsOGG4G6T96mdlcFI8aAKPjMU8wOPpVocPXb6k3QGkaZagVTv2G9Bnnbo6Z3JdXr1fQw==
const npmSum = "c3779c01c59832f8c03e2c392ac3af10bf08579f1822e8b1c63cc451edb302a2"

// wheelPython selects the wheel, independent of the installed Python.
const wheelPython = "3.12"

const releaseURL = "https://github.com/microsoft/onnxruntime/releases/download/v" + Version + "/"

func pins() map[string]pin {
	return map[string]pin{
		"linux/amd64": {
			library:    "libonnxruntime.so." + Version,
			npm:        "linux/x64/libonnxruntime.so.1",
			wheel:      "manylinux_2_28_x86_64",
			wheelSum:   "7c65a7438632d55dfbc8a02ee60bd6cf7dd9d1ba05a43d4b851452f32338e194",
			archive:    "linux-x64",
			archiveSum: "547e40a48f1fe73e3f812d7c88a948612c23f896b91e4e2ee1e232d7b468246f",
		},
		"linux/arm64": {
			library:    "libonnxruntime.so." + Version,
			npm:        "linux/arm64/libonnxruntime.so.1",
			wheel:      "manylinux_2_28_aarch64",
			wheelSum:   "c6fddce0539a4898c7bef35b052ffd37935b2190e35488eab99ce91887743ea1",
			archive:    "linux-aarch64",
			archiveSum: "3e4d83ac06924a32a07b6d7f91ce6f852876153fc0bbdf931bf517a140bfbe48",
		},
		"darwin/arm64": {
			library:    "libonnxruntime." + Version + ".dylib",
			npm:        "darwin/arm64/libonnxruntime." + Version + ".dylib",
			wheel:      "macosx_14_0_arm64",
			wheelSum:   "a14c2ce45312def86b77aea651f46565e45960cf5f0721bfdff449165086ab76",
			archive:    "osx-arm64",
			archiveSum: "545e81c58152353acb0d1e8bd6ce4b62f830c0961f5b3acfedc790ffd76e477a",
		},
	}
}

// pinned returns the release for a platform. npm comes first because its build
// for linux/amd64 contains the WebGPU provider; the other two are CPU only.
func pinned(goos, goarch string) (release, error) {
	all := pins()
	p, ok := all[goos+"/"+goarch]
	if !ok {
		return release{}, fmt.Errorf("there is no ONNX Runtime %s for %s/%s, only for %s: set %s=/path/libonnxruntime.so",
			Version, goos, goarch, strings.Join(slices.Sorted(maps.Keys(all)), ", "), EnvVar)
	}
	folder := "onnxruntime-" + p.archive + "-" + Version
	return release{library: p.library, sources: []source{
		{
			name:    "npm",
			sha256:  npmSum,
			library: "package/bin/napi-v6/" + p.npm,
			fetch:   npmPack("onnxruntime-node@" + Version),
		},
		{
			name:    "pip",
			sha256:  p.wheelSum,
			library: "onnxruntime/capi/" + p.library,
			notices: "onnxruntime/" + noticesFile,
			fetch:   pipDownload("onnxruntime=="+Version, p.wheel),
		},
		{
			name:    "release archive",
			sha256:  p.archiveSum,
			library: folder + "/lib/" + p.library,
			notices: folder + "/" + noticesFile,
			fetch:   download(releaseURL + folder + ".tgz"),
		},
	}}, nil
}
