package catalog

import (
	"context"
	"fmt"
	"os"

	"sweetspot/engine"
	"sweetspot/engine/archive"
	"sweetspot/engine/backend/python"
	"sweetspot/engine/config"
	"sweetspot/engine/handler"
	"sweetspot/engine/knob"
	"sweetspot/engine/payload"
)

// openPython opens an archive whose handler is in Python. The model takes and returns bytes; what
// they are, only the handler knows. a is unpacked to dir.
func (r request) openPython(ctx context.Context, a *archive.Archive, dir string, o Options) (*engine.Model, error) {
	gpus := 0
	if o.Python != nil {
		in, err := o.Python.Installation(ctx)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.model, err)
		}
		gpus = in.GPUs
	}
	manifest := a.Manifest.Model
	name := manifest.Name
	if name == "" {
		name = stem(r.model)
	}
	m := &engine.Model{
		Name: r.modelName(name), Version: manifest.Version, Source: r.model, Backend: python.Name, Path: dir,
		ArchiveHandler: manifest.Handler, Handler: &handler.Parts{}, Size: a.Size(),
	}
	var err error
	if m.SHA256, err = a.Sum(); err != nil {
		return nil, fmt.Errorf("%s: %w", r.model, err)
	}
	m.BatchAxis, m.BatchWhy = takesBatches(manifest.Handler, o)
	if m.Places, m.NoPlaces, err = pythonPlaces(a, gpus); err != nil {
		return nil, fmt.Errorf("%s: %w", r.model, err)
	}
	if m.Samples, err = messages(o.Bodies); err != nil {
		return nil, err
	}
	m.Unsampled = len(m.Samples) == 0
	if f := manifest.Requirements; f != "" {
		m.Warnings = append(m.Warnings, fmt.Sprintf("the packages of %s are not installed: the interpreter must have them", f))
	}
	return m, nil
}

// takesBatches says whether a handler takes several requests at a time. All do, but one of
// TorchServe's own.
func takesBatches(name string, o Options) (bool, string) {
	switch {
	case o.NoBatch:
		return false, "as --no-batch says"
	case name == "text_classifier":
		return false, "the handler text_classifier answers only the first request of a batch"
	}
	return true, "the handler gets the requests of a batch as a list"
}

// noHandlerPrecision is why a handler does not run in FP16.
const noHandlerPrecision = "its archive does not say that the handler knows FP16 (handler: precision: in model-config.yaml)"

// pythonPlaces returns where a handler can run, and why it cannot run elsewhere. It runs in FP16 only if its archive says that it
// knows how.
func pythonPlaces(a *archive.Archive, gpus int) ([]knob.Place, []knob.NoPlace, error) {
	_, known, err := config.HandlerPrecision(a.Manifest.Model.Config, a.Config)
	if err != nil {
		return nil, nil, err
	}
	devices := []string{"cpu"}
	if gpus > 0 {
		devices = append(devices, "gpu")
	}
	var out []knob.Place
	var none []knob.NoPlace
	for _, d := range devices {
		out = append(out, knob.Place{Device: d, Precision: knob.FullPrecision})
		if known {
			out = append(out, knob.Place{Device: d, Precision: knob.HalfPrecision})
		} else {
			none = append(none, knob.NoPlace{Device: d, Precision: knob.HalfPrecision, Why: noHandlerPrecision})
		}
	}
	if gpus == 0 {
		for _, p := range []knob.Precision{knob.FullPrecision, knob.HalfPrecision} {
			none = append(none, knob.NoPlace{Device: "gpu", Precision: p, Why: "torch sees no GPU on this machine"})
		}
	}
	return out, none, nil
}

// mostMessages is the number of example requests that are kept.
const mostMessages = 64

// messages returns rows with example requests.
func messages(bodies []Body) ([]payload.Row, error) {
	var rows []payload.Row
	for _, b := range bodies[:min(len(bodies), mostMessages)] {
		var r payload.Request
		if err := (&handler.Parts{}).Decode(&r, payload.Body{Type: b.Type, Data: b.Data}); err != nil {
			return nil, fmt.Errorf("%s of --input: %w", b.Name, err)
		}
		rows = append(rows, payload.Row{Message: &payload.Message{Parts: r.Parts, Header: []payload.Field{{Name: "explain", Value: "False"}}}})
	}
	return rows, nil
}

// NeedsONNX reports whether the argument MODEL needs ONNX Runtime. One that cannot be read does:
// Open says what is wrong with it.
func NeedsONNX(arg string) bool {
	_, model, err := splitName(arg)
	if err != nil {
		return true
	}
	r := request{model: model}
	r.found, r.err = os.Stat(model)
	switch {
	case isSimulated(r):
		return false
	case r.err != nil || !isArchive(r):
		return true
	}
	a, err := archive.Open(model, archive.Limits{})
	return err != nil || !a.HasPython()
}
