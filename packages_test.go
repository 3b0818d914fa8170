package sweetspot_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// untested are the packages without a test file. Their comments say which tests cover them.
var untested = map[string]string{
	"engine/api/grpc/oippb":          "generated",
	"engine/api/grpc/torchservepb":   "generated",
	"engine/backend/python/peertest": "the other side of the tests of engine/backend/python",
	"engine/torchservetest":          "starts a real TorchServe, which has to be installed",
}

// TestPackages: every package has one comment that says what it is, and tests, or a reason why
// not.
func TestPackages(t *testing.T) {
	comments, tests := map[string][]string{}, map[string]bool{}
	eachSource(t, func(file string) {
		dir := filepath.ToSlash(filepath.Dir(file))
		if strings.Contains(dir, "testdata") {
			return
		}
		if strings.HasSuffix(file, "_test.go") {
			tests[dir] = true
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Error(err)
			return
		}
		if _, known := comments[dir]; !known {
			comments[dir] = nil
		}
		if isPackageComment(f) {
			comments[dir] = append(comments[dir], file)
		}
	})
	for _, dir := range slices.Sorted(maps.Keys(comments)) {
		if n := len(comments[dir]); n != 1 {
			t.Errorf("%s has %d package comments (%v), want 1", dir, n, comments[dir])
		}
		_, listed := untested[dir]
		switch {
		case !tests[dir] && !listed:
			t.Errorf("%s has no test file: write a test, or say in untested and in the package comment which test covers it", dir)
		case tests[dir] && listed:
			t.Errorf("%s has a test file and is in untested", dir)
		}
	}
	for dir := range untested {
		if _, ok := comments[dir]; !ok {
			t.Errorf("untested names %s, which is no package", dir)
		}
	}
}

// isPackageComment reports whether a file has the comment of its package. A comment above the package clause that only
// says what a generated file was made from is none.
func isPackageComment(f *ast.File) bool {
	if f.Doc == nil || ast.IsGenerated(f) {
		return false
	}
	return strings.HasPrefix(f.Doc.Text(), "Package "+f.Name.Name) || f.Name.Name == "main" && strings.HasPrefix(f.Doc.Text(), "Command ")
}
