package main

import (
	"log/slog"
	"slices"
	"time"

	"sweetspot/engine"
	"sweetspot/engine/backend/onnx"
	"sweetspot/engine/backend/simulated"
	"sweetspot/engine/catalog"
	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/plan"
	"sweetspot/sweep/target/virtual"
)

// virtualTrial is the limit of the virtual time of a trial that ends when it is certain. It
// takes almost no real time, and slow models need it.
const virtualTrial = 24 * time.Hour

// openVirtual opens the simulated device of a sim: model.
func openVirtual(p plan.Plan) (sweep.Target, error) {
	m, table, err := catalog.OpenSimulated(p.Model)
	if err != nil {
		return nil, withHint("try: sweetspot sim:animated-drawings --target virtual --sweep", "target virtual: %w", err)
	}
	c := virtual.Config{Name: m.Name, Source: m.Source, SHA256: m.SHA256, Table: table, Start: possibleStart(m.Places, startConfig(p))}
	if p.Trial.Duration == 0 && p.Trial.Requests == 0 {
		c.MinTimeLimit = virtualTrial
	}
	t, err := virtual.Open(c)
	if err != nil {
		return nil, err // not t: an interface with a nil *Target is not nil
	}
	return t, nil
}

// possibleStart changes the device and precision of start settings to possible ones, if necessary.
func possibleStart(places []knob.Place, c knob.Config) knob.Config {
	if l := (knob.Limits{Places: places}); l.CheckPlace(c.Settings) != nil {
		c.Device, c.Precision = places[0].Device, places[0].Precision
	}
	return c
}

// simulatedOnly reports whether all models are simulated, so that ONNX Runtime is not needed.
func simulatedOnly(models []string) bool {
	return !slices.ContainsFunc(models, func(m string) bool { return !catalog.IsSimulated(m) })
}

// fixed returns the knobs that cannot be changed for the models, with reasons.
func fixed(models []string) map[knob.Name]string {
	if simulatedOnly(models) {
		return simulated.Fixed()
	}
	return onnx.Fixed()
}

// backends returns the backends for the models, the one that verifies models (nil if none is
// to be verified), and the name of the runtime. ONNX Runtime is only loaded if a model
// needs it.
func (a *app) backends(models []string, log *slog.Logger) (all map[string]engine.Backend, probe engine.Prober, runtime string, err error) {
	sim := new(simulated.Backend)
	all = map[string]engine.Backend{simulated.Name: sim}
	if simulatedOnly(models) {
		return all, nil, sim.Runtime(), nil
	}
	ort, err := a.onnx(log)
	if err != nil {
		return nil, nil, "", err
	}
	all["onnx"] = ort
	return all, ort, ort.Runtime(), nil
}
