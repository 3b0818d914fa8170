package knob_test

import (
	"testing"

	"sweetspot/engine/knob"
)

func TestOptionKnobs(t *testing.T) {
	if _, err := knob.NewTable(knob.OptionKnobs()...); err != nil {
		t.Error(err)
	}
	for _, k := range knob.OptionKnobs() {
		for _, v := range k.AutoValues() { // every value is one of the option
			var o knob.Options
			if err := o.SetOption(string(k.Name), v); err != nil {
				t.Errorf("%s: %v", k.Name, err)
			}
		}
	}
	base := knob.Options{Rule: knob.Eager, Spin: "on", Graph: "basic"}
	for own, want := range map[knob.OwnValues]knob.Options{
		"":                     base,
		"spin=off":             {Rule: knob.Eager, Spin: "off", Graph: "basic"},
		"arena=off inter_op=4": {Rule: knob.Eager, Spin: "on", Graph: "basic", Arena: "off", InterOp: 4},
		"instances=2":          base, // a knob of another kind
	} {
		if got, err := base.With(own); err != nil || got != want {
			t.Errorf("With(%s) = %+v, %v, want %+v", own, got, err, want)
		}
	}
	for _, own := range []knob.OwnValues{"spin=sometimes", "inter_op=0", "inter_op=2.5"} {
		if got, err := base.With(own); err == nil {
			t.Errorf("With(%s) = %+v", own, got)
		}
	}
	if !knob.IsOption("spin") || !knob.IsOption("pin") || knob.IsOption("tf32") || knob.IsOption(knob.Threads) {
		t.Error("IsOption is wrong")
	}
}
