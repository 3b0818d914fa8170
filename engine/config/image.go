package config

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// ImageOption is one option of handler.image in a model-config.yaml.
type ImageOption struct {
	Name, Value string // the numbers of a list are joined by ":"
	Line        int
}

// maxModelConfig is the largest model-config.yaml that is read: it is a page of text.
const maxModelConfig = 64 << 10

// ImageOptions returns the options of
//
//	handler:
//	  image:
//	    normalize: imagenet
//	    order: rgb
//
// in a model-config.yaml, in their order. TorchServe passes the map handler to its handler
// and does not read it itself. All other keys are ignored. name is for errors.
func ImageOptions(name string, data []byte) ([]ImageOption, error) {
	if len(data) > maxModelConfig {
		return nil, fmt.Errorf("%s: %d bytes, expected at most %d", name, len(data), maxModelConfig)
	}
	f, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var out []ImageOption
	for _, doc := range f.Docs {
		image := member(member(doc.Body, "handler"), "image")
		if image == nil {
			continue
		}
		values := mapping(image)
		if values == nil {
			return nil, fmt.Errorf("%s:%d: handler: image: want a map, such as normalize: imagenet", name, line(image))
		}
		for _, v := range values {
			text, ok := optionText(v.Value)
			if !ok {
				return nil, fmt.Errorf("%s:%d: handler: image: %s: want a word, a number or a list of numbers", name, line(v.Key), keyText(v))
			}
			out = append(out, ImageOption{Name: keyText(v), Value: text, Line: line(v.Key)})
		}
	}
	return out, nil
}

// member returns the value of a key of a map; nil if n is no map or does not have the key.
func member(n ast.Node, key string) ast.Node {
	for _, v := range mapping(n) {
		if keyText(v) == key {
			return v.Value
		}
	}
	return nil
}

// mapping returns the members of a map; nil if n is no map.
func mapping(n ast.Node) []*ast.MappingValueNode {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values
	case *ast.MappingValueNode: // a map of one member
		return []*ast.MappingValueNode{n}
	}
	return nil
}

// keyText returns a key without quotes.
func keyText(v *ast.MappingValueNode) string { return v.Key.GetToken().Value }

// optionText returns a scalar, or a list of scalars joined by ":".
func optionText(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.SequenceNode:
		var parts []string
		for _, v := range n.Values {
			text, ok := optionText(v)
			if _, list := v.(*ast.SequenceNode); !ok || list {
				return "", false
			}
			parts = append(parts, text)
		}
		return strings.Join(parts, ":"), len(parts) > 0
	case *ast.StringNode:
		return n.Value, true
	case *ast.IntegerNode, *ast.FloatNode:
		return n.GetToken().Value, true
	}
	return "", false
}

func line(n ast.Node) int { return n.GetToken().Position.Line }
