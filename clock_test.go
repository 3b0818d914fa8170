package sweetspot_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"slices"
	"strings"
	"testing"
)

// wallClock lists the differences of times that may be wrong after the clock of the machine was set, each with its
// reason. All others are between two readings of the monotonic clock.
var wallClock = map[string]string{
	"engine/monitor/monitor.go: time.Since(g.At)":                 "a reading of this process",
	"cmd/sweetspot/follow.go: time.Since(s.At)":                   "a snapshot of this process",
	"cmd/sweetspot/follow.go: later.At.Sub(s.At)":                 "snapshots of this process",
	"cmd/sweetspot/follow.go: last.At.Sub(h.Created)":             "the profile has no other time; negative is 0",
	"cmd/sweetspot/follow.go: s.At.Sub(h.Created)":                "the profile of another process has no other time; negative is 0",
	"tui/following.go: m.now.Sub(last.At.Add(duration))":          "the profile of another process has no other time; negative is 0",
	"tui/following.go: m.now.Sub(s.Trials[len(s.Trials) - 1].At)": "the age of a profile, as a text; negative is 0",
	"tui/livecharts.go: m.snap.At.Sub(end)":                       "snapshots of this process",
	"engine/archive/cache.go: now.Sub(info.ModTime())":            "times of files, compared with a day",
}

// TestDurationsAreMonotonic: a duration is measured with the monotonic clock, so that a jump of the wall clock, by hours
// in both directions, changes none. UTC, Local, In, Round and Truncate remove the monotonic reading from a time, and
// a file or a message never has it. The fields At and Created are in files.
func TestDurationsAreMonotonic(t *testing.T) {
	seen := map[string]bool{}
	eachSource(t, func(file string) {
		if strings.HasSuffix(file, "_test.go") {
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Error(err)
			return
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			for _, diff := range wallDifferences(fn) {
				name := strings.TrimPrefix(file, "./") + ": " + diff
				if seen[name] = true; wallClock[name] == "" {
					t.Errorf("%s may be wrong after the clock was set: keep the time.Now() of its beginning, or give a reason in wallClock", name)
				}
			}
		}
	})
	for name := range wallClock {
		if !seen[name] {
			t.Errorf("%s no longer exists: remove it from wallClock", name)
		}
	}
}

// wallDifferences returns the differences of times in a function of which one has no monotonic reading, as far as the
// function shows it.
func wallDifferences(fn *ast.FuncDecl) (out []string) {
	stripped := map[string]bool{} // variables that were assigned such a time
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		if a, ok := n.(*ast.AssignStmt); ok && len(a.Lhs) == len(a.Rhs) {
			for i, from := range a.Rhs {
				if to, ok := a.Lhs[i].(*ast.Ident); ok && isWall(from, stripped) {
					stripped[to.Name] = true
				}
			}
		}
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) != 1 {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		text := types.ExprString(call)
		switch of := types.ExprString(sel.X); {
		case sel.Sel.Name == "Sub" && (isWall(sel.X, stripped) || isWall(call.Args[0], stripped)),
			of == "time" && (sel.Sel.Name == "Since" || sel.Sel.Name == "Until") && isWall(call.Args[0], stripped):
			out = append(out, text)
		}
		return true
	})
	return out
}

// isWall reports whether an expression is a time without a monotonic reading.
func isWall(e ast.Expr, stripped map[string]bool) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return stripped[e.Name]
	case *ast.SelectorExpr:
		return e.Sel.Name == "At" || e.Sel.Name == "Created"
	case *ast.CallExpr:
		sel, ok := e.Fun.(*ast.SelectorExpr)
		if !ok {
			return false
		}
		switch sel.Sel.Name {
		case "UTC", "Local", "In", "ModTime", "Unix", "UnixMilli", "Date", "ParseInLocation":
			return true
		case "Round", "Truncate":
			return isTimeNow(sel.X) || isWall(sel.X, stripped)
		case "Add":
			return isWall(sel.X, stripped)
		case "Parse":
			return types.ExprString(sel.X) == "time"
		}
	}
	return false
}

func isTimeNow(e ast.Expr) bool {
	return slices.Contains([]string{"time.Now()", "s.now()", "now"}, types.ExprString(e))
}
