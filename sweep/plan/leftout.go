package plan

import (
	"slices"

	"sweetspot/engine/knob"
)

// LeftOut is a knob with the values that a target can have and a plan does not try.
type LeftOut struct {
	Knob   knob.Name
	Values []string
}

// LeftOut returns the devices and precisions of a target that the plan does not try,
// and the target's own knobs that it does not name. Knobs that are fixed are not
// among them. The arguments are those of [Plan.Points].
func (p Plan) LeftOut(limits knob.Limits, base knob.Settings, fixed map[knob.Name]string) []LeftOut {
	var out []LeftOut
	for _, all := range []LeftOut{{knob.Device, limits.Devices()}, {knob.FP16, precisionNames(limits)}} {
		k, _ := knob.Get(all.Knob) // it is one of the seven
		tried := p.values(k, environment{limits, base, fixed})
		rest := slices.DeleteFunc(all.Values, func(v string) bool { return slices.Contains(tried, v) })
		if len(rest) > 0 && fixed[all.Knob] == "" {
			out = append(out, LeftOut{all.Knob, rest})
		}
	}
	for _, k := range limits.Table().Own() {
		if _, named := p.Knobs[k.Name]; !named && fixed[k.Name] == "" {
			out = append(out, LeftOut{k.Name, k.AutoValues()})
		}
	}
	return out
}

// precisionNames returns the precisions of a target, or both if its places are unknown.
func precisionNames(limits knob.Limits) []string {
	all := limits.Precisions()
	if limits.Places == nil {
		all = []knob.Precision{knob.FullPrecision, knob.HalfPrecision}
	}
	var out []string
	for _, v := range all {
		out = append(out, v.String())
	}
	return out
}
