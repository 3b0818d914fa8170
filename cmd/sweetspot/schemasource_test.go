package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// goSource has the comments and the constants of the types of this module: the descriptions and the
// values in the schemas.
type goSource struct {
	t      *testing.T
	read   map[string]bool       // folders of packages that have been read
	text   map[string]string     // comments of "package.Type" and "package.Type.Field"
	values map[string][]constant // constants of "package.Type", in their order
}

// constant is one value of an enumeration.
type constant struct{ value, comment string }

func newGoSource(t *testing.T) *goSource {
	return &goSource{t, map[string]bool{}, map[string]string{}, map[string][]constant{}}
}

// comment returns the comment of a type, or of its field; "" if it has none.
func (s *goSource) comment(typ reflect.Type, field string) string {
	s.load(typ)
	key := typ.PkgPath() + "." + typ.Name()
	if field != "" {
		key += "." + field
	}
	return s.text[key]
}

// constants returns the constants of a type.
func (s *goSource) constants(typ reflect.Type) []constant {
	s.load(typ)
	return s.values[typ.PkgPath()+"."+typ.Name()]
}

// load reads the package of a type, if it is of this module.
func (s *goSource) load(typ reflect.Type) {
	pkg := typ.PkgPath()
	dir, ours := strings.CutPrefix(pkg, "sweetspot/")
	if !ours || s.read[pkg] {
		return
	}
	s.read[pkg] = true
	files, err := filepath.Glob(filepath.Join("../..", dir, "*.go"))
	if err != nil || len(files) == 0 {
		s.t.Fatalf("package %s: %d files, %v", pkg, len(files), err)
	}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, d := range f.Decls {
			if g, ok := d.(*ast.GenDecl); ok {
				s.declaration(pkg, g)
			}
		}
	}
}

func (s *goSource) declaration(pkg string, g *ast.GenDecl) {
	typeName := "" // of constants: iota repeats the type of the line before
	for _, spec := range g.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			s.text[pkg+"."+spec.Name.Name] = plainComment(spec.Doc, g.Doc)
			s.fields(pkg+"."+spec.Name.Name, spec.Type)
		case *ast.ValueSpec:
			if id, ok := spec.Type.(*ast.Ident); ok {
				typeName = id.Name
			} else if len(spec.Values) > 0 {
				typeName = ""
			}
			if g.Tok != token.CONST || typeName == "" {
				continue
			}
			c := constant{comment: plainComment(spec.Comment)}
			if len(spec.Values) == 1 {
				if lit, ok := spec.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
					c.value, _ = strconv.Unquote(lit.Value) // the parser has accepted it
				}
			}
			s.values[pkg+"."+typeName] = append(s.values[pkg+"."+typeName], c)
		}
	}
}

func (s *goSource) fields(key string, typ ast.Expr) {
	st, ok := typ.(*ast.StructType)
	if !ok {
		return
	}
	for _, f := range st.Fields.List {
		for _, n := range f.Names {
			s.text[key+"."+n.Name] = plainComment(f.Doc, f.Comment)
		}
	}
}

var (
	docLink = regexp.MustCompile(`\[([A-Za-z.]+)\]`)
	goNil   = regexp.MustCompile(`\bnil\b`)
)

// plainComment returns the first comment that is not empty as one line, without the notation of Go.
func plainComment(groups ...*ast.CommentGroup) string {
	for _, g := range groups {
		if text := strings.Join(strings.Fields(g.Text()), " "); text != "" {
			return goNil.ReplaceAllString(docLink.ReplaceAllString(text, "$1"), "null")
		}
	}
	return ""
}

// enumeration returns the values of an enumeration in JSON, with a description; nil if typ is none.
func (s *goSource) enumeration(typ reflect.Type) (values []any, text string) {
	consts := s.constants(typ)
	if len(consts) == 0 || typ.Kind() != reflect.String && typ.Kind() != reflect.Uint8 {
		return nil, ""
	}
	text = s.comment(typ, "")
	for i, c := range consts {
		if typ.Kind() == reflect.Uint8 {
			m, ok := reflect.ValueOf(uint8(i)).Convert(typ).Interface().(interface{ MarshalText() ([]byte, error) })
			if !ok {
				return nil, ""
			}
			b, err := m.MarshalText()
			if err != nil {
				s.t.Fatal(err)
			}
			c.value = string(b)
		}
		if c.value == "" {
			continue // not reported: the field is absent
		}
		values = append(values, c.value)
		if c.comment != "" {
			text += fmt.Sprintf(" %s: %s.", c.value, c.comment)
		}
	}
	return values, strings.TrimSpace(text)
}
