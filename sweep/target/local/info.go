package local

import (
	"slices"

	"sweetspot/engine/api/control"
	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/trial"
)

// infoOf converts the engine's description. Options that are changed like knobs are among the knobs
// of the target, and Options has those of the start.
func (t *Target) infoOf(in control.Info) sweep.Info {
	out := describe(in)
	out.Notes = t.cfg.Notes
	out.Options, out.Current.Own = t.cfg.Start.Options, t.lastSettings.Own
	for _, k := range knob.OptionKnobs() {
		if slices.Contains(t.cfg.Options, k.Name) {
			out.Limits.Own = append(out.Limits.Own, k)
		}
	}
	out.Model.Bodies, out.Model.MaxRequestSize, out.Model.BodiesSHA256 = t.bodies, t.cfg.MaxRequestSize, t.bodiesSum
	for _, b := range t.baseConfig.Bodies {
		out.Model.LargestBody = max(out.Model.LargestBody, int64(len(b.Data)))
	}
	return out
}

// describe converts the engine's description.
func describe(in control.Info) sweep.Info {
	m := in.Models[0]
	return sweep.Info{
		Model: sweep.ModelInfo{
			Name: m.Name, Version: m.Version, Source: m.Source, SHA256: m.SHA256,
			BatchAxis: m.BatchAxis, BatchWhy: m.BatchWhy, Inputs: m.Inputs, Outputs: m.Outputs, Images: m.Images,
			Backend: m.Backend, Handler: m.Handler,
			Warnings: m.Warnings, Padding: m.Padding, Lengths: lengthsText(m),
		},
		Limits: m.Limits.Knob(), Options: m.Options, Current: m.Settings,
		Metrics: trial.AllMetrics(), Cores: in.Cores, Memory: in.MemoryMB, Runtime: in.Runtime, Fixed: in.Fixed,
	}
}
