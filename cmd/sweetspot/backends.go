package main

import (
	"context"
	"log/slog"
	"slices"

	"github.com/spf13/pflag"

	"sweetspot/engine"
	"sweetspot/engine/backend/onnx"
	"sweetspot/engine/backend/python"
	"sweetspot/engine/backend/simulated"
	"sweetspot/engine/catalog"
)

// onnxName is the name of the backend of ONNX models.
const onnxName = "onnx"

// backends are the backends of an engine.
type backends struct {
	all     map[string]engine.Backend
	probe   engine.Prober // verifies models; nil if none is to be verified
	python  *python.Backend
	runtime string // its name, for machine lines
	gpus    onnx.GPUs
}

// backends returns the backends for the models. ONNX Runtime is only loaded if a model needs it, and
// Python is only looked for then.
func (a *app) backends(ctx context.Context, models []string, log *slog.Logger) (backends, error) {
	sim := new(simulated.Backend)
	py := python.New(python.Options{Where: a.wherePython(), Cores: a.limits().Cores, Devices: a.gpus.Devices, Log: log})
	b := backends{all: map[string]engine.Backend{simulated.Name: sim, python.Name: py}, python: py, runtime: sim.Runtime()}
	switch {
	case simulatedOnly(models):
		return b, nil
	case !slices.ContainsFunc(models, catalog.NeedsONNX):
		in, err := py.Installation(ctx)
		b.runtime = in.String()
		return b, err
	}
	ort, err := a.onnx(log)
	if err != nil {
		return b, err
	}
	b.all[onnxName], b.probe, b.runtime, b.gpus = ort, ort, ort.Runtime(), ort.GPUs()
	return b, nil
}

// bindPython binds --python.
func (a *app) bindPython(fs *pflag.FlagSet) {
	fs.StringVar(&a.python, "python", "", "Python interpreter with torch and torchserve, for archives whose handler is in Python (default: SWEETSPOT_PYTHON, then that of make torchserve, then PATH)")
}

// wherePython says where to look for Python.
func (a *app) wherePython() python.Where {
	w := python.Where{Python: a.python, By: "--python", Cache: a.env.cacheDir(), Env: a.env.all}
	if w.Python == "" {
		w.Python, w.By = a.env.get("SWEETSPOT_PYTHON"), "SWEETSPOT_PYTHON"
	}
	return w
}
