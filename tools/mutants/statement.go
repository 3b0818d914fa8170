package main

import (
	"go/ast"
	"go/token"
	"strings"
)

// statement notes the mutants of one statement as a whole; its expressions are visited on
// their own.
func (c *collector) statement(n ast.Stmt) {
	switch n := n.(type) {
	case *ast.BlockStmt:
		c.list(n.List)
	case *ast.CaseClause:
		c.list(n.Body)
	case *ast.CommClause:
		c.list(n.Body)
	case *ast.IfStmt:
		c.condition(n.Cond)
	case *ast.ForStmt:
		if n.Cond != nil {
			c.condition(n.Cond)
		}
	case *ast.IncDecStmt:
		c.operator(n.Tok, n.TokPos)
	case *ast.AssignStmt:
		c.operator(n.Tok, n.TokPos)
	case *ast.ReturnStmt:
		c.returned(n)
	}
}

// list notes the removal of each statement that can be left out: calls, assignments to what
// is there, deferred calls, jumps.
func (c *collector) list(statements []ast.Stmt) {
	for _, s := range statements {
		switch s := s.(type) {
		case *ast.ExprStmt, *ast.DeferStmt, *ast.SendStmt, *ast.IncDecStmt:
			c.remove(s)
		case *ast.AssignStmt:
			if s.Tok != token.DEFINE {
				c.remove(s)
			}
		case *ast.BranchStmt:
			if s.Tok == token.CONTINUE || s.Tok == token.BREAK {
				c.remove(s)
			}
		}
	}
}

// remove keeps the line breaks of the statement, so that positions stay as they are.
func (c *collector) remove(s ast.Stmt) {
	c.replaceNode("removed statement", s, strings.Repeat("\n", strings.Count(c.textOf(s), "\n")))
}

// condition notes the negation of a condition that has no operator of its own.
func (c *collector) condition(e ast.Expr) {
	switch e.(type) {
	case *ast.Ident, *ast.SelectorExpr, *ast.CallExpr, *ast.IndexExpr:
		c.replaceNode("boolean", e, "!"+c.textOf(e))
	}
}

// returned notes the replacement of each returned value by the zero value of its type, of a
// boolean by its opposite.
func (c *collector) returned(n *ast.ReturnStmt) {
	var types []ast.Expr
	if c.results != nil {
		for _, f := range c.results.List {
			for range max(1, len(f.Names)) {
				types = append(types, f.Type)
			}
		}
	}
	if len(types) != len(n.Results) {
		return // nothing, or what one call returns
	}
	for i, value := range n.Results {
		text := c.textOf(value)
		if _, literal := value.(*ast.BasicLit); literal || text == "true" || text == "false" || text == "nil" {
			continue // a constant has mutants of its own
		}
		if zero := zeroOf(types[i], text); zero != "" {
			c.replaceNode("returned value", value, zero)
		}
	}
}

// zeroOf is the text of the zero value of a type, of a boolean the opposite of the value, or empty where the
// type does not show it.
func zeroOf(t ast.Expr, value string) string {
	switch t := t.(type) {
	case *ast.StarExpr, *ast.MapType, *ast.FuncType, *ast.ChanType, *ast.InterfaceType:
		return "nil"
	case *ast.ArrayType:
		if t.Len == nil {
			return "nil"
		}
	case *ast.SelectorExpr:
		if x, ok := t.X.(*ast.Ident); ok && x.Name == "time" && t.Sel.Name == "Duration" {
			return "0"
		}
	case *ast.Ident:
		switch t.Name {
		case "bool":
			return "!(" + value + ")"
		case "error", "any":
			return "nil"
		case "string":
			return `""`
		case "int", "int8", "int16", "int32", "int64", "uint", "uint8", "uint16", "uint32", "uint64", "byte", "float32", "float64":
			return "0"
		}
	}
	return ""
}
