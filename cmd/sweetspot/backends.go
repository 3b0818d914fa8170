package main

import (
	"context"
	"log/slog"
	"os/exec"
	"runtime"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sweetspot/engine"
	"sweetspot/engine/backend/onnx"
	"sweetspot/engine/backend/onnx/ortlib"
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
	b.all[onnxName], b.probe, b.runtime, b.gpus = ort, onnx.Isolated{Backend: ort, Command: a.modelProbe}, ort.Runtime(), ort.GPUs()
	return b, nil
}

// modelProbe is the command of a process that tries a model, which may end it.
func (a *app) modelProbe(ctx context.Context) *exec.Cmd {
	path := a.self
	if runtime.GOOS == "linux" {
		path = "/proc/self/exe" // this program, also if its file has been replaced since
	}
	c := exec.CommandContext(ctx, path, probeModelCommand)
	c.Args[0] = a.self
	c.Env = append(a.env.all[:len(a.env.all):len(a.env.all)], "GOTRACEBACK=single")
	return c
}

const probeModelCommand = "probe-model"

// probeModel is the command of such a process.
func (a *app) probeModel() *cobra.Command {
	return &cobra.Command{
		Use: probeModelCommand, Short: "try whether a model runs", Hidden: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			lib, err := ortlib.Find(ortlib.FromEnv(a.env.get, a.env.cacheDir()))
			if err != nil {
				return err
			}
			b, err := onnx.New(lib.Path, a.limits().Cores, slog.New(slog.DiscardHandler))
			if err != nil {
				return err
			}
			return b.ServeProbe(c.Context(), a.in, a.out)
		},
	}
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
