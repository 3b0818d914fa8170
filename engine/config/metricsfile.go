package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// FileMetric is a metric of a metrics.yaml.
type FileMetric struct {
	Name       string
	Kind       string // counter, gauge, histogram
	Unit       string
	Dimensions []string
	Model      bool // of model_metrics; TorchServe appends Hostname to its dimensions
	Line       int
}

// maxMetricsFile is more than any metrics.yaml has.
const maxMetricsFile = 1 << 20

// dimensionName is what Prometheus accepts as the name of a label.
var dimensionName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// ParseMetrics reads a metrics.yaml: which of the metrics there are, and the names of their
// dimensions. Aliases may only stand for texts, so that a small file stays small.
func ParseMetrics(name string, data []byte) ([]FileMetric, error) {
	r := metricsReader{name: name, texts: map[string]string{}}
	if len(data) > maxMetricsFile {
		return nil, fmt.Errorf("%s has %d bytes; a metrics.yaml has at most %d", name, len(data), maxMetricsFile)
	}
	f, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %s", name, yamlMessage(err))
	}
	for _, d := range f.Docs {
		if d.Body != nil {
			r.file(d.Body)
		}
	}
	if len(r.errs) == 0 && len(r.out) == 0 {
		r.errs = append(r.errs, fmt.Errorf("%s has no metrics: want ts_metrics and model_metrics, with counter, gauge and histogram", name))
	}
	return r.out, errors.Join(r.errs...)
}

// yamlMessage returns an error of the YAML library with its position and without its excerpt.
func yamlMessage(err error) string {
	if e, ok := errors.AsType[yaml.Error](err); ok && e.GetToken() != nil && e.GetToken().Position != nil {
		return fmt.Sprintf("line %d: %s", e.GetToken().Position.Line, e.GetMessage())
	}
	return err.Error()
}

// metricsReader reads a metrics.yaml.
type metricsReader struct {
	name  string
	texts map[string]string // by anchor
	out   []FileMetric
	errs  []error
}

func (r *metricsReader) fail(n ast.Node, format string, args ...any) {
	r.errs = append(r.errs, fmt.Errorf("%s:%d: %s", r.name, lineOf(n), fmt.Sprintf(format, args...)))
}

func lineOf(n ast.Node) int {
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return 0
	}
	return n.GetToken().Position.Line
}

// file reads the keys of the file.
func (r *metricsReader) file(n ast.Node) {
	for _, p := range r.pairs(n, "the file") {
		switch key := keyText(p); key {
		case "dimensions":
			for _, v := range r.list(p.Value, key) {
				r.text(v)
			}
		case "ts_metrics", "model_metrics":
			for _, kind := range r.pairs(p.Value, key) {
				r.kind(kind, key == "model_metrics")
			}
		default:
			r.fail(p, "%q: want dimensions, ts_metrics or model_metrics", key)
		}
	}
}

// kind reads the metrics of one kind.
func (r *metricsReader) kind(p *ast.MappingValueNode, model bool) {
	kind := keyText(p)
	if !slices.Contains([]string{"counter", "gauge", "histogram"}, kind) {
		r.fail(p, "%q: want counter, gauge or histogram", kind)
		return
	}
	for _, n := range r.list(p.Value, kind) {
		m := FileMetric{Kind: kind, Model: model, Line: lineOf(n)}
		for _, field := range r.pairs(n, "a metric") {
			switch key := keyText(field); key {
			case "name":
				m.Name = r.text(field.Value)
			case "unit":
				m.Unit = r.text(field.Value)
			case "dimensions":
				for _, d := range r.list(field.Value, key) {
					m.Dimensions = append(m.Dimensions, r.text(d))
				}
			default:
				r.fail(field, "%q: a metric has name, unit and dimensions", key)
			}
		}
		r.add(n, m)
	}
}

// add keeps a metric that is complete.
func (r *metricsReader) add(n ast.Node, m FileMetric) {
	seen := map[string]bool{}
	for _, d := range m.Dimensions {
		if !dimensionName.MatchString(d) || strings.HasPrefix(d, "__") || seen[d] {
			r.fail(n, "dimension %q of %q: want letters, digits and _, no __ at the begin, and each name once", d, m.Name)
			return
		}
		seen[d] = true
	}
	switch {
	case m.Name == "" || m.Unit == "":
		r.fail(n, "a metric needs a name and a unit")
	case slices.ContainsFunc(r.out, func(o FileMetric) bool { return o.Name == m.Name }):
		r.fail(n, "%s is there twice", m.Name)
	default:
		r.out = append(r.out, m)
	}
}

// pairs returns the pairs of a mapping.
func (r *metricsReader) pairs(n ast.Node, what string) []*ast.MappingValueNode {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}
	case *ast.NullNode, nil:
		return nil
	default:
		r.fail(n, "%s: want a mapping of keys and values", what)
		return nil
	}
}

func (r *metricsReader) list(n ast.Node, what string) []ast.Node {
	switch n := n.(type) {
	case *ast.SequenceNode:
		return n.Values
	case *ast.NullNode, nil:
		return nil
	default:
		r.fail(n, "%s: want a list", what)
		return nil
	}
}

// text reads a text, or an alias of one.
func (r *metricsReader) text(n ast.Node) string {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.AnchorNode:
		text := r.text(n.Value)
		r.texts[n.Name.GetToken().Value] = text
		return text
	case *ast.AliasNode:
		text, ok := r.texts[n.Value.GetToken().Value]
		if !ok {
			r.fail(n, "*%s: no text has this anchor before it", n.Value.GetToken().Value)
		}
		return text
	default:
		r.fail(n, "want a text")
		return ""
	}
}
