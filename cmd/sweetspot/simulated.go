package main

import (
	"slices"
	"strings"
	"time"

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
	if err := checkSimulated(p, startConfig(p)); err != nil {
		return nil, err
	}
	c := virtual.Config{Name: m.Name, Source: m.Source, SHA256: m.SHA256, Table: table, Start: possibleStart(m.Places, startConfig(p)), Timeout: p.Timeout}
	if p.Trial.Duration == 0 && p.Trial.Requests == 0 {
		c.MinTimeLimit = virtualTrial
	}
	t, err := virtual.Open(c)
	if err != nil {
		return nil, err // not t: an interface with a nil *Target is not nil
	}
	return t, nil
}

// checkSimulated returns an error if a plan for a simulated model has what has no effect there: a key about the inputs of a model,
// or another start value than the default for a fixed knob. It would be recorded, and exported, as if it had been in force.
func checkSimulated(p plan.Plan, start knob.Config) error {
	if keys := p.WithoutEffect(); len(keys) > 0 {
		return withHint("leave it out", "%s: a simulated model has fixed inputs and no handler", strings.Join(keys, ", "))
	}
	defaults, fixed := knob.Default(start.Rule), simulated.Fixed()
	for _, k := range knob.All() {
		if why, ok := fixed[k.Name]; ok && start.Get(k.Name) != defaults.Get(k.Name) {
			return withHint("leave out --"+k.Flag, "%s %s: %s", k.Name, start.Get(k.Name), why)
		}
	}
	return nil
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
func fixed(models []string, gpus onnx.GPUs) map[knob.Name]string {
	switch {
	case simulatedOnly(models):
		return simulated.Fixed()
	case !slices.ContainsFunc(models, catalog.NeedsONNX):
		return nil // what a handler can do is in the places of its model
	}
	return gpus.Fixed()
}
