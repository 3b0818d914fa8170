package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// mutant is one change of one place of a source file.
type mutant struct {
	File   string // below the root of the module, with slashes
	Line   int    // from 1
	Column int    // from 1, in bytes
	Func   string // the function that contains it; empty outside functions
	Kind   string // which operator made it
	Was    string // the source line without white space around it
	Now    string // the same line, changed
	Nth    int    // which of the mutants of equal text in this function it is, from 0

	start, end int    // bytes of the file that are replaced
	text       string // by this

	funcLine, funcEnd int // lines of the function
}

// id names the mutant in a way that does not change when lines are added elsewhere.
func (m mutant) id() string {
	return fmt.Sprintf("%s|%s|%s|%s|%d", m.File, m.Func, m.Was, m.Now, m.Nth)
}

// order sorts mutants by a hash of the seed and their names: the first ones are a sample.
func order(mutants []mutant, seed string) {
	key := func(m mutant) [sha256.Size]byte { return sha256.Sum256([]byte(seed + "\n" + m.id())) }
	slices.SortFunc(mutants, func(a, b mutant) int {
		ka, kb := key(a), key(b)
		return bytes.Compare(ka[:], kb[:])
	})
}

// packageMutants lists the mutants of all files of a package that the compiler uses here, except
// tests and generated files.
func packageMutants(ctx context.Context, root, pkg string) ([]mutant, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-json=Dir,GoFiles,CgoFiles", "./"+pkg)
	cmd.Dir = root
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, stderr.String())
	}
	var list struct {
		Dir               string
		GoFiles, CgoFiles []string
	}
	if err := json.Unmarshal(out, &list); err != nil {
		return nil, err
	}
	var mutants []mutant
	for _, name := range append(list.GoFiles, list.CgoFiles...) {
		source, err := os.ReadFile(filepath.Join(list.Dir, name))
		if err != nil {
			return nil, err
		}
		found, err := fileMutants(pkg+"/"+name, source)
		if err != nil {
			return nil, err
		}
		mutants = append(mutants, found...)
	}
	return mutants, nil
}

// fileMutants lists the mutants of one file, in the order of their places. Generated files have
// none.
func fileMutants(name string, source []byte) ([]mutant, error) {
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, name, source, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	if ast.IsGenerated(f) {
		return nil, nil
	}
	c := &collector{file: files.File(f.Pos()), source: source, name: name}
	for _, d := range f.Decls {
		c.function, c.results = "", nil
		if fn, ok := d.(*ast.FuncDecl); ok {
			c.function, c.results = functionName(fn), fn.Type.Results
			c.funcLine, c.funcEnd = c.file.Line(fn.Pos()), c.file.Line(fn.End())
		}
		c.walk(d)
	}
	slices.SortStableFunc(c.mutants, func(a, b mutant) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.end, b.end), cmp.Compare(a.text, b.text))
	})
	seen := map[string]int{}
	for i := range c.mutants {
		id := c.mutants[i].id()
		c.mutants[i].Nth = seen[id]
		seen[id]++
	}
	return c.mutants, nil
}

func functionName(fn *ast.FuncDecl) string {
	if fn.Recv == nil || len(fn.Recv.List) == 0 {
		return fn.Name.Name
	}
	t := fn.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	switch g := t.(type) { // type parameters
	case *ast.IndexExpr:
		t = g.X
	case *ast.IndexListExpr:
		t = g.X
	}
	if id, ok := t.(*ast.Ident); ok {
		return id.Name + "." + fn.Name.Name
	}
	return fn.Name.Name
}

// collector gathers the mutants of a file.
type collector struct {
	file              *token.File
	source            []byte
	name              string
	function          string
	funcLine, funcEnd int
	results           *ast.FieldList // of the function around the node
	skip              map[ast.Node]bool
	mutants           []mutant
}

// add notes the replacement of the source between two places.
func (c *collector) add(kind string, from, to token.Pos, text string) {
	start, end := c.file.Offset(from), c.file.Offset(to)
	if string(c.source[start:end]) == text {
		return
	}
	p := c.file.Position(from)
	lineStart := c.file.Offset(c.file.LineStart(p.Line))
	lineEnd := lineStart + bytes.IndexByte(append(c.source[lineStart:len(c.source):len(c.source)], '\n'), '\n')
	was := string(c.source[lineStart:lineEnd])
	now := string(c.source[lineStart:start]) + text
	if end <= lineEnd {
		now += string(c.source[end:lineEnd])
	}
	c.mutants = append(c.mutants, mutant{
		File: c.name, Line: p.Line, Column: p.Column, Func: c.function, Kind: kind,
		Was: strings.TrimSpace(was), Now: cmp.Or(strings.TrimSpace(now), "(removed)"),
		start: start, end: end, text: text, funcLine: c.funcLine, funcEnd: c.funcEnd,
	})
}

// replaceNode notes that a node becomes a text.
func (c *collector) replaceNode(kind string, n ast.Node, text string) {
	c.add(kind, n.Pos(), n.End(), text)
}

func (c *collector) textOf(n ast.Node) string {
	return string(c.source[c.file.Offset(n.Pos()):c.file.Offset(n.End())])
}

func (c *collector) walk(root ast.Node) {
	c.skip = map[ast.Node]bool{}
	ast.Inspect(root, func(n ast.Node) bool {
		if n == nil || c.skip[n] {
			return false
		}
		switch n := n.(type) {
		case *ast.FuncLit: // its returns are not those of the function around it
			outer := c.results
			c.results = n.Type.Results
			saved := c.skip
			c.walk(n.Body)
			c.results, c.skip = outer, saved
			return false
		case *ast.ImportSpec, *ast.StructType:
			return false // text and tags, nothing that runs
		case *ast.CallExpr:
			c.call(n)
		case *ast.BinaryExpr:
			c.binary(n)
		case *ast.UnaryExpr:
			c.unary(n)
		case *ast.BasicLit:
			c.literal(n)
		case *ast.Ident:
			c.identifier(n)
		case ast.Stmt:
			c.statement(n)
		}
		return true
	})
}

// call leaves out capacities, which only make a program faster.
func (c *collector) call(n *ast.CallExpr) {
	if f, ok := n.Fun.(*ast.Ident); ok && f.Name == "make" && len(n.Args) == 3 {
		c.skip[n.Args[2]] = true
	}
}

// replacements are the operators that take the place of an operator, with the kind of the
// change.
var replacements = map[token.Token][][2]string{
	token.EQL:  {{"comparison", "!="}},
	token.NEQ:  {{"comparison", "=="}},
	token.LSS:  {{"comparison", ">="}, {"boundary", "<="}},
	token.GEQ:  {{"comparison", "<"}, {"boundary", ">"}},
	token.GTR:  {{"comparison", "<="}, {"boundary", ">="}},
	token.LEQ:  {{"comparison", ">"}, {"boundary", "<"}},
	token.ADD:  {{"arithmetic", "-"}},
	token.SUB:  {{"arithmetic", "+"}},
	token.MUL:  {{"arithmetic", "/"}},
	token.QUO:  {{"arithmetic", "*"}},
	token.REM:  {{"arithmetic", "*"}},
	token.AND:  {{"arithmetic", "|"}},
	token.OR:   {{"arithmetic", "&"}},
	token.LAND: {{"boolean", "||"}},
	token.LOR:  {{"boolean", "&&"}},

	token.ADD_ASSIGN: {{"arithmetic", "-="}},
	token.SUB_ASSIGN: {{"arithmetic", "+="}},
	token.MUL_ASSIGN: {{"arithmetic", "/="}},
	token.QUO_ASSIGN: {{"arithmetic", "*="}},
	token.INC:        {{"arithmetic", "--"}},
	token.DEC:        {{"arithmetic", "++"}},
}

func (c *collector) operator(op token.Token, at token.Pos) {
	for _, r := range replacements[op] {
		c.add(r[0], at, at+token.Pos(len(op.String())), r[1])
	}
}

func (c *collector) binary(n *ast.BinaryExpr) {
	if n.Op == token.ADD && (isText(n.X) || isText(n.Y)) {
		return // joins strings
	}
	c.operator(n.Op, n.OpPos)
}

func isText(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.BasicLit:
		return e.Kind == token.STRING
	case *ast.BinaryExpr:
		return e.Op == token.ADD && (isText(e.X) || isText(e.Y))
	}
	return false
}

func (c *collector) unary(n *ast.UnaryExpr) {
	switch n.Op {
	case token.NOT:
		c.add("boolean", n.OpPos, n.X.Pos(), "")
	case token.SUB:
		c.add("arithmetic", n.OpPos, n.X.Pos(), "")
	}
}

// literal makes numbers one higher, and fractions twice as large.
func (c *collector) literal(n *ast.BasicLit) {
	switch n.Kind {
	case token.INT:
		if v, err := strconv.ParseInt(n.Value, 0, 62); err == nil {
			c.replaceNode("constant", n, strconv.FormatInt(v+1, 10))
		}
	case token.FLOAT:
		c.replaceNode("constant", n, "(2 * "+n.Value+")")
	}
}

func (c *collector) identifier(n *ast.Ident) {
	switch n.Name {
	case "true":
		c.replaceNode("constant", n, "false")
	case "false":
		c.replaceNode("constant", n, "true")
	}
}
