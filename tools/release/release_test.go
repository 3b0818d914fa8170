package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), mode)); err != nil {
		t.Fatal(err)
	}
}

// TestArchive: an archive has the same bytes whatever the times of its files are.
func TestArchive(t *testing.T) {
	var archives [2][]byte
	for i := range archives {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "p-1", "sweetspot"), "program", 0o755)
		write(t, filepath.Join(dir, "p-1", "man", "man1", "sweetspot.1"), "page", 0o600)
		file := filepath.Join(dir, "p-1.tar.gz")
		if err := writeArchive(file, dir, "p-1"); err != nil {
			t.Fatal(err)
		}
		if err := writeSums(dir, []string{"p-1.tar.gz"}); err != nil {
			t.Fatal(err)
		}
		var err error
		if archives[i], err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Error("two archives of the same files differ")
	}
	z, err := gzip.NewReader(bytes.NewReader(archives[0]))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for files := tar.NewReader(z); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, h.Name+" "+h.FileInfo().Mode().String())
	}
	if want := []string{"p-1/man/man1/sweetspot.1 -rw-r--r--", "p-1/sweetspot -rwxr-xr-x"}; !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
	if err := writeArchive(filepath.Join(t.TempDir(), "x"), t.TempDir(), "none"); err == nil {
		t.Error("an archive of a folder that does not exist")
	}
}

const mit = `MIT License

Copyright (c) 2026 Someone

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
`

// TestPart: the notices of a part are all its licence files, also of its folders, and a part
// without a known licence is not distributed.
func TestPart(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "LICENSE.md"), mit, 0o600)
	write(t, filepath.Join(dir, "internal", "vendored", "NOTICE"), "of a third party", 0o600)
	write(t, filepath.Join(dir, "testdata", "LICENSE"), "not in the program", 0o600)
	write(t, filepath.Join(dir, "license.go"), "package x", 0o600)
	p, err := newPart("example.com/x", "v1.2.3", "pkg:golang/example.com/x@v1.2.3", dir)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(p.licences, []string{"MIT"}) || len(p.notices) != 2 {
		t.Errorf("licences %v, %d notices", p.licences, len(p.notices))
	}
	file := filepath.Join(dir, "notices.txt")
	if err := writeNotices(file, []part{p}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"example.com/x v1.2.3: MIT", "Copyright (c) 2026 Someone", "internal/vendored/NOTICE", "of a third party"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the notices have no %q", want)
		}
	}
	write(t, filepath.Join(dir, "LICENSE.md"), "All rights reserved.", 0o600)
	if _, err := newPart("example.com/x", "v1.2.3", "", dir); err == nil || !strings.Contains(err.Error(), "no licence that is known") {
		t.Errorf("a part without a known licence: %v", err)
	}
}

func TestSBOM(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "sweetspot")
	write(t, program, "program", 0o700)
	r := release{version: "1.0.0"}
	file := filepath.Join(dir, "sbom.json")
	if err := r.writeSBOM(file, program, []part{{name: "m", version: "v1", purl: "pkg:golang/m@v1", sum: "h1:x", licences: []string{"MIT"}}}); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var bom cdx.BOM
	if err := cdx.NewBOMDecoder(f, cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	if c := *bom.Components; len(c) != 1 || c[0].PackageURL != "pkg:golang/m@v1" || (*c[0].Licenses)[0].License.ID != "MIT" {
		t.Errorf("components %+v", c)
	}
	if got := (*bom.Metadata.Component.Hashes)[0].Value; len(got) != 64 {
		t.Errorf("checksum %q", got)
	}
}

func TestPlatforms(t *testing.T) {
	got, err := parsePlatforms("linux/amd64,darwin/arm64")
	if err != nil || len(got) != 2 || got[1].folder() != "darwin-arm64" {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := parsePlatforms("linux/amd64,plan9/386"); err == nil || !strings.Contains(err.Error(), "linux/arm64") {
		t.Errorf("an unknown platform: %v", err)
	}
	for file, want := range map[string]string{"libonnxruntime.so.1.27.0": "1.27.0", "libonnxruntime.1.27.0.dylib": "1.27.0"} {
		if got := versionIn(file); got != want {
			t.Errorf("versionIn(%s) = %q", file, got)
		}
	}
}
