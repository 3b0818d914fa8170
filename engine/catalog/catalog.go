// Package catalog turns what a person names, MODEL, into an [engine.Model].
//
// [Open] asks the kinds of MODEL there are, a table, which of them takes the name:
// an .onnx file, a folder that holds one, builtin:NAME, or sim:NAME, which is a
// service-time table (see [OpenSimulated]). Of an ONNX model it reads from the
// graph what goes in and out, closes the open dimensions with the shapes it is
// given, and finds the batch axis. What the graph says about that axis is a claim;
// Open verifies it by running one and two items through a backend and comparing. A
// model that cannot be served is refused in one sentence that says why.
//
// Nothing is kept: a Model names its file or holds its bytes, and a backend
// opens it again.
package catalog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"sweetspot/engine"
)

// Options say how to open a model. The zero value reads the graph only.
type Options struct {
	// Shapes gives the open dimensions of inputs, by input name: all dimensions
	// of one item, or only the open ones. The batch axis is not among them.
	Shapes map[string][]int64
	// Probe runs the model to verify its batch axis and that it runs at all.
	// Without it the graph is believed, and BatchWhy says so.
	Probe engine.Backend
}

// kind is a kind of MODEL. Another one is a file with its two functions, and a
// line in kinds.
type kind struct {
	written string // how such a MODEL is written, for people; "" is not offered
	takes   func(request) bool
	open    func(context.Context, request, Options) (*engine.Model, error)
}

// kinds lists the kinds of MODEL. The first that takes a name opens it, so that
// those that only look at the name come before those that look at what is there.
func kinds() []kind {
	return []kind{
		{"sim:NAME", isSimulated, openSimulated},
		{"builtin:NAME", isBuiltin, openBuiltin},
		{"", isArchive, refuseArchive},
		{"a folder with one .onnx file", isFolder, openFolder},
		{"an .onnx file", isFile, openFile},
	}
}

// request is what a person named.
type request struct {
	name  string // what the model is to be called; "" leaves it to the kind
	model string // MODEL without NAME=
	found fs.FileInfo
	err   error // why nothing is found at model
}

// called is the name of the model, which is clean unless none was given.
func (r request) called(otherwise string) string {
	if r.name != "" {
		return r.name
	}
	return cleanName(otherwise)
}

// Open opens what arg names: MODEL or NAME=MODEL. Without NAME the model is
// called as its file, folder or builtin is, with other characters than letters,
// digits, "_", "." and "-" replaced by "_".
func Open(ctx context.Context, arg string, o Options) (*engine.Model, error) {
	name, model, err := splitName(arg)
	if err != nil {
		return nil, err
	}
	r := request{name: name, model: model}
	r.found, r.err = os.Stat(model)
	for _, k := range kinds() {
		if k.takes(r) {
			return k.open(ctx, r, o)
		}
	}
	return nil, r.refuse()
}

// refuse says why no kind takes r.
func (r request) refuse() error {
	switch {
	case r.model == "":
		return fmt.Errorf("no model is named; %s", instead())
	case errors.Is(r.err, os.ErrNotExist):
		return fmt.Errorf("%s: no such file or folder%s; %s", r.model, builtinHint(r.model), instead())
	case r.err != nil:
		return r.err
	}
	return fmt.Errorf("%s is no .onnx file; %s", r.model, instead())
}

// instead says how a MODEL may be written, beginning with what people have.
func instead() string {
	var all []string
	for _, k := range slices.Backward(kinds()) {
		if k.written != "" {
			all = append(all, k.written)
		}
	}
	last := len(all) - 1
	return "give " + strings.Join(all[:last], ", ") + " or " + all[last]
}
