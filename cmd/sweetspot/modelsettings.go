package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/backend/python"
	"sweetspot/engine/backend/simulated"
	"sweetspot/engine/config"
	"sweetspot/engine/gpu"
	"sweetspot/engine/knob"
)

// modelSettings are the settings of served models: those of the command line, then those of the
// model-config.yaml of an archive, then those of a config.properties.
type modelSettings struct {
	base  knob.Config
	given []knob.Name // of the command line
	cores int
	onGPU bool // a model for which no device is given runs on a GPU if it can

	file     *config.File // nil without --ts-config
	t        config.TorchServe
	snapshot []config.Snapshot
}

// of returns the settings of a model, and what decided about them. source is the model's file.
func (s modelSettings) of(m *engine.Model, source string) (knob.Config, config.Effect, error) {
	name, text, err := modelConfig(source)
	if err != nil {
		return s.base, config.Effect{}, err
	}
	archive := config.Archive{Name: m.Name, Version: m.Version, Config: text, ConfigName: name}
	file := s.file
	if file == nil {
		file = &config.File{}
	}
	e := file.EffectOf(s.t, m.Name, archive)
	if i := slices.IndexFunc(s.snapshot, func(v config.Snapshot) bool { return v.Name == m.Name && v.Version == m.Version }); i >= 0 {
		e.Restore(s.snapshot[i].Model)
	}
	return s.config(m, e, text), e, nil
}

// config returns the settings of e. A default of TorchServe does not count, save that of the
// workers if there is a config.properties.
func (s modelSettings) config(m *engine.Model, e config.Effect, text []byte) knob.Config {
	c := s.base
	set := func(name knob.Name, key string, apply func(int)) {
		if n, ok := e.Set(key); ok && !slices.Contains(s.given, name) {
			apply(n)
		}
	}
	set(knob.Workers, "minWorkers", func(n int) { c.Workers = n })
	set(knob.QueueSize, "jobQueueSize", func(n int) { c.QueueSize = n })
	if m.BatchAxis {
		set(knob.BatchSize, "batchSize", func(n int) { c.BatchSize = n })
	}
	set(knob.BatchDelay, "maxBatchDelay", func(n int) { c.BatchDelay = time.Duration(n) * time.Millisecond })
	if _, ok := e.Number("minWorkers"); !ok && s.file != nil && !slices.Contains(s.given, knob.Workers) {
		c.Workers = max(1, s.cores) // TorchServe's rule on a machine without a GPU
	}
	if s.t.CPULauncher && !slices.Contains(s.given, knob.Threads) {
		c.Threads = cmp.Or(s.t.LauncherCores, max(1, s.cores/max(1, c.Workers))) // the launcher's rule
	}
	if p, known, err := config.HandlerPrecision("", text); err == nil && known && m.Backend == python.Name && !slices.Contains(s.given, knob.FP16) {
		c.Precision = p
	}
	if !slices.Contains(s.given, knob.Device) {
		c.Device = s.device(c.Settings, m, text)
	}
	return c
}

// startWorkers returns the number of workers with which each of the models starts, unless it is given.
func (s modelSettings) startWorkers(devices []gpu.Device, models int) int {
	if slices.Contains(s.given, knob.Workers) {
		return s.base.Workers
	}
	return startWorkers(s.base, devices, models)
}

// device returns the device of a model for which none is given: the file's deviceType, the CPU if number_of_gpu is 0, else a GPU if
// the model can run there in its precision.
func (s modelSettings) device(c knob.Settings, m *engine.Model, text []byte) string {
	if s.t.NumberOfGPU != nil && *s.t.NumberOfGPU == 0 {
		return "cpu"
	}
	read, _, err := config.ParseModelConfig("", text)
	if err == nil && read.DeviceType == "cpu" {
		return "cpu"
	}
	switch {
	case m.Backend == simulated.Name:
		return "cpu"
	case !s.onGPU || m.Places == nil: // where it can run is not known
		return c.Device
	}
	c.Device, c.Workers = "gpu", 1
	if (knob.Limits{Places: m.Places}).CheckPlace(c) != nil {
		return "cpu"
	}
	return "gpu"
}

// runTime returns the longest run of a batch. TorchServe's default is only that of a server with
// a configuration.
func (s modelSettings) runTime(e config.Effect) time.Duration {
	n, ok := e.Set("responseTimeout")
	if !ok && s.file != nil {
		n, _ = e.Number("responseTimeout")
	}
	return time.Duration(n) * time.Second
}

// load loads a model with its settings.
func (s modelSettings) load(ctx context.Context, e *engine.Engine, m *engine.Model, log *slog.Logger) error {
	c, effect, err := s.of(m, m.Source)
	if err != nil {
		return err
	}
	if m.RunTime == 0 {
		m.RunTime = s.runTime(effect)
	}
	if m.RunTime == 0 && m.Backend == python.Name {
		m.RunTime = python.DefaultRunTime
	}
	if n, ok := effect.Set("batchSize"); ok && n > 1 && !m.BatchAxis {
		log.Warn("batchSize has no effect: the model has no batch axis", "model", m.Name, "batchSize", n, "why", m.BatchWhy)
	}
	if n, ok := effect.Set("startupTimeout"); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, time.Duration(n)*time.Second, fmt.Errorf("%s: not started within startupTimeout, %d s", m.Name, n))
		defer cancel()
	}
	if err := e.Load(ctx, m, c); err != nil {
		return err
	}
	if most, ok := effect.Set("maxWorkers"); ok && most > c.Workers && !slices.Contains(s.given, knob.Workers) {
		if err := allowWorkers(ctx, e, m, c.Workers, most); err != nil {
			return err
		}
	}
	log.Info("serving", "model", m.Name, "batch", batchText(m))
	if s.onGPU && c.Device != "cpu" {
		log.Info("on a GPU, because one is usable; --device cpu uses the CPU", "model", m.Name)
	}
	if c != s.base {
		log.Info("settings", "model", m.Name, "version", m.Version, "are", c.Settings.String())
	}
	return nil
}

// allowWorkers sets the most workers of a model that runs fewer of them.
func allowWorkers(ctx context.Context, e *engine.Engine, m *engine.Model, running, most int) error {
	service, err := e.Find(m.Name, m.Version)
	if err != nil {
		return err
	}
	return service.Scale(ctx, running, most, nil)
}

// allKnobs are the knobs of a child: its parent sets all of them.
func allKnobs() []knob.Name {
	var out []knob.Name
	for _, k := range knob.All() {
		out = append(out, k.Name)
	}
	return out
}
