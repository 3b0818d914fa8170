// Package catalog opens the argument MODEL of the user as an [engine.Model].
//
// MODEL is an .onnx file, a folder or a TorchServe archive with one, an archive with a handler in
// Python, builtin:NAME, or sim:NAME, which is a service-time table (see [OpenSimulated]). For an ONNX model, [Open] reads the inputs and
// outputs from the graph, sets the open dimensions for which it has shapes, and finds the
// batch axis. The graph may be wrong about that axis, so Open verifies it: it runs items
// alone and together in a backend and compares the outputs. The items are those of example
// requests, or made up. That shows only how the model treats such values: a model may still
// mix the items of a batch for others. Values of side inputs that are not verified here are
// left to package runs. The other open dimensions stay open; Open finds sizes
// that run, and verifies padding by running padded items and each alone.
//
// Only what is certain refuses a model: the error says the cause and what usually helps. What
// is guessed, such as the range of made-up values, never does: a model that runs none of them
// is served one item at a time, with a warning.
//
// Open keeps nothing: a Model has the path of its file or its bytes, and a backend opens it
// again.
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
	"sweetspot/engine/archive"
	"sweetspot/engine/backend/python"
	"sweetspot/engine/handler"
	"sweetspot/engine/lengths"
)

// Options say how to open a model. The zero value reads the graph only.
type Options struct {
	// Shapes has the dimensions of inputs, by input name: all dimensions of one item
	// or only the open ones, without the batch axis. A size other than 1 for the batch
	// axis too says that it is none. With a Probe, the dimension stays open if other sizes
	// run too and nothing else needs it: it is then the size of made requests.
	Shapes map[string][]int64
	// Values has constants for inputs, by input name, as the text of [ParseValue]. Such
	// an input is no part of a request.
	Values map[string]string
	// NoBatch says that no axis is a batch, whatever the graph looks like.
	NoBatch bool
	// Bodies are example requests. They verify the model instead of made-up values.
	// Images says how those of them that are images become inputs.
	Bodies []Body
	Images handler.ImageOptions
	// BatchSize is that of the settings with which the model will be loaded: batches of it are
	// verified. 0 is unknown, and 8 are.
	BatchSize int
	// Handlers say which of TorchServe's handlers models have, by the name of the model; "" is for all
	// that are not named.
	Handlers map[string]HandlerChoice
	// Lengths has the sizes that made requests have in open dimensions, by input name. These
	// dimensions stay open. Those without an entry get a default, see
	// [engine.Model.LoadLengths].
	Lengths map[string]lengths.Shape
	// Pad has the values with which inputs are padded, by input name; Buckets the lengths to
	// which they are padded. Inputs that share a dimension with one of them and have no value
	// get 0.
	Pad     map[string]float64
	Buckets []int64
	// Unpack is where archives are unpacked. Release of it with [engine.Model.Path] says that a
	// model is not used any more.
	Unpack *archive.Cache
	// Python is the backend for archives whose handler is in Python. With it, Open reports at once if
	// there is no interpreter for them.
	Python *python.Backend
	// Probe runs the model to verify that it runs and has the batch axis. Without it,
	// Open relies on the graph, and BatchWhy says so.
	Probe engine.Prober
}

// Body is an example request.
type Body struct {
	Name string // of its file, for messages; "" if it has none
	Type string // media type; "" is unknown
	Data []byte
}

// kind is a kind of MODEL. A new kind needs a file with its two functions and a line in
// kinds.
type kind struct {
	syntax  string // for people; "" is not shown
	matches func(request) bool
	open    func(context.Context, request, Options) (*engine.Model, error)
}

// kinds returns the kinds of MODEL. The first one that matches opens it, so kinds that match
// by name come before kinds that check the file.
func kinds() []kind {
	return []kind{
		{"sim:NAME", isSimulated, openSimulated},
		{"builtin:NAME", isBuiltin, openBuiltin},
		{"a TorchServe archive (.mar) with one or with a handler in Python", isArchive, openArchive},
		{"a folder with one .onnx file", isFolder, openFolder},
		{"an .onnx file", isFile, openFile},
	}
}

// request is the parsed argument of the user.
type request struct {
	name  string // name for the model; "" means the default of the kind
	model string // MODEL without NAME=
	found fs.FileInfo
	err   error // of the search for model as a path
}

// modelName returns the name of the model, or else the given default as a legal name.
func (r request) modelName(defaultName string) string {
	if r.name != "" {
		return r.name
	}
	return legalName(defaultName)
}

// Open opens the argument MODEL or NAME=MODEL. Without NAME the model has the name of its
// file, folder or built-in model; characters other than letters, digits, "_", "." and "-"
// become "_".
func Open(ctx context.Context, arg string, o Options) (*engine.Model, error) {
	name, model, err := splitName(arg)
	if err != nil {
		return nil, err
	}
	r := request{name: name, model: model}
	r.found, r.err = os.Stat(model)
	for _, k := range kinds() {
		if k.matches(r) {
			return k.open(ctx, r, o)
		}
	}
	return nil, r.unknownError()
}

// unknownError returns why no kind matches r.
func (r request) unknownError() error {
	switch {
	case r.model == "":
		return fmt.Errorf("no model is named; %s", syntaxHint())
	case errors.Is(r.err, os.ErrNotExist) && r.linksTo() != "":
		return fmt.Errorf("%s is a link to %s, which does not exist", r.model, r.linksTo())
	case errors.Is(r.err, os.ErrNotExist):
		return fmt.Errorf("%s: no such file or folder%s; %s", r.model, builtinHint(r.model), syntaxHint())
	case r.err != nil:
		return r.err
	}
	return fmt.Errorf("%s is not an .onnx file; %s", r.model, syntaxHint())
}

// linksTo returns where the path of the model links to; "" if it is no link.
func (r request) linksTo() string {
	to, err := os.Readlink(r.model)
	if err != nil {
		return ""
	}
	return to
}

// syntaxHint describes the kinds of MODEL, the most common first.
func syntaxHint() string {
	var all []string
	for _, k := range slices.Backward(kinds()) {
		if k.syntax != "" {
			all = append(all, k.syntax)
		}
	}
	last := len(all) - 1
	return "give " + strings.Join(all[:last], ", ") + " or " + all[last]
}
