package catalog

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"sweetspot/engine"
	"sweetspot/engine/knob"
	"sweetspot/engine/lengths"
	"sweetspot/engine/onnxgraph/builtin"
)

func isBuiltin(r request) bool {
	before, _, _ := strings.Cut(r.model, ":")
	return before == "builtin"
}

func openBuiltin(ctx context.Context, r request, o Options) (*engine.Model, error) {
	_, name, _ := strings.Cut(r.model, ":")
	for _, m := range builtin.Models() {
		if m.Name != name {
			continue
		}
		data, err := m.Build()
		if err != nil {
			return nil, err
		}
		return source{name: name, bytes: data, lengths: defaultLengths(m.Shapes)}.open(ctx, r, o)
	}
	names := builtinNames()
	hint := knob.Suggest(name, names)
	if !strings.Contains(hint, "known: ") {
		hint += " Known: " + strings.Join(names, ", ")
	}
	return nil, fmt.Errorf("builtin:%s: there is no such model%s", name, hint)
}

// defaultLengths converts the default sizes of a built-in model.
func defaultLengths(shapes map[string][]int64) map[string]lengths.Shape {
	out := map[string]lengths.Shape{}
	for name, sizes := range shapes {
		for _, n := range sizes {
			out[name] = append(out[name], lengths.Size(n))
		}
	}
	return out
}

// builtinHint suggests the prefix "builtin:" if it is missing.
func builtinHint(model string) string {
	if slices.Contains(builtinNames(), model) {
		return "; did you mean builtin:" + model + "?"
	}
	return ""
}

func builtinNames() []string {
	var names []string
	for _, m := range builtin.Models() {
		names = append(names, m.Name)
	}
	return names
}
