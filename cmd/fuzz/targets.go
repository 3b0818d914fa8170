package main

import (
	"cmp"
	"errors"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// target is one fuzz function.
type target struct {
	module string // folder of its go.mod
	folder string // of its package, relative to module, with slashes; "." is the module itself
	pkg    string // folder of its package, relative to the root, with slashes
	name   string
}

// String returns the name of a target, such as engine/batching.FuzzCollector.
func (t target) String() string { return t.pkg + "." + t.name }

// findTargets returns the targets below root, also of nested modules, in the order of their names. Files that
// are not built on this platform have none.
func findTargets(root string) ([]target, error) {
	var out []target
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); path != root && (name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		names, err := fuzzNames(path)
		if err != nil || len(names) == 0 {
			return err
		}
		dir := filepath.Dir(path)
		module, err := moduleOf(dir)
		if err != nil {
			return err
		}
		t := target{module: module, folder: slashed(module, dir), pkg: slashed(root, dir)}
		for _, t.name = range names {
			out = append(out, t)
		}
		return nil
	})
	slices.SortFunc(out, func(a, b target) int { return cmp.Compare(a.String(), b.String()) })
	return out, err
}

// fuzzNames returns the fuzz functions of a file.
func fuzzNames(path string) ([]string, error) {
	built, err := build.Default.MatchFile(filepath.Dir(path), filepath.Base(path))
	if err != nil || !built {
		return nil, err
	}
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && isFuzz(fn.Name.Name) {
			names = append(names, fn.Name.Name)
		}
	}
	return names, nil
}

// isFuzz reports whether a function of a test file is a fuzz target by its name; the compiler then checks its
// parameters.
func isFuzz(name string) bool {
	rest, ok := strings.CutPrefix(name, "Fuzz")
	first, _ := utf8.DecodeRuneInString(rest)
	return ok && !unicode.IsLower(first)
}

// moduleOf returns the nearest folder at or above dir that has a go.mod.
func moduleOf(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", errors.New(dir + ": no go.mod in it or above it")
		}
	}
}

// slashed returns dir relative to base, with slashes.
func slashed(base, dir string) string {
	base, err := filepath.Abs(base)
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err == nil {
		dir, err = filepath.Rel(base, dir)
	}
	if err != nil {
		return dir
	}
	return filepath.ToSlash(dir)
}
