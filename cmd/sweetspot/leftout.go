package main

import (
	"fmt"
	"strings"

	"sweetspot/engine/knob"
	"sweetspot/sweep"
	"sweetspot/sweep/plan"
)

// leftOut names the devices and precisions that the target could turn to, and the knobs
// of its own, that the plan did not look at, and how to have them looked at; "" where
// there are none.
func leftOut(p plan.Plan, info sweep.Info) string {
	var what, flags []string
	changes := false // the answers of a model that answers
	for _, o := range p.LeftOut(info.Limits, info.Current, info.Fixed) {
		k, everyones := knob.Get(o.Knob)
		if !everyones {
			what, flags = append(what, string(o.Knob)), append(flags, "--knob "+string(o.Knob)+"=auto")
			continue
		}
		changes = info.Limits.Places == nil
		flags = append(flags, "--"+k.Flag+" auto")
		for _, v := range o.Values {
			if o.Knob == knob.Device {
				what = append(what, "device "+v)
			} else {
				what = append(what, strings.ToUpper(v))
			}
		}
	}
	if what == nil {
		return ""
	}
	text := strings.Join(what, ", ")
	if changes {
		text += ", which changes answers"
	}
	return fmt.Sprintf("%s (add %s)", text, strings.Join(flags, " "))
}
