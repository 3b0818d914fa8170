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

// virtualTrial is the longest virtual time of a trial that ends when it is
// certain. It costs next to no real time, and slow models want it.
const virtualTrial = 24 * time.Hour

// openVirtual makes the device that a sim: model describes.
func openVirtual(p plan.Plan) (sweep.Target, error) {
	m, table, err := catalog.OpenSimulated(p.Model)
	if err != nil {
		return nil, withHint("name one: sweetspot sim:animated-drawings --target virtual --sweep", "target virtual: %w", err)
	}
	c := virtual.Config{Name: m.Name, Source: m.Source, SHA256: m.SHA256, Table: table, Start: startIn(m.Places, startConfig(p))}
	if p.Trial.Duration == 0 && p.Trial.Requests == 0 {
		c.MinTimeLimit = virtualTrial
	}
	t, err := virtual.Open(c)
	if err != nil {
		return nil, err // not t: a nil *Target is no nil Target
	}
	return t, nil
}

// startIn moves start settings that nobody could run to where somebody can.
func startIn(places []knob.Place, c knob.Config) knob.Config {
	if l := (knob.Limits{Places: places}); l.CheckPlace(c.Settings) != nil {
		c.Device, c.Precision = places[0].Device, places[0].Precision
	}
	return c
}

// simulatedOnly tells whether no model needs ONNX Runtime.
func simulatedOnly(models []string) bool {
	return !slices.ContainsFunc(models, func(m string) bool { return !catalog.IsSimulated(m) })
}

// fixed names the knobs that cannot be turned for the models.
func fixed(models []string) map[knob.Name]string {
	if simulatedOnly(models) {
		return simulated.Fixed()
	}
	return onnx.Fixed()
}

// backends are those that the models want, the one that models are verified
// with (nil where none is to be), and what executes, in words. ONNX Runtime is
// left out where nothing wants it.
func (a *app) backends(models []string, log *slog.Logger) (all map[string]engine.Backend, probe engine.Backend, runtime string, err error) {
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
