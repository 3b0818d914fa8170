package config

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// The fixes of a YAML file change single lines; what they cannot change surely, they leave.

// keyLine returns the line of a key in block style, split around its key, or ok false.
func (v *yamlChecker) keyLine(n int, key string) (indent, after string, ok bool) {
	if n < 1 || n > len(v.lines) {
		return "", "", false
	}
	text := string(bytes.TrimRight(v.lines[n-1], "\r\n"))
	body := strings.TrimLeft(text, " ")
	indent = text[:len(text)-len(body)]
	for _, form := range []string{key, `"` + key + `"`, "'" + key + "'"} {
		if rest, found := strings.CutPrefix(body, form); found && strings.HasPrefix(strings.TrimLeft(rest, " "), ":") {
			return indent, strings.TrimLeft(rest, " ")[1:], true
		}
	}
	return "", "", false
}

// oneLiner reports whether the value of a pair is a scalar on the line of its key.
func oneLiner(p *ast.MappingValueNode) bool {
	_, _, scalar := plain(p.Value)
	return scalar && line(p.Value) == line(p.Key)
}

// trailingComment returns the comment after a value, with a blank before it.
func trailingComment(after string) string {
	if i := strings.LastIndex(after, " #"); i >= 0 {
		return "  " + strings.TrimSpace(after[i:])
	}
	return ""
}

// setValue is the fix that gives a key another value.
func (v *yamlChecker) setValue(p *ast.MappingValueNode, value string) func() []edit {
	n := line(p.Key)
	indent, after, ok := v.keyLine(n, keyText(p))
	if !ok || !oneLiner(p) {
		return nil
	}
	return replaceLine(n, indent+keyText(p)+": "+value+trailingComment(after))
}

// renameKey is the fix that gives a key another name.
func (v *yamlChecker) renameKey(p *ast.MappingValueNode, name string) func() []edit {
	n := line(p.Key)
	indent, after, ok := v.keyLine(n, keyText(p))
	if !ok {
		return nil
	}
	return replaceLine(n, indent+name+":"+after)
}

// removeKey is the fix that removes a key with a value of one line.
func (v *yamlChecker) removeKey(p *ast.MappingValueNode) func() []edit {
	n := line(p.Key)
	if _, _, ok := v.keyLine(n, keyText(p)); !ok || !oneLiner(p) {
		return nil
	}
	return replaceLine(n)
}

// moveUp is the fix that moves a key of a section above the section. A section of one key is
// removed, because its value would be nothing.
func (v *yamlChecker) moveUp(section, p *ast.MappingValueNode, name string) func() []edit {
	n, above := line(p.Key), line(section.Key)
	_, after, ok := v.keyLine(n, keyText(p))
	indent, _, sectionOK := v.keyLine(above, keyText(section))
	if !ok || !sectionOK || !oneLiner(p) || indent != "" || n <= above || v.at[name] > 0 {
		return nil
	}
	moved := name + ":" + after
	if len(mapping(section.Value)) == 1 {
		return func() []edit { return []edit{{above, above, []string{moved}}, {n, n, nil}} }
	}
	return func() []edit { return []edit{{above, above - 1, []string{moved}}, {n, n, nil}} }
}

// insertKey is the fix that adds a line below a key of the top level.
func (v *yamlChecker) insertKey(below, text string) func() []edit {
	n := v.at[below]
	if _, _, ok := v.keyLine(n, below); !ok {
		return nil
	}
	return func() []edit { return []edit{{n + 1, n, []string{text}}} }
}

// insertBound adds the other bound of the workers.
func (v *yamlChecker) insertBound(key string, n int) func() []edit {
	other := "maxWorkers"
	if key == other {
		other = "minWorkers"
	}
	if v.at[other] > 0 {
		return v.rewrite(other, n)
	}
	return v.insertKey(key, fmt.Sprintf("%s: %d", other, n))
}

// rewrite is the fix that gives a key of the top level another number.
func (v *yamlChecker) rewrite(key string, n int) func() []edit {
	at := v.at[key]
	indent, after, ok := v.keyLine(at, key)
	if !ok {
		return nil
	}
	return replaceLine(at, fmt.Sprintf("%s%s: %d%s", indent, key, n, trailingComment(after)))
}
