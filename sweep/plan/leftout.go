package plan

import (
	"slices"

	"sweetspot/engine/knob"
)

// LeftOut is what a target could turn a knob to and a plan does not look at.
type LeftOut struct {
	Knob   knob.Name
	Values []string
}

// LeftOut says which devices and precisions of a target the plan does not look at,
// for knobs of which there are some, and which knobs of the target's own it does not
// name. The arguments are those of [Plan.Points].
func (p Plan) LeftOut(limits knob.Limits, base knob.Settings, fixed map[knob.Name]string) []LeftOut {
	var out []LeftOut
	for _, there := range []LeftOut{{knob.Device, limits.Devices()}, {knob.FP16, precisionNames(limits)}} {
		k, _ := knob.Get(there.Knob) // it is in the table
		tried := p.values(k, environment{limits, base, fixed})
		left := slices.DeleteFunc(there.Values, func(v string) bool { return slices.Contains(tried, v) })
		if len(left) > 0 && fixed[there.Knob] == "" {
			out = append(out, LeftOut{there.Knob, left})
		}
	}
	for _, k := range limits.Table().Own() {
		if _, named := p.Knobs[k.Name]; !named && fixed[k.Name] == "" {
			out = append(out, LeftOut{k.Name, k.AutoValues()})
		}
	}
	return out
}

// precisionsOf are those that a target lists, or both where nobody lists them.
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
