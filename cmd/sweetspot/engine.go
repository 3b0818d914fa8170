package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sweetspot/engine"
	"sweetspot/engine/api/control"
	"sweetspot/engine/backend/onnx"
	"sweetspot/engine/backend/onnx/ortlib"
	"sweetspot/engine/catalog"
	"sweetspot/engine/knob"
	"sweetspot/engine/logfile"
	"sweetspot/engine/monitor"
	"sweetspot/engine/server"
)

// childRequest is the largest body that a child accepts from its parent.
const childRequest = 1 << 30

// handshakeFD is the file descriptor to which a child writes its addresses.
const handshakeFD = 3

// engineCommand is the command of the child process. It is hidden, because only the
// workbench and --sweep start it.
func (a *app) engineCommand() *cobra.Command {
	var f settingsFlags
	b := bodyFlags{maxRequest: childRequest}
	var open modelFlags
	var options []string
	var gpus string
	c := &cobra.Command{
		Use: "engine MODEL", Short: "serve one model for the process that started this one",
		Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			cfg, err := f.config(c.Flags())
			if err != nil {
				return err
			}
			for _, o := range options {
				name, value, _ := strings.Cut(o, "=")
				if err := cfg.SetOption(name, value); err != nil {
					return fmt.Errorf("--option: %w", err)
				}
			}
			if gpus != "" {
				if err := json.Unmarshal([]byte(gpus), &a.gpus); err != nil {
					return fmt.Errorf("--gpus: %w", err)
				}
			}
			handshake := os.NewFile(handshakeFD, "handshake")
			if info, err := handshake.Stat(); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
				return errors.New("engine is started by sweetspot itself; to serve a model type: sweetspot serve MODEL")
			}
			log := a.logger()
			h := &host{}
			err = server.RunChild(c.Context(), a.in, handshake, server.Config{Version: version, Host: h.describe(args, a.limits()), MaxRequestSize: int64(b.maxRequest), Log: log},
				func(ctx context.Context) (*engine.Engine, error) {
					return a.load(ctx, h, []string{args[0]}, open, b, cfg, log)
				})
			if err != nil {
				fmt.Fprintln(a.err, err) // the parent reports the error of the handshake
				return exit{exitError}
			}
			return nil
		},
	}
	f.bind(c.Flags(), knob.TorchServe)
	b.bind(c.Flags())
	open.bind(c.Flags())
	open.bindInput(c.Flags())
	a.bindVerbose(c.Flags())
	a.bindPython(c.Flags())
	c.Flags().StringVar(&gpus, "gpus", "", "the GPUs that the parent has found, as JSON")
	c.Flags().StringArrayVar(&options, "option", nil, "NAME=VALUE: "+strings.Join(knob.OptionNames(), ", "))
	return c
}

// host describes a serving process. Its runtime and its GPUs are known once the library is loaded.
type host struct {
	runtime string
	gpus    onnx.GPUs
}

func (h *host) describe(models []string, l monitor.Container) control.Host {
	memory, _ := l.MemoryBytes.Get() // 0 is unknown
	return control.Host{
		Cores: l.Cores, MemoryMB: int(memory / 1e6),
		Runtime: func() string { return h.runtime },
		Fixed:   func() map[knob.Name]string { return fixed(models, h.gpus) },
	}
}

// load returns an engine that serves the models.
func (a *app) load(ctx context.Context, h *host, models []string, open modelFlags, b bodyFlags, c knob.Config, log *slog.Logger) (*engine.Engine, error) {
	e, backends, err := a.newEngine(ctx, h, models, log)
	if err != nil {
		return nil, err
	}
	if err := a.loadInto(ctx, e, backends, models, open, b, modelSettings{base: c, given: allKnobs()}, log); err != nil {
		return nil, errors.Join(err, e.Close(ctx))
	}
	return e, nil
}

// newEngine returns an engine for the models, before it loads them, and its backends.
func (a *app) newEngine(ctx context.Context, h *host, models []string, log *slog.Logger) (*engine.Engine, backends, error) {
	b, err := a.backends(ctx, models, log)
	if err != nil {
		if fault := modelFault(models); fault != nil { // no library would help
			err = fault
		}
		return nil, b, err
	}
	h.runtime, h.gpus = b.runtime, b.gpus
	l := a.limits()
	memory, _ := l.MemoryBytes.Get() // 0 is unknown
	return engine.New(engine.Options{
		Backends: b.all, Cores: l.Cores, MemoryBytes: int64(memory), Log: log,
	}), b, nil
}

// modelFault returns what is wrong with the first of the models that cannot be opened with ONNX Runtime either; nil if
// nothing is known to be.
func modelFault(models []string) error {
	for _, m := range models {
		if !catalog.NeedsONNX(m) {
			continue
		}
		if err := catalog.Check(m); err != nil {
			return err
		}
	}
	return nil
}

// loadInto opens the models and loads them into the engine.
func (a *app) loadInto(ctx context.Context, e *engine.Engine, use backends, models []string, open modelFlags, b bodyFlags, ms modelSettings, log *slog.Logger) error {
	o, err := open.options()
	if err != nil {
		return err
	}
	o.Handlers = withEnvelope(o.Handlers, ms.t.Envelope)
	o.BatchSize = ms.base.BatchSize
	o.Probe, o.Python, o.Unpack = use.probe, use.python, a.env.archiveCache()
	if o.Images, err = parseImage(b.image); err != nil {
		return err
	}
	var opened []*engine.Model
	for _, name := range models {
		m, err := catalog.Open(ctx, name, o)
		if err != nil {
			return err
		}
		opened = append(opened, m)
	}
	if err := b.setImages(opened, log); err != nil {
		return err
	}
	monitor.ResetPeak() // verifying a model can need more memory than serving it
	for _, m := range opened {
		if m.Backend == onnxName {
			m.Places, m.NoPlaces = use.gpus.Places(), use.gpus.NoPlaces()
		}
		if err := ms.load(ctx, e, m, log); err != nil {
			return err
		}
		for _, w := range m.Warnings {
			log.Warn(w, "model", m.Name)
		}
		b.saySize(m, log)
		if m.PadWhy != "" {
			log.Info("padding", "model", m.Name, "how", m.PadWhy)
		}
	}
	return nil
}

// batchText says whether batches can form, and why.
func batchText(m *engine.Model) string {
	if m.BatchAxis {
		return m.BatchWhy
	}
	return "size 1 only: " + m.BatchWhy
}

// bindVerbose binds --verbose.
func (a *app) bindVerbose(fs *pflag.FlagSet) {
	fs.BoolVar(&a.verbose, "verbose", false, "log more, such as ONNX Runtime's own error texts")
}

// logger is the log of a serving process.
func (a *app) logger() *slog.Logger {
	o := &slog.HandlerOptions{}
	if a.verbose {
		o.Level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(a.err, o))
}

// serveLog is the log of serve: that of logger and, if LOG_LOCATION names a folder, TorchServe's
// log files in it.
func (a *app) serveLog() (log *slog.Logger, end func(), err error) {
	log, dir := a.logger(), a.env.get("LOG_LOCATION")
	if dir == "" {
		return log, func() {}, nil
	}
	level := slog.LevelInfo
	if a.verbose {
		level = slog.LevelDebug
	}
	files, err := logfile.OpenServer(dir, level, log)
	if err != nil {
		return nil, nil, fmt.Errorf("LOG_LOCATION: %w", err)
	}
	end = func() {
		if err := files.Close(); err != nil {
			log.Warn("log files", "err", err)
		}
	}
	return slog.New(slog.NewMultiHandler(log.Handler(), files)), end, nil
}

// onnx loads ONNX Runtime.
func (a *app) onnx(log *slog.Logger) (*onnx.Backend, error) {
	lib, err := ortlib.Find(ortlib.FromEnv(a.env.get, a.env.cacheDir()))
	if err != nil {
		return nil, err
	}
	b, err := onnx.New(lib.Path, a.limits().Cores, log)
	if err != nil {
		return nil, err
	}
	b.UseGPUs(a.gpus)
	b.UseFreeMemory(a.freeGPUMemory)
	return b, nil
}

// logFile returns the file for the stderr of a child and its path; nil if it cannot be created.
func (a *app) logFile() (io.WriteCloser, string) {
	path := a.env.stateFile("engine.log")
	if path == "" {
		return nil, ""
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, ""
	}
	return f, path
}
