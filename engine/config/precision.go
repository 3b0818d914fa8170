package config

import (
	"bytes"
	"fmt"
	"regexp"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"sweetspot/engine/knob"
)

// HandlerPrecision returns the precision of
//
//	handler:
//	  precision: fp16
//
// in a model-config.yaml; known is false without that key. TorchServe does not read it: an archive
// that has it says that its handler does. name is for errors.
func HandlerPrecision(name string, data []byte) (p knob.Precision, known bool, err error) {
	node, err := precisionNode(name, data)
	if node == nil || err != nil {
		return 0, false, err
	}
	text, ok := optionText(node)
	if !ok {
		text = node.String()
	}
	if err := p.UnmarshalText([]byte(text)); err != nil || text == "" {
		return 0, false, fmt.Errorf("%s:%d: handler: precision: %.40q; want fp32 or fp16", name, line(node), text)
	}
	return p, true, nil
}

// precisionNode returns the value of handler.precision; nil if there is none.
func precisionNode(name string, data []byte) (ast.Node, error) {
	if len(data) > maxModelConfig {
		return nil, fmt.Errorf("%s: %d bytes, expected at most %d", name, len(data), maxModelConfig)
	}
	f, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, yamlError(name, err)
	}
	for _, doc := range f.Docs {
		if n := member(member(doc.Body, "handler"), "precision"); n != nil {
			return n, nil
		}
	}
	return nil, nil
}

// precisionValue finds the value in a line.
var precisionValue = regexp.MustCompile(`(\bprecision["']?\s*:\s*)(["']?)[A-Za-z0-9]+(["']?)`)

// SetHandlerPrecision returns the file with another handler.precision, which it must have. All
// else stays as it is.
func SetHandlerPrecision(name string, data []byte, p knob.Precision) ([]byte, error) {
	node, err := precisionNode(name, data)
	if err != nil {
		return nil, err
	}
	if node == nil {
		return nil, fmt.Errorf("%s: there is no precision of the handler", name)
	}
	n := line(node)
	lines := bytes.SplitAfter(data, []byte("\n"))
	if n < 1 || n > len(lines) {
		return nil, fmt.Errorf("%s:%d: no such line", name, n)
	}
	out := bytes.Clone(bytes.Join(lines[:n-1], nil))
	out = append(out, precisionValue.ReplaceAll(lines[n-1], []byte("${1}${2}"+p.String()+"${3}"))...)
	out = append(out, bytes.Join(lines[n:], nil)...)
	if now, known, err := HandlerPrecision(name, out); err != nil || !known || now != p {
		return nil, fmt.Errorf("%s:%d: handler: precision: write it as a line of its own, precision: %s", name, n, p)
	}
	return out, nil
}
