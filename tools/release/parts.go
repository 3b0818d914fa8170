package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// part is something in the program that others wrote.
type part struct {
	name     string // module path, or the name of the product
	version  string
	purl     string   // package URL
	sum      string   // checksum of a module, as in go.sum; "" of others
	licences []string // SPDX identifiers
	notices  []notice
}

// notice is a file that must be distributed with the program.
type notice struct {
	file string
	text []byte
}

// parts returns the modules in a program, the standard library and ONNX Runtime, by name.
func (r *release) parts(ctx context.Context, program string) ([]part, error) {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return nil, err
	}
	version := strings.TrimPrefix(info.GoVersion, "go")
	out := make([]part, 0, len(info.Deps)+2)
	goPart, err := newPart("std", version, "pkg:golang/std@"+version, r.goroot, "LICENSE", "PATENTS")
	if err != nil {
		return nil, err
	}
	library, err := r.library()
	if err != nil {
		return nil, err
	}
	out = append(out, goPart, library)
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		dir, err := moduleFolder(ctx, r.root, m.Path+"@"+m.Version)
		if err != nil {
			return nil, err
		}
		p, err := newPart(m.Path, m.Version, "pkg:golang/"+m.Path+"@"+m.Version, dir)
		if err != nil {
			return nil, err
		}
		p.sum = m.Sum
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b part) int { return strings.Compare(a.name, b.name) })
	return out, nil
}

// library is ONNX Runtime as it was packed.
func (r *release) library() (part, error) {
	blob := filepath.Join(r.root, "engine", "backend", "onnx", "ortlib", "blob")
	sums, err := os.ReadFile(filepath.Join(blob, "SHA256SUMS"))
	if err != nil {
		return part{}, err
	}
	_, file, _ := strings.Cut(strings.TrimSpace(string(sums)), "  ")
	version := versionIn(file)
	if version == "" {
		return part{}, fmt.Errorf("%s: %q has no version of the library", filepath.Join(blob, "SHA256SUMS"), file)
	}
	return newPart("onnxruntime", version, "pkg:github/microsoft/onnxruntime@v"+version, blob, "LICENSE", "ThirdPartyNotices.txt")
}

// versionIn returns the version in the name of a library, libonnxruntime.so.1.27.0 or
// libonnxruntime.1.27.0.dylib.
func versionIn(file string) string {
	file = strings.TrimSuffix(strings.TrimPrefix(file, "libonnxruntime."), ".dylib")
	return strings.TrimPrefix(file, "so.")
}

// newPart reads the notices of a part: the named files of dir, or all files that look like
// one.
func newPart(name, version, purl, dir string, files ...string) (part, error) {
	p := part{name: name, version: version, purl: purl}
	if len(files) == 0 {
		var err error
		if files, err = noticeFiles(dir); err != nil {
			return part{}, err
		}
	}
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			return part{}, err
		}
		p.notices = append(p.notices, notice{file, bytes.TrimSpace(text)})
		if isLicence(file) {
			for _, m := range licensecheck.Scan(text).Match {
				if !slices.Contains(p.licences, m.ID) {
					p.licences = append(p.licences, m.ID)
				}
			}
		}
	}
	if len(p.licences) == 0 {
		return part{}, fmt.Errorf("%s %s has no licence that is known; read its files and decide what must be done", name, version)
	}
	return p, nil
}

// isLicence reports whether a file at the top of a part is its licence.
func isLicence(file string) bool {
	return !strings.ContainsRune(file, '/') && (strings.HasPrefix(strings.ToUpper(file), "LICEN") || strings.HasPrefix(strings.ToUpper(file), "COPYING"))
}

// noticeFiles returns the files of a module that are licences or notices, those of its folders
// too, since some have code of others. Test data is not in the program.
func noticeFiles(dir string) (out []string, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && path != dir) {
			return filepath.SkipDir
		}
		upper := strings.ToUpper(d.Name())
		for _, prefix := range []string{"LICEN", "COPYING", "NOTICE", "PATENTS"} {
			if d.Type().IsRegular() && strings.HasPrefix(upper, prefix) && filepath.Ext(upper) != ".GO" {
				file, err := filepath.Rel(dir, path)
				out = append(out, filepath.ToSlash(file))
				return err
			}
		}
		return nil
	})
	return out, err
}

// moduleFolder returns where the source of a module is, downloaded if needed.
func moduleFolder(ctx context.Context, root, module string) (string, error) {
	text, err := output(ctx, root, nil, "go", "mod", "download", "-json", module)
	if err != nil {
		return "", err
	}
	var m struct{ Dir string }
	if err := json.Unmarshal([]byte(text), &m); err != nil || m.Dir == "" {
		return "", fmt.Errorf("go mod download %s: no folder in %q: %w", module, text, err)
	}
	return m.Dir, nil
}

// writeNotices writes the notices of all parts to one file.
func writeNotices(file string, parts []part) error {
	var b bytes.Buffer
	b.WriteString("sweetspot contains the work of others. This file has their licences and notices.\n\n")
	for _, p := range parts {
		fmt.Fprintf(&b, "  %s %s: %s\n", p.name, p.version, strings.Join(p.licences, ", "))
	}
	for _, p := range parts {
		for _, n := range p.notices {
			fmt.Fprintf(&b, "\n%s\n%s %s, %s\n\n%s\n", strings.Repeat("=", 80), p.name, p.version, n.file, n.text)
		}
	}
	return os.WriteFile(file, b.Bytes(), 0o644)
}
