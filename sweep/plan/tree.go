package plan

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits of a plan file, which is usually a page of text. maxNodes counts each use of
// an alias, so that a small file cannot expand to a large tree.
const (
	maxBytes = 64 << 10
	maxNodes = 20000
	maxDepth = 32
)

// pos is a position in a file; line and column start at 1. The zero value is no position.
type pos struct{ line, col int }

// compare orders positions from the start of the file to its end.
func (p pos) compare(q pos) int {
	return cmp.Or(p.line-q.line, p.col-q.col)
}

type kind uint8

const (
	null kind = iota
	scalar
	sequence
	mapping
)

func (k kind) String() string {
	return [...]string{null: "nothing", scalar: "one value", sequence: "a list", mapping: "a map"}[k]
}

// node is a value of YAML or JSON with its position. A scalar has the text of the file;
// the field that reads it converts it. So one decoder reads both formats, and only
// this file uses the types of the YAML library.
type node struct {
	kind  kind
	text  string
	items []*node
	keys  []entry // in the order of the file, without duplicates
	at    pos
	size  int // number of nodes in it, with aliases expanded
}

type entry struct {
	name  string
	at    pos
	value *node
}

// find returns the value of a key, or nil.
func (n *node) find(name string) *node {
	for _, e := range n.keys {
		if e.name == name {
			return e.value
		}
	}
	return nil
}

// positionError is an error at a position.
type positionError struct {
	at   pos
	text string
}

func (p *positionError) Error() string { return p.text }

// readYAML returns the root node of one document. The error is a *positionError.
func readYAML(data []byte) (*node, error) {
	switch {
	case len(data) > maxBytes:
		return nil, &positionError{pos{1, 1}, fmt.Sprintf("the file has %d bytes; a plan has at most %d", len(data), maxBytes)}
	case !utf8.Valid(data):
		return nil, &positionError{pos{1, 1}, "the file is not UTF-8 text"}
	}
	f, err := parser.ParseBytes(data, 0)
	if err != nil {
		if e, ok := errors.AsType[yaml.Error](err); ok {
			return nil, &positionError{tokenPos(e), e.GetMessage()}
		}
		return nil, &positionError{pos{1, 1}, err.Error()}
	}
	docs := slices.DeleteFunc(f.Docs, func(d *ast.DocumentNode) bool { return d.Body == nil })
	switch len(docs) {
	case 0:
		return nil, &positionError{pos{1, 1}, "the file is empty; a plan starts with version: 1"}
	case 1:
		c := converter{anchors: map[string]*node{}}
		return c.node(docs[0].Body, 0)
	}
	return nil, &positionError{positionOf(docs[1].Body), "the file has a second document; a plan is one document"}
}

// converter converts the tree of the YAML library to nodes.
type converter struct{ anchors map[string]*node }

func (c *converter) node(n ast.Node, depth int) (*node, error) {
	if depth > maxDepth {
		return nil, &positionError{positionOf(n), fmt.Sprintf("nested deeper than %d levels", maxDepth)}
	}
	out, err := c.convert(n, depth)
	if err == nil && out.size > maxNodes {
		return nil, &positionError{positionOf(n), fmt.Sprintf("the file has more than %d values", maxNodes)}
	}
	return out, err
}

func (c *converter) convert(n ast.Node, depth int) (*node, error) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return c.mapping(n, n.Values, depth)
	case *ast.MappingValueNode:
		return c.mapping(n, []*ast.MappingValueNode{n}, depth)
	case *ast.SequenceNode:
		return c.sequence(n, depth)
	case *ast.AnchorNode:
		v, err := c.node(n.Value, depth+1)
		if err == nil {
			c.anchors[n.Name.GetToken().Value] = v
		}
		return v, err
	case *ast.AliasNode:
		name := n.Value.GetToken().Value
		v, ok := c.anchors[name]
		if !ok {
			return nil, &positionError{positionOf(n), fmt.Sprintf("*%s: there is no anchor &%s before it", name, name)}
		}
		return v, nil
	case *ast.NullNode:
		return &node{kind: null, at: positionOf(n), size: 1}, nil
	case *ast.LiteralNode:
		return &node{kind: scalar, text: n.Value.Value, at: positionOf(n), size: 1}, nil
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return &node{kind: scalar, text: n.GetToken().Value, at: positionOf(n), size: 1}, nil
	case nil:
		return &node{kind: null, size: 1}, nil
	}
	return nil, &positionError{positionOf(n), fmt.Sprintf("%s: a plan must not have tags, merge keys or other YAML of this kind", n.Type())}
}

func (c *converter) mapping(n ast.Node, values []*ast.MappingValueNode, depth int) (*node, error) {
	out := &node{kind: mapping, at: positionOf(n), size: 1}
	seen := map[string]bool{}
	for _, v := range values {
		key, ok := v.Key.(ast.ScalarNode)
		if !ok || v.Key.IsMergeKey() {
			return nil, &positionError{positionOf(v.Key), "a key must be plain text"}
		}
		name, at := key.GetToken().Value, positionOf(key)
		if seen[name] {
			return nil, &positionError{at, fmt.Sprintf("%q: duplicate key", name)}
		}
		seen[name] = true
		child, err := c.node(v.Value, depth+1)
		if err != nil {
			return nil, err
		}
		out.keys = append(out.keys, entry{name, at, child})
		out.size += child.size
	}
	return out, nil
}

func (c *converter) sequence(n *ast.SequenceNode, depth int) (*node, error) {
	out := &node{kind: sequence, at: positionOf(n), size: 1}
	for _, v := range n.Values {
		child, err := c.node(v, depth+1)
		if err != nil {
			return nil, err
		}
		out.items = append(out.items, child)
		out.size += child.size
	}
	return out, nil
}

// positionOf returns where a node starts. The position of a block map in the library is that of its
// first colon; this function returns that of its first key.
func positionOf(n ast.Node) pos {
	switch m := n.(type) {
	case nil:
		return pos{1, 1}
	case *ast.MappingNode:
		if !m.IsFlowStyle && len(m.Values) > 0 {
			return positionOf(m.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return positionOf(m.Key)
	}
	return tokenPos(n)
}

// tokenPos returns the position of the token of a node or an error, or the start of the file.
func tokenPos(n interface{ GetToken() *token.Token }) pos {
	tk := n.GetToken()
	if tk == nil || tk.Position == nil {
		return pos{1, 1}
	}
	return pos{max(1, tk.Position.Line), max(1, tk.Position.Column)}
}

// readJSON converts JSON to a node without positions and with sorted keys.
func readJSON(data []byte) (*node, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	return jsonNode(v), nil
}

func jsonNode(v any) *node {
	switch v := v.(type) {
	case nil:
		return &node{kind: null}
	case []any:
		n := &node{kind: sequence}
		for _, item := range v {
			n.items = append(n.items, jsonNode(item))
		}
		return n
	case map[string]any:
		n := &node{kind: mapping}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			n.keys = append(n.keys, entry{name: k, value: jsonNode(v[k])})
		}
		return n
	}
	return &node{kind: scalar, text: fmt.Sprint(v)}
}
