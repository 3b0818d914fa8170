package plan_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"sweetspot/engine/knob"
	"sweetspot/sweep/plan"
)

func TestLeftOut(t *testing.T) {
	half := plan.LeftOut{Knob: knob.FP16, Values: []string{"fp16"}}
	device := knob.Limits{Places: []knob.Place{
		{Device: "cpu", Precision: knob.FullPrecision}, {Device: "gpu", Precision: knob.FullPrecision}, {Device: "gpu", Precision: knob.HalfPrecision},
	}}
	for _, c := range []struct {
		name   string
		knobs  map[knob.Name]string
		limits knob.Limits
		fixed  map[knob.Name]string
		want   []plan.LeftOut
	}{
		{"unknown places", nil, knob.Limits{}, nil, []plan.LeftOut{half}},
		{"no knob named", nil, device, nil, []plan.LeftOut{{Knob: knob.Device, Values: []string{"gpu"}}, half}},
		{"auto tries all", map[knob.Name]string{knob.Device: knob.Auto, knob.FP16: knob.Auto}, device, nil, nil},
		{"all are named", map[knob.Name]string{knob.Device: "cpu,gpu", knob.FP16: "fp32,fp16"}, device, nil, nil},
		{"one device and precision named", map[knob.Name]string{knob.Device: "gpu", knob.FP16: "fp16"}, device, nil, []plan.LeftOut{
			{Knob: knob.Device, Values: []string{"cpu"}}, {Knob: knob.FP16, Values: []string{"fp32"}},
		}},
		{"fixed knobs", nil, device, map[knob.Name]string{knob.Device: "no GPU", knob.FP16: "no FP16"}, nil},
	} {
		p := plan.Default()
		p.Knobs = c.knobs
		if diff := cmp.Diff(c.want, p.LeftOut(c.limits, knob.Default(knob.TorchServe), c.fixed)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}
