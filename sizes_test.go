package sweetspot_test

import (
	"bufio"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	longestFile     = 500 // lines
	longestFunction = 80  // lines, without the rows of tables
)

// TestSizes keeps files and functions short enough to be read at once, tests too. Generated
// files may be longer.
func TestSizes(t *testing.T) {
	eachSource(t, func(file string) {
		files := token.NewFileSet()
		f, err := parser.ParseFile(files, file, nil, parser.ParseComments)
		if err != nil {
			t.Error(err)
			return
		}
		if ast.IsGenerated(f) {
			return
		}
		if n := files.File(f.Pos()).LineCount(); n > longestFile+1 {
			t.Errorf("%s has %d lines, at most %d are allowed: divide it", file, n, longestFile)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			n := lines(files, fn) - tableLines(files, fn)
			if n > longestFunction {
				t.Errorf("%s: %s has %d lines, at most %d are allowed: divide it", file, fn.Name.Name, n, longestFunction)
			}
		}
	})
}

// lines is the number of lines of a node.
func lines(files *token.FileSet, n ast.Node) int {
	return files.Position(n.End()).Line - files.Position(n.Pos()).Line + 1
}

// tableLines is the number of lines in a function that are rows of tables of cases: they are
// data.
func tableLines(files *token.FileSet, fn *ast.FuncDecl) (n int) {
	ast.Inspect(fn, func(node ast.Node) bool {
		table, ok := node.(*ast.CompositeLit)
		if !ok {
			return true
		}
		rows, ok := table.Type.(*ast.ArrayType)
		if ok {
			_, ok = rows.Elt.(*ast.StructType)
		}
		if ok {
			n += files.Position(table.Rbrace).Line - files.Position(table.Lbrace).Line - 1
		}
		return !ok
	})
	return n
}

// eachSource calls do with each Go file of the tree.
func eachSource(t *testing.T, do func(file string)) {
	t.Helper()
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && file != "." && strings.HasPrefix(d.Name(), "."):
			return filepath.SkipDir
		case !d.IsDir() && filepath.Ext(file) == ".go":
			do(file)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestTables: no two rows of one table of docs/architecture.md are about the same thing.
func TestTables(t *testing.T) {
	f, err := os.Open("docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() // only read
	seen := map[string]int{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		cells := strings.Split(lines.Text(), "|")
		if len(cells) < 3 || cells[0] != "" {
			clear(seen) // the table has ended
			continue
		}
		if first, again := seen[cells[1]]; again {
			t.Errorf("docs/architecture.md:%d: a row about%sis there already, in line %d: join them", n, cells[1], first)
		}
		seen[cells[1]] = n
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}
